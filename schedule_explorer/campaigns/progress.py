"""Progress of a campaign: a live bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from schedule_explorer.campaigns.estimate import Estimate, Lengths
from schedule_explorer.campaigns.outcome import Outcome

_monotonic = time.monotonic
#: seconds between two lines where there is no terminal
PLAIN_SECONDS = 10.0


class LiveBar:
    """A context manager: the bar is on the terminal while the block runs, if there is one."""

    _bar: Progress | None = None

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()


class CampaignProgress(LiveBar):
    """Shows programs, executions, rate and time left; a context manager.

    Arguments:
        console: where to; None shows nothing.
        processes: how many share the work that is left.
    """

    def __init__(self, console: Console | None, processes: int = 1) -> None:
        self._console = console
        self._processes = processes
        self._executions = self._programs = self._total = self._run = 0
        self._started = self._shown = _monotonic()
        self._estimate = Estimate({})
        if console is not None and console.is_terminal:
            self._bar = Progress(
                SpinnerColumn(), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"),
                console=console, transient=True,
            )  # fmt: skip
            self._task = self._bar.add_task("programs")

    def begin(self, sizes: Mapping[Lengths, int]) -> None:
        """Start the clock on programs of these sizes."""
        self._estimate = Estimate(sizes)
        self._total = sum(sizes.values())
        self._started = self._shown = _monotonic()
        if self._bar is not None:
            self._bar.update(self._task, total=self._total)

    def advance(self, lengths: Lengths, outcome: Outcome, *, known: bool) -> None:
        """Note that a program is done; `known`: it was taken from a journal, which took no time."""
        self._programs += 1
        self._executions += outcome.executions
        self._run += 0 if known else outcome.executions + outcome.blocked
        self._estimate.add(lengths, outcome.seconds)
        if self._bar is not None:
            self._bar.update(self._task, completed=self._programs, description=self._text())
        elif self._console is not None and _monotonic() - self._shown >= PLAIN_SECONDS:
            self._shown = _monotonic()
            self._console.print(f"{self._programs} of {self._total} {self._text()}", highlight=False)

    def _text(self) -> str:
        rate = self._run / max(_monotonic() - self._started, 0.001)
        text = f"programs, {self._executions} executions, {rate:.0f}/s"
        left = self._estimate.left()
        return text if left is None else f"{text}, about {duration(left / self._processes)} left"


def duration(seconds: float) -> str:
    """Write seconds as people say them: ``40 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
