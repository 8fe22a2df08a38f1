"""Progress of an exploration: a live line on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.status import Status

_monotonic = time.monotonic
#: seconds between two lines where there is no terminal, and between two looks at the clock's answer
_PLAIN, _LIVE = 10.0, 0.2


class Counts(Protocol):
    """What is shown."""

    executions: int
    blocked: int
    failing: int


class Progress:
    """Shows how far an exploration is; does nothing unless it is wanted.

    Arguments:
        wanted: False shows nothing.
    """

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self._status: Status | None = None
        self._started = self._shown = 0.0

    def __enter__(self) -> Progress:
        if self._wanted:
            self._started = self._shown = _monotonic()
            console = Console(file=sys.stderr)
            if console.is_terminal:
                self._status = console.status("exploring")
                self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def update(self, result: Counts) -> None:
        """Show the counts of `result`, if it is time to."""
        if not self._wanted:
            return
        now = _monotonic()
        if now - self._shown < (_LIVE if self._status is not None else _PLAIN):
            return
        self._shown = now
        seconds = now - self._started
        text = f"{result.executions} executions, {result.blocked} cut off, {result.failing} failing, " \
               f"{(result.executions + result.blocked) / seconds:.0f}/s"
        if self._status is not None:
            self._status.update(text)
        else:
            print(text, file=sys.stderr, flush=True)
