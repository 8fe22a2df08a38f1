"""A strategy that hands everything on to another one, and notes times, events and memory meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable

from schedule_explorer.runtime import Choice, Trace
from schedule_explorer.strategies import Strategy


class Watching:
    """Run as `strategy` does.

    Arguments:
        at: called with the number of complete executions whenever the next one is about to begin.

    Attributes:
        events: of all executions together.
        started, ended: when the first execution began and when the last one was over; what surrounds an
            exploration is not between them.
    """

    def __init__(self, strategy: Strategy, at: Callable[[int], None] | None = None) -> None:
        self._strategy = strategy
        self._at = at
        self.executions = self.events = 0
        self.started = self.ended = 0.0

    @property
    def exhaustive(self) -> bool:
        """As the other strategy."""
        return self._strategy.exhaustive

    @property
    def infeasible(self) -> int:
        """As the other strategy."""
        return int(getattr(self._strategy, "infeasible", 0))

    def begin(self) -> bool:
        """As the other strategy."""
        self.ended = time.perf_counter()
        if not self.executions:
            self.started = self.ended
        if self._at is not None:
            self._at(self.executions)
        return self._strategy.begin()

    def choose(self, choice: Choice) -> int | None:
        """As the other strategy."""
        return self._strategy.choose(choice)

    def finish(self, trace: Trace) -> None:
        """As the other strategy."""
        self._strategy.finish(trace)
        self.executions += not trace.cut
        self.events += len(trace.events)
