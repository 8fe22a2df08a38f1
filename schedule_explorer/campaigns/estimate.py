"""How long a campaign will still take, from what the programs of each size took so far."""

from __future__ import annotations

from collections.abc import Mapping

Lengths = tuple[int, ...]


class Estimate:
    """Adds up what programs took, by the lengths of their threads.

    Programs of a size not met yet are taken to cost as much more than those of the last size as those cost
    more than the size before.

    Arguments:
        sizes: how many programs there are of each size, smaller ones first.
    """

    def __init__(self, sizes: Mapping[Lengths, int]) -> None:
        self._left = dict(sizes)
        self._spent: dict[Lengths, tuple[int, float]] = {}

    def add(self, lengths: Lengths, seconds: float) -> None:
        """Note that a program was finished, and what it took."""
        self._left[lengths] -= 1
        count, spent = self._spent.get(lengths, (0, 0.0))
        self._spent[lengths] = count + 1, spent + seconds

    def left(self) -> float | None:
        """Return the seconds of work that are left, of all processes together; None: nothing is known."""
        if not self._spent:
            return None
        total = mean = 0.0
        growth = 1.0
        for lengths, left in self._left.items():
            count, spent = self._spent.get(lengths, (0, 0.0))
            if count:
                growth = max(1.0, spent / count / mean) if mean else 1.0
                mean = spent / count
            else:
                mean *= growth
            total += left * mean
        return total
