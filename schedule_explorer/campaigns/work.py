"""What a worker does: explore the programs of a chunk, each to its end or its limit.

A worker is told to stop by a flag that it looks at between two executions, never by a signal: so an
exploration always ends in order, its directory is removed, and what is finished of the chunk is not lost.
"""

from __future__ import annotations

import logging
import os
import pickle
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from multiprocessing import connection, parent_process
from signal import SIG_IGN, SIGINT, signal
from typing import Any, Protocol

from schedule_explorer.campaigns.outcome import Limits, Outcome
from schedule_explorer.errors import ExplorerError
from schedule_explorer.exploration import Verdict, explore
from schedule_explorer.interposition.install import interposed
from schedule_explorer.programs import Program, Tally, Target, client_body, text
from schedule_explorer.strategies.optimal_dpor import OptimalDPOR

_monotonic = time.monotonic
_sleep = time.sleep
#: seconds after which a worker returns what it has finished of its chunk
CHUNK_SECONDS = 1.0
#: seconds that a worker whose parent has died has to end the execution under way
_LAST_SECONDS = 10.0
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")


class Flag(Protocol):
    """Something that another process can set, such as `multiprocessing.Event`."""

    def is_set(self) -> bool:
        """Say whether it was set."""


class PlainFlag:
    """A flag within one process. Setting it is no operation of a thread under exploration."""

    def __init__(self) -> None:
        self._value = False

    def set(self) -> None:
        """Set it, for ever."""
        self._value = True

    def is_set(self) -> bool:
        """Say whether it was set."""
        return self._value


class _Worker:
    """The state of this process as a worker: one chunk at a time."""

    stop: Flag = PlainFlag()
    orphaned = False
    busy = False


class _Stoppable(OptimalDPOR):
    """Optimal DPOR that ends, without a claim, once the worker is to stop."""

    stopped = False

    def begin(self) -> bool:
        if _Worker.orphaned or _Worker.stop.is_set():
            self.stopped, self.exhaustive = True, False
            return False
        return super().begin()


def begin_worker(stop: Flag) -> None:
    """Prepare a process of a pool: Ctrl-C is the parent's to handle, and a dead parent ends it."""
    signal(SIGINT, SIG_IGN)
    heed(stop)
    threading.Thread(target=_follow_parent, name="parent-watch", daemon=True).start()


def heed(stop: Flag) -> None:
    """Make `stop` the flag that ends the work of this process."""
    _Worker.stop = stop


def _follow_parent() -> None:
    """End this process when its parent has died; else it would wait for work for ever."""
    parent = parent_process()
    if parent is None:
        return
    connection.wait([parent.sentinel])
    _Worker.orphaned = True
    last = _monotonic() + _LAST_SECONDS
    while _Worker.busy and _monotonic() < last:
        _sleep(0.02)
    os._exit(1)


def run_chunk(
    factory: bytes, programs: Sequence[Program], limits: Limits, deadline: float | None
) -> list[Outcome]:
    """Explore programs one after the other.

    Arguments:
        factory: a callable that makes the target, pickled.
        limits: of each program.
        deadline: on the clock of `time.monotonic`, which all processes of a machine share; None: never.

    Returns:
        The outcomes of the first programs: not of all when the chunk took its time, or when the worker was
        told to stop; a program that was cut off by that has no outcome.
    """
    started = _monotonic()
    outcomes: list[Outcome] = []
    with _working():
        target = _target(factory)
        with interposed():
            for program in programs:
                outcome = run_program(target, program, limits, deadline)
                if outcome is None:
                    break
                outcomes.append(outcome)
                if _monotonic() - started > CHUNK_SECONDS:
                    break
    return outcomes


def run_program(
    target: Target, program: Program, limits: Limits, deadline: float | None = None
) -> Outcome | None:
    """Explore one program with optimal DPOR; None when it was cut off by the deadline or the flag."""
    left = None if deadline is None else deadline - _monotonic()
    if left is not None and left <= 0:
        return None
    seconds = min((limit for limit in (limits.seconds, left) if limit is not None), default=None)
    tally = Tally()
    strategy = _Stoppable()
    started = _monotonic()
    try:
        result = explore(
            client_body(target, program, tally), strategy,
            max_executions=limits.executions, time_limit=seconds,
        )  # fmt: skip
    except ExplorerError as error:
        reason = _plain(f"{type(error).__name__}: {error}")
        return Outcome(
            text(program), Verdict.UNFINISHED.value, reason,
            histories=tally.histories, seconds=_monotonic() - started,
        )  # fmt: skip
    late = deadline is not None and _monotonic() >= deadline
    if result.verdict is Verdict.UNFINISHED and (strategy.stopped or late):
        return None
    failure = result.failure
    return Outcome(
        text(program), result.verdict.value, _plain(result.reason),
        result.executions, result.blocked, tally.histories,
        schedule=failure.schedule if failure is not None else "",
        explanation=_plain(failure.explain()) if failure is not None else "",
        seconds=result.seconds,
    )  # fmt: skip


@lru_cache(maxsize=4)
def _target(factory: bytes) -> Target:
    make: Callable[[], Any] = pickle.loads(factory)
    target = make()
    if not isinstance(target, Target):
        raise TypeError(f"{make!r} made {target!r}, which is no Target")
    return target


@contextmanager
def _working() -> Iterator[None]:
    _Worker.busy = True
    try:
        with quiet():
            yield
    finally:
        _Worker.busy = False


@contextmanager
def quiet() -> Iterator[None]:
    """Keep quiet what the programs log, thousands of times."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(disabled)


def _plain(told: str) -> str:
    """Leave out what differs from process to process: its number in paths, and addresses."""
    told = told.replace(f"schedule-explorer-{os.getpid()}", "schedule-explorer")
    return _ADDRESS.sub("at 0x...", told)
