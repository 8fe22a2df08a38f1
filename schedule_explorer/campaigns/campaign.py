"""Verify a target: every program of a scope, explored with optimal DPOR to its end."""

from __future__ import annotations

import pickle
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from dataclasses import dataclass
from typing import Any

from schedule_explorer.campaigns.interrupts import on_interrupt
from schedule_explorer.campaigns.journal import Journal
from schedule_explorer.campaigns.outcome import Limits, Outcome
from schedule_explorer.campaigns.progress import CampaignProgress
from schedule_explorer.campaigns.report import Report
from schedule_explorer.campaigns.work import run_chunk
from schedule_explorer.programs import Program, Target, programs, sizes, text
from schedule_explorer.results import Verdict

_monotonic = time.monotonic
#: programs of a chunk at most
_CHUNK = 16
#: seconds that workers have to end their executions once they are told to stop
_LAST_SECONDS = 15.0

_Numbered = tuple[int, Program]


@dataclass(frozen=True)
class Scope:
    """Which programs: see `schedule_explorer.programs.programs`.

    Arguments:
        threads: client threads at most.
        calls: calls of one thread at most.
        total: calls of all threads together at most; None: no other bound.
    """

    threads: int
    calls: int
    total: int | None = None


def verify(
    factory: Callable[[], Target],
    scope: Scope,
    executor: Executor,
    *,
    processes: int = 1,
    stop: Callable[[], None] = lambda: None,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    time_limit: float | None = None,
    keep_going: bool = False,
    journal: Journal | None = None,
    progress: CampaignProgress | None = None,
    head: dict[str, Any] | None = None,
) -> Report:
    """Explore every program of the scope, smaller ones first.

    Arguments:
        factory: makes the target; picklable, for it is called in the workers too.
        executor: where the chunks are explored.
        processes: how many chunks it explores at once.
        stop: tells the workers to return after the execution under way.
        limits: of one program.
        time_limit: seconds of real time for all; None: no limit.
        keep_going: go on after the first program that fails.
        journal: outcomes that are known, and where new ones go.
        head: what the report says that was verified; the target and the bounds when it is None.

    Returns:
        The report. Ctrl-C ends the campaign with what is established so far; a second one is not caught.

    Raises:
        ValueError: a bound or the time limit is not positive.
    """
    if time_limit is not None and time_limit <= 0:
        raise ValueError(f"time_limit is {time_limit}: give a positive number, or None for no limit")
    target = factory()
    report = Report(
        head if head is not None else {"target": target.name, **vars(scope)},
        sizes(target.alphabet, scope.threads, scope.calls, scope.total),
        processes=processes,
    )
    campaign = _Campaign(report, journal, progress or CampaignProgress(None), keep_going)
    numbered = enumerate(programs(target.alphabet, scope.threads, scope.calls, scope.total))
    started = _monotonic()
    deadline = None if time_limit is None else started + time_limit
    work = (pickle.dumps(factory), limits, deadline)

    def interrupted() -> None:
        report.stopped = "interrupted"
        stop()

    with campaign.progress, on_interrupt(interrupted):
        campaign.progress.begin(report.sizes)
        try:
            campaign.run(numbered, executor, work, 2 * processes)
        finally:
            stop()
        campaign.drain()
    report.seconds = _monotonic() - started
    if time_limit is not None and not report.stopped and not campaign.over and report.total.left:
        report.stopped = f"stopped after {time_limit:g} s"
    return report


class _Campaign:
    """Hands out chunks and takes in outcomes; these enter the report in the order of the programs."""

    def __init__(
        self, report: Report, journal: Journal | None, progress: CampaignProgress, keep_going: bool
    ) -> None:
        self.report = report
        self.progress = progress
        #: nothing more is to be run: a program failed, and that is enough
        self.over = False
        self._journal = journal
        self._keep_going = keep_going
        self._running: dict[Future[list[Outcome]], list[_Numbered]] = {}
        #: what a worker handed back, the first ones first
        self._again: deque[_Numbered] = deque()
        #: outcomes of programs that come after one without
        self._early: dict[int, tuple[Program, Outcome, bool]] = {}
        self._next = 0

    def run(
        self, numbered: Iterator[_Numbered], executor: Executor, work: tuple[Any, ...], window: int
    ) -> None:
        """Explore all programs, `window` chunks at a time, until they end or the time does."""
        factory, limits, deadline = work
        try:
            while not self.over and not self.report.stopped:
                late = deadline is not None and _monotonic() >= deadline
                while not late and not self.over and len(self._running) < window:
                    chunk = self._chunk(numbered)
                    if not chunk:
                        break
                    future = executor.submit(run_chunk, factory, [p for _, p in chunk], limits, deadline)
                    self._running[future] = chunk
                    if future.done():
                        break
                if not self._running:
                    return
                done, _ = wait(self._running, return_when=FIRST_COMPLETED)
                for future in sorted(done, key=lambda one: self._running[one][0][0]):
                    self._collect(future)
        except BrokenExecutor:
            self.report.stopped = "a worker process died: was the machine out of memory?"

    def drain(self) -> None:
        """Take in what the workers return when they are told to stop."""
        try:
            wait(self._running, timeout=_LAST_SECONDS)
            for future in [future for future in self._running if future.done()]:
                self._collect(future)
        except (BrokenExecutor, CancelledError):
            pass

    def _chunk(self, numbered: Iterator[_Numbered]) -> list[_Numbered]:
        """Return the next programs that have no outcome yet."""
        chunk: list[_Numbered] = []
        while self._again and len(chunk) < _CHUNK:
            chunk.append(self._again.popleft())
        known = self._journal.known if self._journal is not None else {}
        while len(chunk) < _CHUNK and not self.over:
            found = next(numbered, None)
            if found is None:
                break
            outcome = known.get(text(found[1])) if known else None
            if outcome is None:
                chunk.append(found)
            else:
                self._take(*found, outcome, known=True)
        return chunk

    def _collect(self, future: Future[list[Outcome]]) -> None:
        """Take in what a worker returned; what it did not come to is handed out again."""
        chunk = self._running.pop(future)
        outcomes = future.result()
        for (number, program), outcome in zip(chunk, outcomes, strict=False):
            if outcome.program != text(program):
                raise AssertionError(f"an outcome of {outcome.program!r} came for {text(program)!r}")
            if self._journal is not None:
                self._journal.write(outcome)
            self._take(number, program, outcome, known=False)
        left = chunk[len(outcomes) :]
        self._again = deque(sorted([*left, *self._again], key=lambda found: found[0]))

    def _take(self, number: int, program: Program, outcome: Outcome, *, known: bool) -> None:
        self._early[number] = program, outcome, known
        while not self.over and self._next in self._early:
            program, outcome, known = self._early.pop(self._next)
            self._next += 1
            lengths = tuple(len(thread) for thread in program)
            self.report.add(lengths, outcome)
            self.report.known += known
            self.progress.advance(lengths, outcome, known=known)
            if outcome.verdict == Verdict.FAILED.value and not self._keep_going:
                self.over = True
                self.report.stopped = "stopped at the first program that failed"
