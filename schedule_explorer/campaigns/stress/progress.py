"""Progress of a stress loop: a live line on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from schedule_explorer.campaigns.progress import PLAIN_SECONDS, LiveBar, duration
from schedule_explorer.campaigns.stress.figures import Figures

_monotonic = time.monotonic
#: seconds between two changes of a live line
_LIVE_SECONDS = 0.2


class StressProgress(LiveBar):
    """Shows the figures while a loop runs; a context manager.

    Arguments:
        console: where to; None shows nothing.
    """

    def __init__(self, console: Console | None) -> None:
        self._console = console
        self._shown = _monotonic()
        if console is not None and console.is_terminal:
            self._bar = Progress(
                SpinnerColumn(), BarColumn(), TextColumn("{task.description}"),
                console=console, transient=True,
            )  # fmt: skip
            self._task = self._bar.add_task("runs", total=None)

    def advance(self, figures: Figures, runs: int | None, seconds: float | None) -> None:
        """Show the figures, if it is time to.

        Arguments:
            runs: that there will be; None: no bound.
            seconds: that it may take; None: no bound.
        """
        now = _monotonic()
        if self._console is None or now - self._shown < (_LIVE_SECONDS if self._bar else PLAIN_SECONDS):
            return
        self._shown = now
        done = max(
            figures.runs / runs if runs else 0.0, figures.seconds / seconds if seconds else 0.0
        )
        left = f", about {duration(figures.seconds / done - figures.seconds)} left" if 0 < done < 1 else ""
        if self._bar is None:
            self._console.print(f"{figures.target}: {figures.line()}{left}", highlight=False, soft_wrap=True)
        else:
            self._bar.update(
                self._task, total=1.0 if runs or seconds else None, completed=done,
                description=f"{figures.line()}{left}",
            )  # fmt: skip
