"""Explore the schedules of tests under pytest.

``@pytest.mark.explore(...)`` makes one test a body of `schedule_explorer.explore`, and ``pytest --explore``
every test of a suite that was not written for it: functions, methods of test classes, parametrised tests and
methods of `unittest.TestCase`. Fixtures of function scope, pytest's own among them, are set up and torn down
in every execution, inside its main virtual thread; wider ones once, before. ``--replay=TOKEN`` runs the one
schedule of a failure again.

=====================  ==========================================================================
marker                 what it takes
=====================  ==========================================================================
strategy               a name, a `Strategy`, or None: a random burst, then optimal DPOR
max_executions         stop after so many
time_limit             seconds; 60 where neither this nor `max_executions` is given; None: no limit
seed                   for strategies that draw
preemption_bound       most preemptions; never proved
timeouts               "any" (default) or "quiet": see `explore`
simplify               executions spent on a failing schedule with fewer switches; 100
step_timeout           seconds of real time for one step
max_steps              operations of one execution
=====================  ==========================================================================

A test that is proved passes, and so does one whose exploration is unfinished, unless ``--explore-strict`` is
given: the last section of the output lists it with the reason. A test of which the first execution has one
thread is run once. Whatever cannot be explored (``async def``, generators, tests of Hypothesis, doctests, and
what is marked ``no_explore``) is left to pytest, and listed.

pytest's own protocol goes around it all, so that other plugins see one set-up, one call and one teardown.
"""

from __future__ import annotations

import inspect
import sys
import unittest
from collections.abc import Callable, Generator
from typing import Any

import pytest

from schedule_explorer.plugin.outcome import ERROR, EXPECTED, FAILED, LEFT, OUTCOME, UNFINISHED, Outcome
from schedule_explorer.plugin.settings import PORTFOLIO, STRATEGIES, Settings, seconds, settings_of
from schedule_explorer.plugin.summary import Summary

_SETTINGS: pytest.StashKey[Settings] = pytest.StashKey()
_THREADS: pytest.StashKey[set[int]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the exploration."""
    group = parser.getgroup(
        "explore",
        "exploration of thread schedules (pytest --explore tests/; pytest --replay=TOKEN path::test)",
    )

    def add(*names: str, **options: Any) -> None:
        group.addoption(*names, default=None, **options)

    add("--explore", dest="explore", action="store_const", const=PORTFOLIO,
        help="explore the schedules of every test: a short random burst, then optimal DPOR")
    for name in STRATEGIES:
        # Options of their own: what follows ``--explore`` must stay a path.
        add(f"--explore={name}", dest="explore", action="store_const", const=name,
            help=f"the same under the strategy {name}")
    add("--replay", dest="explore_replay", metavar="TOKEN",
        help="run the one schedule of the selected test that TOKEN names")
    add("--explore-time", dest="explore_time", metavar="TIME", type=_time,
        help="stop after so long for one test: 30s, 2m; 60s where no limit is given")
    add("--explore-executions", dest="explore_executions", metavar="N", type=_count,
        help="stop after so many executions of one test")
    add("--explore-seed", dest="explore_seed", metavar="N", type=int, help="seed of strategies that draw")
    add("--explore-timeouts", dest="explore_timeouts", choices=("any", "quiet"),
        help="'any': a timed wait may run out at any point; 'quiet': only when nothing else can run")
    add("--explore-simplify", dest="explore_simplify", metavar="N", type=_number,
        help="executions spent on a failing schedule with fewer switches, 100; 0: show the first one")
    group.addoption("--explore-strict", dest="explore_strict", action="store_true", default=False,
                    help="an exploration that is not finished fails its test")


def _time(text: str) -> float:
    try:
        return seconds(text)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise pytest.UsageError(f"{text!r} is no number of executions: give 1 or more")
    return int(text)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise pytest.UsageError(f"{text!r} is no number of executions: give 0 or more")
    return int(text)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers; look at the token before anything is collected."""
    config.addinivalue_line(
        "markers",
        "explore(strategy=..., max_executions=..., time_limit=..., seed=..., preemption_bound=..., "
        "timeouts=...): explore the schedules of this test's threads",
    )
    config.addinivalue_line("markers", "no_explore: leave this test to pytest under --explore")
    config.pluginmanager.register(Summary(), "schedule-explorer-summary")
    if config.option.explore_replay is not None:
        from schedule_explorer.errors import InvalidTokenError
        from schedule_explorer.token import decode

        try:
            decode(config.option.explore_replay)
        except InvalidTokenError as error:
            raise pytest.UsageError(f"--replay: {error}") from None


def pytest_sessionstart(session: pytest.Session) -> None:
    """Note which real threads run before any test is imported."""
    session.config.stash[_THREADS] = set(sys._current_frames())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Settle for each test how it is explored."""
    if config.option.explore_replay is not None and len(items) != 1:
        raise pytest.UsageError(
            f"--replay is for one test, and {len(items)} are selected: name it as path::test"
        )
    for item in items:
        settings = settings_of(item)
        if settings is None:
            continue
        why_not = _left_to_pytest(item)
        if why_not:
            item.stash[OUTCOME] = Outcome(LEFT, why_not)
        else:
            item.stash[_SETTINGS] = settings


def _left_to_pytest(item: pytest.Item) -> str:
    """Return why `item` cannot be explored; empty: it can."""
    if item.get_closest_marker("no_explore") is not None:
        return "marked no_explore"
    if not isinstance(item, pytest.Function):
        return f"a {type(item).__name__}, no test function"
    function = inspect.unwrap(item.function)
    kinds: tuple[tuple[Callable[[Any], bool], str], ...] = (
        (inspect.iscoroutinefunction, "async def: asyncio is not interposed"),
        (inspect.isasyncgenfunction, "an asynchronous generator"),
        (inspect.isgeneratorfunction, "a generator, whose code pytest does not run"),
    )
    for is_one, told in kinds:
        if is_one(function):
            return told
    if item.cls is not None and issubclass(item.cls, unittest.IsolatedAsyncioTestCase):
        return "an IsolatedAsyncioTestCase: asyncio is not interposed"
    if getattr(item.function, "is_hypothesis_test", False):
        return "Hypothesis draws another example in every execution"
    return ""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Exchange what set-up, call and teardown of an explored test do."""
    settings = item.stash.get(_SETTINGS, None)
    if settings is not None and isinstance(item, pytest.Function):
        from schedule_explorer.plugin.running import prepare

        prepare(item, settings, item.config.stash[_THREADS])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """Let the test be as it was, for a plugin that runs it again."""
    try:
        return (yield)
    finally:
        if item.stash.get(_SETTINGS, None) is not None and isinstance(item, pytest.Function):
            from schedule_explorer.plugin.running import put_back

            put_back(item)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let the report say what became of the exploration."""
    report = yield
    outcome = item.stash.get(OUTCOME, None)
    if outcome is None or (call.when != "call" and not (outcome.verdict == LEFT and call.excinfo)):
        return report
    del item.stash[OUTCOME]
    if outcome.verdict == FAILED and hasattr(report, "wasxfail") and report.skipped:
        outcome.verdict = EXPECTED
    if outcome.verdict != LEFT:
        item.user_properties += [("explored", outcome.verdict), ("executions", outcome.executions)]
    if call.excinfo is None or not isinstance(item, pytest.Function):
        pass
    elif outcome.verdict == ERROR:
        from schedule_explorer.plugin.running import hint

        report.longrepr = f"{outcome.reason}\n\n{hint(item)}"
    elif outcome.verdict == UNFINISHED and report.failed:
        report.longrepr = str(call.excinfo.value)
    elif outcome.verdict == FAILED and report.failed:
        from schedule_explorer.plugin.story import add_to

        add_to(report, outcome, call.excinfo)
    report.explored = outcome.plain()  # type: ignore[attr-defined]
    return report
