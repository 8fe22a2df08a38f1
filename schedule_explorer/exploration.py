"""explore(): run a body under one schedule after another until the space or the budget ends."""

from __future__ import annotations

import _thread
import gc
import inspect
import itertools
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from types import FrameType
from typing import Any

from schedule_explorer import token as tokens
from schedule_explorer.errors import (
    DeadlockError,
    DivergenceError,
    ExplorerError,
    InvalidBodyError,
    UncontrolledBlockingError,
    UncontrolledThreadError,
)
from schedule_explorer.interposition.install import interposed
from schedule_explorer.reporting.text import explain, wait_for_table
from schedule_explorer.runtime import Execution, Trace, current_execution
from schedule_explorer.runtime.execution import site_text, user_frames
from schedule_explorer.strategies import Strategy
from schedule_explorer.strategies.random_walk import RandomWalk
from schedule_explorer.strategies.replay import Replay
from schedule_explorer.strategies.sleep_set_dfs import SleepSetDFS

_monotonic = time.monotonic
_STRATEGIES: dict[str, Callable[[int], Strategy]] = {
    "sleep-set-dfs": lambda seed: SleepSetDFS(),
    "random": RandomWalk,
}


class Verdict(str, Enum):  # noqa: UP042 - str(Verdict.PROVED) stays "Verdict.PROVED" on 3.11 and later
    """What an exploration established."""

    PROVED = "proved"
    FAILED = "failed"
    UNFINISHED = "unfinished"


@dataclass
class Failure:
    """One failing execution.

    `schedule` is a token: ``replay(body, schedule)`` fails the same way.
    """

    error: BaseException
    schedule: str
    trace: Trace

    def explain(self) -> str:
        """Tell the execution as columns, one a thread; the token is the last line."""
        return explain(self.trace, self.error, self.schedule)


@dataclass
class Result:
    """What `explore` found. `reason` says why the verdict is not `PROVED`."""

    verdict: Verdict = Verdict.UNFINISHED
    reason: str = ""
    executions: int = 0
    blocked: int = 0
    deadlocks: int = 0
    seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)

    @property
    def failure(self) -> Failure | None:
        """The first failure, or None."""
        return self.failures[0] if self.failures else None

    def raise_for_failure(self) -> None:
        """Raise the error of the first failure, with its explanation as a note."""
        if self.failures:
            error = self.failures[0].error
            error.add_note(self.failures[0].explain())
            raise error


def explore(
    body: Callable[[], Any],
    strategy: str | Strategy = "sleep-set-dfs",
    *,
    max_executions: int | None = None,
    time_limit: float | None = None,
    seed: int = 0,
    timeouts: str = "any",
    stop_at_first_failure: bool = True,
    step_timeout: float = 5.0,
) -> Result:
    """Run `body` under every schedule that matters, or as many as the budget allows.

    Arguments:
        body: callable without arguments; run once an execution, all its state made inside.
        strategy: ``"sleep-set-dfs"``, ``"random"``, or a `Strategy`.
        max_executions: stop after so many complete executions; None: no limit.
        time_limit: seconds of real time; None: no limit.
        seed: for strategies that draw.
        timeouts: ``"any"`` or ``"quiet"``, when a timed wait may expire.
        stop_at_first_failure: False collects all failures.
        step_timeout: seconds of real time that one step may take before it is called blocked.

    Raises:
        InvalidBodyError: `body` is not such a callable.
        ValueError: an argument is out of range.
        ExplorerError: something uncontrolled was met.
    """
    _check_body(body)
    if isinstance(strategy, str):
        if strategy not in _STRATEGIES:
            raise ValueError(f"strategy {strategy!r} is unknown: take one of {sorted(_STRATEGIES)}")
        strategy = _STRATEGIES[strategy](seed)
    if timeouts not in ("any", "quiet"):
        raise ValueError(f"timeouts is {timeouts!r}: take 'any' or 'quiet'")
    for name, limit in (("max_executions", max_executions), ("time_limit", time_limit)):
        if limit is not None and limit <= 0:
            raise ValueError(f"{name} is {limit}: give a positive number, or None for no limit")
    result = Result()
    bounded: set[str] = set()
    tids: dict[tuple[int, ...], int] = {}
    started = _monotonic()
    exhausted = checked = False
    with _session(step_timeout) as watch:
        while True:
            if not strategy.begin():
                exhausted = True
                break
            trace = _run(body, Execution(strategy, tids, timeouts=timeouts), watch)
            strategy.finish(trace)
            if not checked and not trace.cut:
                # The very first schedule is run twice: a body that remembers is found out at once.
                checked = True
                _again(body, trace, timeouts, watch)
            if trace.cut:
                result.blocked += 1
            else:
                result.executions += 1
                bounded |= trace.bounded_at
                result.deadlocks += trace.deadlock
                if trace.errors or trace.deadlock:
                    result.failures.append(_failure(body, trace, timeouts, watch))
                    if stop_at_first_failure:
                        break
            if max_executions is not None and result.executions >= max_executions:
                result.reason = f"stopped after {max_executions} executions"
                break
            if time_limit is not None and _monotonic() - started >= time_limit:
                result.reason = f"stopped after {time_limit:g} s"
                break
    result.seconds = _monotonic() - started
    if result.failures:
        result.verdict, result.reason = Verdict.FAILED, str(result.failures[0].error)
    elif exhausted and strategy.exhaustive and not bounded and timeouts == "any":
        result.verdict = Verdict.PROVED
    elif bounded:
        result.reason = "early expiries were bounded at " + ", ".join(sorted(bounded))
    elif exhausted and not result.reason:
        result.reason = "timed waits expired only at quiescence (timeouts='quiet')"
    return result


def replay(body: Callable[[], Any], schedule: str, *, step_timeout: float = 5.0) -> Result:
    """Run the one execution that the token `schedule` names.

    Raises:
        InvalidTokenError: it is not a token.
        DivergenceError: the program does not follow it.
    """
    _check_body(body)
    decoded = tokens.decode(schedule)
    result = Result(reason="one schedule was replayed")
    started = _monotonic()
    with _session(step_timeout) as watch:
        strategy = Replay(decoded.choices, decoded.kinds)
        strategy.begin()
        execution = Execution(strategy, dict(decoded.tids), timeouts=decoded.timeouts, record=True)
        trace = _run(body, execution, watch)
        strategy.finish(trace)
    result.executions, result.deadlocks = 1, int(trace.deadlock)
    result.seconds = _monotonic() - started
    if trace.errors or trace.deadlock:
        result.verdict = Verdict.FAILED
        result.failures.append(Failure(_error(trace), schedule, trace))
        result.reason = str(result.failures[0].error)
    return result


def _error(trace: Trace) -> BaseException:
    return trace.errors[0][1] if trace.errors else DeadlockError(wait_for_table(trace))


def _failure(body: Callable[[], Any], trace: Trace, timeouts: str, watch: _Watchdog) -> Failure:
    """Run the failing schedule again with source lines noted; this also checks that it replays."""
    noted = _again(body, trace, timeouts, watch)
    if not (noted.errors or noted.deadlock):
        raise DivergenceError(
            f"the schedule that failed with {_error(trace)!r} passes when it is run again: the body "
            "keeps state between runs, or something uncontrolled decides"
        )
    return Failure(_error(noted), tokens.encode(trace, timeouts), noted)


def _again(body: Callable[[], Any], trace: Trace, timeouts: str, watch: _Watchdog) -> Trace:
    """Repeat an execution from its own token."""
    decoded = tokens.decode(tokens.encode(trace, timeouts))
    strategy = Replay(decoded.choices, decoded.kinds)
    strategy.begin()
    noted = _run(body, Execution(strategy, dict(decoded.tids), timeouts=timeouts, record=True), watch)
    strategy.finish(noted)
    return noted


def _run(body: Callable[[], Any], execution: Execution, watch: _Watchdog) -> Trace:
    watch.execution = execution
    threads = _thread._count()
    # Default thread names count from 1 in every execution.
    threading._counter = itertools.count(1).__next__  # type: ignore[attr-defined]
    try:
        trace = execution.run(body)
    finally:
        watch.execution = None
    if _thread._count() > threads:
        known = {t.ident: t.name for t in threading.enumerate()}
        for ident, frame in sys._current_frames().items():
            if ident != _thread.get_ident() and ident not in watch.before:
                raise UncontrolledThreadError(
                    f"the body started a real thread ({known.get(ident, ident)}), now at "
                    f"{site_text(user_frames(frame))}: start it through threading.Thread, looked up "
                    "when it is called"
                )
    gc.collect()
    gc.freeze()
    return trace


def _check_body(body: object) -> None:
    if not callable(body):
        raise InvalidBodyError(f"the body must be callable, got {body!r} ({type(body).__name__})")
    if inspect.iscoroutinefunction(body):
        raise InvalidBodyError(f"the body {body!r} is a coroutine function: explore() runs threads")
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


class _Watchdog:
    """Bounds one step in real time: a step that does not return is interrupted and named."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.execution: Execution | None = None
        self.before = set(sys._current_frames())
        self._stop = _thread.allocate_lock()
        self._stop.acquire()
        self._running = _thread.allocate_lock()
        self._main = threading.get_ident()
        self._signals = threading.current_thread() is threading.main_thread()
        self._old: Any = None

    def start(self) -> None:
        if self._signals:
            self._old = signal.signal(signal.SIGUSR2, self._interrupt)
        # Both handshakes keep the count of real threads exact for `_run`.
        self._running.acquire()
        _thread.start_new_thread(self._watch, ())
        self._running.acquire()
        self.before = set(sys._current_frames())

    def stop(self) -> None:
        self._stop.release()
        self._running.acquire()
        if self._signals:
            signal.signal(signal.SIGUSR2, self._old)

    def _watch(self) -> None:
        self._running.release()
        try:
            self._watch_steps()
        finally:
            self._running.release()

    def _watch_steps(self) -> None:
        seen: tuple[int, int] = (-1, -1)
        since = _monotonic()
        while not self._stop.acquire(True, min(self.limit / 4, 0.5)):
            execution = self.execution
            state = (id(execution), len(execution.trace.events)) if execution else (-1, -1)
            if execution is None or state != seen:
                seen, since = state, _monotonic()
            elif _monotonic() - since > self.limit:
                since = _monotonic()
                if self._signals:
                    signal.pthread_kill(self._main, signal.SIGUSR2)
                else:
                    _thread.interrupt_main()

    def _interrupt(self, signum: int, frame: FrameType | None) -> None:
        execution = current_execution()
        if execution is not None and not execution.ending:
            raise UncontrolledBlockingError(
                f"a step did not return within {self.limit:g} s, at {site_text(user_frames(frame))}: "
                "a real lock, a blocking call that is not interposed, or a loop without a wait"
            )


@contextmanager
def _session(step_timeout: float) -> Iterator[_Watchdog]:
    """Interpose, keep the garbage collector to fixed points, watch; undo all of it."""
    if current_execution() is not None:
        raise ExplorerError("explore() was called inside a body: an exploration cannot be nested")
    watch = _Watchdog(step_timeout)
    enabled = gc.isenabled()
    counter = threading._counter  # type: ignore[attr-defined]
    gc.collect()
    gc.disable()
    gc.freeze()
    watch.start()
    try:
        with interposed():
            yield watch
    finally:
        watch.stop()
        threading._counter = counter  # type: ignore[attr-defined]
        gc.unfreeze()
        if enabled:
            gc.enable()
