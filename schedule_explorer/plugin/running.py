"""The exploration of one test, or the replay of one schedule of it."""

from __future__ import annotations

import _thread
import copy
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from schedule_explorer import token as tokens
from schedule_explorer.errors import ExplorerError
from schedule_explorer.exploration import error_of, explore, replay
from schedule_explorer.plugin import outcome as said
from schedule_explorer.plugin import story
from schedule_explorer.plugin.body import Body, PerExecutionFixtures, WiderFixture, wider_fixtures
from schedule_explorer.plugin.outcome import OUTCOME, Outcome
from schedule_explorer.plugin.settings import Settings
from schedule_explorer.results import Failure, Result
from schedule_explorer.runtime import Choice, Trace
from schedule_explorer.strategies import Strategy
from schedule_explorer.strategies.named import named
from schedule_explorer.strategies.preemption_bound import PreemptionBound

_BODY: pytest.StashKey[Body] = pytest.StashKey()
_monotonic = time.monotonic
_FIXTURES = "schedule-explorer-fixtures"


def prepare(item: pytest.Function, settings: Settings, threads: set[int]) -> None:
    """Exchange what pytest's set-up, call and teardown do with `item` for an exploration.

    Arguments:
        item: not set up yet.
        settings: how to explore it.
        threads: the real threads of the time before any test, by their identifiers.
    """
    body = item.stash[_BODY] = Body(item)
    replaced: Any = item
    replaced.setup = body.set_up_wider
    replaced.runtest = partial(_run, item, settings, threads)
    replaced.teardown = _nothing


def put_back(item: pytest.Function) -> None:
    """Undo `prepare`."""
    for name in ("setup", "runtest", "teardown"):
        item.__dict__.pop(name, None)
    if _BODY in item.stash:
        del item.stash[_BODY]


def _nothing() -> None:
    """Every execution has torn down what it set up."""


class _NoThreads(Exception):
    """The first execution had one thread, and no other choice than it made."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace


class _UnlessOneThread:
    """Another strategy, unless the first execution shows that there is one schedule only."""

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy
        self._first = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._strategy, name)  # `infeasible` and `incomplete`, where it has them

    @property
    def exhaustive(self) -> bool:
        return self._strategy.exhaustive

    def begin(self) -> bool:
        return self._strategy.begin()

    def choose(self, choice: Choice) -> int | None:
        return self._strategy.choose(choice)

    def finish(self, trace: Trace) -> None:
        first, self._first = self._first, False
        alone = len(trace.tids) == 1 and all(kind == "thread" for kind, _ in trace.choices)
        if first and alone and not trace.cut:
            # Not run again, neither for a check nor for source lines: a test without threads may well keep
            # something from its first run.
            raise _NoThreads(trace)
        self._strategy.finish(trace)


def _run(item: pytest.Function, settings: Settings, threads: set[int]) -> None:
    """Explore `item`, and raise what it failed with."""
    __tracebackhide__ = True
    body = item.stash[_BODY]
    plugins = item.config.pluginmanager
    fixtures: Any = plugins.get_plugin(_FIXTURES)
    if fixtures is None:
        fixtures = PerExecutionFixtures()
        plugins.register(fixtures, _FIXTURES)
    note, started = "", _monotonic()
    try:
        with _without_timer(item) as limit, body._surroundings.exploring():
            if limit is not None and (settings.time_limit is None or limit < settings.time_limit):
                settings, note = replace(settings, time_limit=limit), " (pytest-timeout allows little more)"
            others = _real_threads(threads)
            fixtures.body = body
            result = _explored(item, body, settings)
            others |= _real_threads(threads)
            if isinstance(result, Result) and result.failure is not None:
                result.failure.watch()  # for its page: what is around the test is there only here
    except ExplorerError as error:
        if body.exited is not None:
            raise body.exited from None
        item.stash[OUTCOME] = Outcome(said.ERROR, f"{type(error).__name__}: {error}")
        raise
    finally:
        fixtures.body = None
        _ = item.obj  # pytest asks it for the source of a failure
    if isinstance(result, Trace):
        outcome, failure = _once(result, settings.timeouts)
    else:
        failure = result.failure
        verdict = said.REPLAYED if settings.token and failure is None else result.verdict.value
        outcome = Outcome(verdict, result.reason, result.executions, result.blocked, result.seconds)
        if verdict == said.REPLAYED:
            outcome.reason = "this schedule passes"
    outcome.seconds = _monotonic() - started
    if outcome.reason == f"stopped after {settings.time_limit or 0:g} s":
        outcome.reason += note
    _note_what_else_ran(outcome, others)
    item.stash[OUTCOME] = outcome
    if failure is not None:
        _tell(item, outcome, failure)
        raise failure.error.with_traceback(_without_explorer(failure.error))
    if body.skip is not None:
        if body.skips == body.runs:
            outcome.verdict = said.SKIPPED
            raise body.skip
        outcome.reason = "; ".join(filter(None, [
            outcome.reason, f"skipped in {body.skips} of {body.runs} executions: {body.skip}"
        ]))
    if settings.strict and outcome.verdict == said.UNFINISHED:
        raise pytest.fail.Exception(f"unfinished: {outcome.reason} (--explore-strict)", pytrace=False)


def _explored(item: pytest.Function, body: Body, settings: Settings) -> Result | Trace:
    """Explore, anew when a fixture wider than a function turns up: it is set up first."""
    while True:
        try:
            if settings.token is not None:
                return replay(body, settings.token, **settings.limits)
            return explore(
                body, _strategy(settings), max_executions=settings.max_executions,
                time_limit=settings.time_limit, timeouts=settings.timeouts, simplify=settings.simplify,
                **settings.limits,
            )
        except _NoThreads as alone:
            return alone.trace
        except WiderFixture as needed:
            definition = needed.definition
            item._request.getfixturevalue(definition.argname)
            if definition.cached_result is None:
                raise ExplorerError(
                    f"{needed}, and another one has its name: name it among the test's arguments"
                ) from None
            body.forget()


def _strategy(settings: Settings) -> Strategy:
    chosen = settings.strategy
    if chosen is None and settings.preemption_bound is not None:
        chosen = "optimal-dpor"  # of which the bound makes an enumeration
    if chosen is None or isinstance(chosen, str):
        strategy = named(chosen, settings.seed)
    else:
        strategy = copy.deepcopy(chosen)  # the marker's own may stand for several tests: it is never begun
    if settings.preemption_bound is not None:
        strategy = PreemptionBound(strategy, settings.preemption_bound)
    return _UnlessOneThread(strategy)


def _once(trace: Trace, timeouts: str) -> tuple[Outcome, Failure | None]:
    if not trace.failed:
        return Outcome(said.ONCE, "", 1), None
    error = error_of(trace)
    return Outcome(said.FAILED, str(error), 1), Failure(error, tokens.encode(trace, timeouts), trace)


def _tell(item: pytest.Function, outcome: Outcome, failure: Failure) -> None:
    outcome.token = failure.schedule
    outcome.reason = f"{type(failure.error).__name__}: {failure.error}"
    outcome.story = failure.explain()
    if any(event.expired and event.kind not in ("sleep", "hang") for event in failure.trace.events):
        outcome.story += (
            "\n\nA timed wait ran out in this schedule. To explore a machine on which none does while "
            "anything else can run: --explore-timeouts=quiet"
        )
    outcome.command = story.command(item, failure.schedule)
    outcome.path = story.write(item, outcome)
    outcome.page = story.write_page(item, failure, outcome.command)
    item.user_properties.append(("schedule", failure.schedule))


def _real_threads(threads: set[int]) -> set[str]:
    """Name the real threads that were not there before any test, and that pytest-timeout has not made."""
    frames = sys._current_frames()
    return {
        thread.name for thread in threading.enumerate()
        if thread.ident in frames and thread.ident not in threads and thread.ident != _thread.get_ident()
    }


def _note_what_else_ran(outcome: Outcome, others: set[str]) -> None:
    """Take back a proof: a real thread may have had a part in the test."""
    if others and outcome.verdict in (said.ONCE, said.PROVED):
        outcome.verdict = said.UNFINISHED
        outcome.reason = (
            f"a real thread runs besides ({', '.join(sorted(others))}), started by an import or by a fixture "
            "wider than a function: make that fixture one of function scope"
        )


def hint(item: pytest.Function) -> str:
    """Say what can be done in a test about something uncontrolled."""
    wide = ", ".join(
        definition.argname for definition in wider_fixtures(item)
        if not str(getattr(definition.func, "__module__", "")).startswith("_pytest")
    )
    lines = []
    if wide:
        lines.append(
            f"These fixtures are set up once, outside of the exploration: {wide}. Locks, queues, files and "
            "threads made there are real; make them in a fixture of function scope."
        )
    lines.append("To leave this test to pytest, mark it with @pytest.mark.no_explore.")
    return "\n".join(lines)


def _without_explorer(error: BaseException) -> Any:
    """Return the traceback from the first frame on that is the test's, a fixture's or pytest's."""
    traceback = error.__traceback__
    while traceback is not None:
        name = str(traceback.tb_frame.f_globals.get("__name__"))
        if not (name.startswith("schedule_explorer.") and ".targets." not in name) and name != "threading":
            return traceback
        traceback = traceback.tb_next
    return error.__traceback__


@contextmanager
def _without_timer(item: pytest.Function) -> Any:
    """Stop the timer of pytest-timeout for the exploration, which keeps to the limit itself; yield that.

    The timer would fail whichever execution is under way. One step is bounded by the explorer's watchdog.
    """
    settings_of = getattr(item.config.pluginmanager.get_plugin("timeout"), "_get_item_settings", None)
    settings = settings_of(item) if settings_of is not None else None
    if settings is None or not settings.timeout or settings.timeout <= 0:
        yield None
        return
    hook: Any = item.config.hook
    hook.pytest_timeout_cancel_timer(item=item)
    try:
        yield 0.9 * settings.timeout
    finally:
        if not settings.func_only:
            hook.pytest_timeout_set_timer(item=item, settings=settings)
