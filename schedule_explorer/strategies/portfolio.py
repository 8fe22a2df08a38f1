"""First a few executions of a strategy that draws, then another to the end."""

from __future__ import annotations

from schedule_explorer.runtime import Choice, Trace
from schedule_explorer.strategies import Strategy


class Portfolio:
    """Bugs that are easy surface at once; the rest is covered by `second`.

    Arguments:
        first: run for `burst` executions.
        second: run to its end; what it covers is what the portfolio covers.
        burst: number of executions of `first`.
    """

    def __init__(self, first: Strategy, second: Strategy, burst: int = 50) -> None:
        self._first = first
        self._second = second
        self._left = burst
        self._current = first

    @property
    def exhaustive(self) -> bool:
        """As the second strategy."""
        return self._second.exhaustive

    @property
    def infeasible(self) -> int:
        """As the second strategy."""
        return int(getattr(self._second, "infeasible", 0))

    def begin(self) -> bool:
        """Go on with the first, then with the second."""
        if self._left > 0 and self._first.begin():
            self._left -= 1
            return True
        self._left = 0
        self._current = self._second
        return self._second.begin()

    def choose(self, choice: Choice) -> int | None:
        """As the strategy whose turn it is."""
        return self._current.choose(choice)

    def finish(self, trace: Trace) -> None:
        """As the strategy whose turn it is."""
        self._current.finish(trace)
