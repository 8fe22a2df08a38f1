"""explore(): run a body under one schedule after another until the space or the budget ends."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from schedule_explorer import token as tokens
from schedule_explorer.errors import (
    DeadlockError,
    DivergenceError,
    ExplorerError,
    InvalidBodyError,
    LeakedThreadError,
)
from schedule_explorer.reporting.progress import Progress
from schedule_explorer.reporting.text import wait_for_table
from schedule_explorer.results import Failure, Result, Verdict
from schedule_explorer.runtime import Execution, Trace
from schedule_explorer.session import Session, session
from schedule_explorer.shortest import Along, onwards, shortest
from schedule_explorer.states import State
from schedule_explorer.strategies import Strategy
from schedule_explorer.strategies.compound import torn
from schedule_explorer.strategies.named import named
from schedule_explorer.strategies.preemption_bound import PreemptionBound
from schedule_explorer.strategies.replay import Replay
from schedule_explorer.watching import Watching

__all__ = ["Failure", "Result", "Verdict", "explore", "replay"]

_monotonic = time.monotonic
#: failing executions that are kept when all are wanted
_KEPT = 100
_KEEPS_STATE = "keeps state between runs"


def explore(
    body: Callable[[], Any],
    strategy: str | Strategy | None = "optimal-dpor",
    *,
    max_executions: int | None = None,
    time_limit: float | None = None,
    seed: int = 0,
    preemption_bound: int | None = None,
    progress: bool = False,
    timeouts: str = "any",
    stop_at_first_failure: bool = True,
    step_timeout: float = 5.0,
    max_steps: int = 20_000,
    simplify: int = 100,
) -> Result:
    """Run `body` under every schedule that matters, or as many as the budget allows.

    Arguments:
        body: callable without arguments; run once an execution, all its state made inside.
        strategy: ``"optimal-dpor"``, ``"sleep-set-dfs"``, ``"random"``, ``"pct"``, ``"pos"`` or a `Strategy`;
            None: a short random burst, which finds the easy bugs at once, then optimal DPOR.
        max_executions: stop after so many complete executions; None: no limit.
        time_limit: seconds of real time; None: no limit.
        seed: for strategies that draw.
        preemption_bound: most switches away from a thread that could go on, in one execution; an incomplete
            mode, never `PROVED`. None: no bound.
        progress: show executions and rate while it runs.
        timeouts: ``"any"``: a timed wait may expire at any point; ``"quiet"``: only when nothing else can
            run, as on a fast machine; never `PROVED`.
        stop_at_first_failure: False goes on, and keeps the first 100 failures.
        step_timeout: seconds of real time that one step may take before it is called blocked.
        max_steps: operations of one execution before it is taken for endless.
        simplify: executions spent, after the first failure, on one that fails in the same way with fewer
            switches, which is then the one that is shown; within `time_limit`, and not where
            `stop_at_first_failure` is False. They count nowhere. 0: show what was found.

    Raises:
        InvalidBodyError: `body` is not such a callable.
        ValueError: an argument is out of range.
        ExplorerError: something uncontrolled was met.
    """
    _check_body(body)
    _check_limits(max_executions, time_limit, preemption_bound, timeouts, step_timeout, max_steps)
    if simplify < 0:
        raise ValueError(f"simplify is {simplify}: give a number of executions, or 0 for none")
    chosen = named(strategy, seed) if strategy is None or isinstance(strategy, str) else strategy
    if preemption_bound is not None:
        chosen = PreemptionBound(chosen, preemption_bound)
    result = Result()
    bounded: set[str] = set()
    unmodelled: set[str] = set()
    tids: dict[tuple[int, ...], int] = {}
    started = _monotonic()
    exhausted = checked = False
    failed: Trace | None = None
    with session(step_timeout) as runs, Progress(progress) as shown:
        while True:
            if not chosen.begin():
                exhausted = True
                break
            trace = runs.run(body, Execution(chosen, tids, timeouts=timeouts, max_steps=max_steps))
            chosen.finish(trace)
            unmodelled |= trace.unmodelled
            if not checked and not trace.cut:
                # The very first schedule is run twice: a body that remembers is found out at once.
                checked = True
                _again(body, trace, timeouts, runs, max_steps)
            if trace.cut:
                result.blocked += 1
                if trace.errors and failed is None:
                    failed = trace
            else:
                result.executions += 1
                bounded |= trace.bounded_at
                unmodelled |= torn(trace)
                result.deadlocks += trace.deadlock
                if trace.failed:
                    result.failing += 1
                    if len(result.failures) < _KEPT:
                        result.failures.append(
                            _failure(body, trace, timeouts, runs, step_timeout, max_steps,
                                     first=not result.failures)
                        )
                    if stop_at_first_failure:
                        until = None if time_limit is None else started + time_limit
                        simpler = _simpler(
                            body, trace, timeouts, runs, step_timeout, max_steps, simplify, until
                        )  # fmt: skip
                        result.failures[0] = simpler or result.failures[0]
                        break
            shown.update(result)
            if max_executions is not None and result.executions >= max_executions:
                result.reason = f"stopped after {max_executions} executions"
                break
            if time_limit is not None and _monotonic() - started >= time_limit:
                result.reason = f"stopped after {time_limit:g} s"
                break
        if failed is not None and not result.failures:
            # A schedule like it was run, and passed; and yet this one has failed. It is run to its end.
            along = onwards(failed)
            trace = runs.run(body, Execution(along, tids, timeouts=timeouts, max_steps=max_steps))
            result.executions += 1
            result.failing += 1
            result.failures.append(
                _failure(body, trace, timeouts, runs, step_timeout, max_steps, first=True)
            )
    result.seconds = _monotonic() - started
    _judge(result, chosen, exhausted, bounded, unmodelled, timeouts)
    return result


def _judge(
    result: Result, strategy: Strategy, exhausted: bool, bounded: set[str], unmodelled: set[str],
    timeouts: str,
) -> None:
    """Set the verdict: `PROVED` only where nothing was left out."""
    if result.failures:
        result.verdict, result.reason = Verdict.FAILED, str(result.failures[0].error)
        return
    reasons = [result.reason] if result.reason else []
    if not exhausted and not reasons:
        reasons.append("not every schedule was run")
    if exhausted and not strategy.exhaustive:
        reasons.append(getattr(strategy, "incomplete", "this strategy does not cover every schedule"))
    reasons += sorted(unmodelled)
    if bounded:
        reasons.append("early expiries were bounded at " + ", ".join(sorted(bounded)))
    if timeouts == "quiet":
        reasons.append("timed waits expired only at quiescence (timeouts='quiet')")
    infeasible = getattr(strategy, "infeasible", 0)
    if infeasible and not bounded:  # a wait that was bounded may not expire where it was planned to
        reasons.append(
            f"{infeasible} planned schedules could not be run: please report this program, for a rule of "
            "the explorer is wrong"
        )
    result.reason = "; ".join(reasons)
    if not reasons:
        result.verdict = Verdict.PROVED


def replay(
    body: Callable[[], Any], schedule: str, *, step_timeout: float = 5.0, max_steps: int = 20_000
) -> Result:
    """Run the one execution that the token `schedule` names.

    Raises:
        InvalidTokenError: it is not a token, or one of another version.
        DivergenceError: the program does not follow it; says so when another version of Python or another
            hash seed made the token.
    """
    _check_body(body)
    decoded = tokens.decode(schedule)
    result = Result(reason="one schedule was replayed")
    started = _monotonic()
    try:
        with session(step_timeout) as runs:
            trace = _follow(body, decoded, runs, max_steps)
    except DivergenceError as error:
        told = tokens.elsewhere(decoded)
        if not told:
            raise
        raise DivergenceError(f"{error}. {told}") from error
    result.executions, result.deadlocks = 1, int(trace.deadlock)
    result.seconds = _monotonic() - started
    if trace.failed:
        result.verdict = Verdict.FAILED
        result.failing = 1
        result.failures.append(Failure(
            error_of(trace), schedule, trace, _watch=partial(watch, body, schedule, step_timeout, max_steps)
        ))
        result.reason = str(result.failures[0].error)
    return result


def watch(
    body: Callable[[], Any], schedule: str, step_timeout: float = 5.0, max_steps: int = 20_000
) -> tuple[Trace, dict[int, State]]:
    """Run the execution that a token names, and look around after each of its steps.

    Returns:
        its trace, and the states by the index of the event that led to each.

    Raises:
        DivergenceError: as `replay`.
    """
    decoded = tokens.decode(schedule)
    strategy = Watching(decoded.choices, decoded.kinds)
    with session(step_timeout) as runs:
        trace = _follow(body, decoded, runs, max_steps, strategy)
    return trace, strategy.states


def error_of(trace: Trace) -> BaseException:
    """Return what a failing execution failed with: the first error, a deadlock, or a leaked thread."""
    if trace.errors:
        return trace.errors[0][1]
    if trace.deadlock:
        return DeadlockError(wait_for_table(trace))
    return LeakedThreadError(
        f"{', '.join(trace.leaked)}: not a daemon, and polls for ever: the program would never exit"
    )


def _failure(
    body: Callable[[], Any], trace: Trace, timeouts: str, runs: Session, step_timeout: float, max_steps: int,
    *, first: bool,
) -> Failure:
    """Make a failure; the first is run again at once, which also checks that it replays."""
    token = tokens.encode(trace, timeouts)
    looked = partial(watch, body, token, step_timeout, max_steps)
    if not first:
        def again() -> Trace:
            with session(5.0) as later:
                return _again(body, trace, timeouts, later, max_steps)

        return Failure(error_of(trace), token, trace, again, looked)
    noted = _again(body, trace, timeouts, runs, max_steps)
    if not noted.failed:
        raise DivergenceError(
            f"the schedule that failed with {error_of(trace)!r} passes when it is run again: the body "
            f"{_KEEPS_STATE}, or something uncontrolled decides"
        )
    return Failure(error_of(noted), token, noted, None, looked)


def _simpler(
    body: Callable[[], Any], trace: Trace, timeouts: str, runs: Session, step_timeout: float, max_steps: int,
    budget: int, until: float | None,
) -> Failure | None:
    """Make a failure with fewer switches than `trace`, see `shortest`; None where none was found."""

    def run(along: Along) -> Trace:
        return runs.run(body, Execution(along, dict(trace.tids), timeouts=timeouts, max_steps=max_steps))

    def late() -> bool:
        return until is not None and _monotonic() >= until

    best = shortest(trace, run, budget, late)
    if best is trace:
        return None
    try:
        return _failure(body, best, timeouts, runs, step_timeout, max_steps, first=True)
    except ExplorerError:
        return None  # what was found first does replay


def _again(
    body: Callable[[], Any], trace: Trace, timeouts: str, runs: Session, max_steps: int
) -> Trace:
    """Repeat an execution from its own token, noting source lines.

    Raises:
        DivergenceError: the body did something else this time.
    """
    try:
        return _follow(body, tokens.decode(tokens.encode(trace, timeouts)), runs, max_steps)
    except DivergenceError as error:
        if _KEEPS_STATE in str(error):
            raise
        raise DivergenceError(
            f"{error}. The same schedule was run twice: the body {_KEEPS_STATE} (a global, a cache, a file "
            "left behind), or something uncontrolled decides; make all of it anew in every run"
        ) from error


def _follow(
    body: Callable[[], Any], decoded: tokens.Schedule, runs: Session, max_steps: int,
    strategy: Replay | None = None,
) -> Trace:
    strategy = strategy or Replay(decoded.choices, decoded.kinds)
    strategy.begin()
    execution = Execution(
        strategy, dict(decoded.tids), timeouts=decoded.timeouts, record=True, max_steps=max_steps
    )
    if isinstance(strategy, Watching):
        strategy.watch(execution)
    trace = runs.run(body, execution)
    strategy.finish(trace)
    return trace


def _check_limits(
    max_executions: int | None, time_limit: float | None, preemption_bound: int | None, timeouts: str,
    step_timeout: float, max_steps: int,
) -> None:
    if timeouts not in ("any", "quiet"):
        raise ValueError(f"timeouts is {timeouts!r}: take 'any' or 'quiet'")
    for name, limit in (("max_executions", max_executions), ("time_limit", time_limit)):
        if limit is not None and limit <= 0:
            raise ValueError(f"{name} is {limit}: give a positive number, or None for no limit")
    for name, limit in (("step_timeout", step_timeout), ("max_steps", max_steps)):
        if limit <= 0:
            raise ValueError(f"{name} is {limit}: give a positive number")
    if preemption_bound is not None and preemption_bound < 0:
        raise ValueError(f"preemption_bound is {preemption_bound}: give 0 or more, or None for no bound")


def _check_body(body: object) -> None:
    if not callable(body):
        raise InvalidBodyError(f"the body must be callable, got {body!r} ({type(body).__name__})")
    if inspect.iscoroutinefunction(body):
        raise InvalidBodyError(f"the body {body!r} is a coroutine function: explore() runs threads")
    if inspect.isgeneratorfunction(body):
        raise InvalidBodyError(f"the body {body!r} is a generator function: its code would never run")
    try:
        signature = inspect.signature(body)
    except (TypeError, ValueError):
        return
    needed = [
        p.name for p in signature.parameters.values()
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if needed:
        raise InvalidBodyError(
            f"the body {body!r} takes arguments ({', '.join(needed)}): bind them with functools.partial"
        )
