"""Uniformly random choices, one seeded generator for the whole exploration."""

from __future__ import annotations

from random import Random

from schedule_explorer.runtime import Choice, Trace


class RandomWalk:
    """At every choice take any option with equal probability.

    Arguments:
        seed: same seed, same executions, on every machine.
    """

    exhaustive = False

    def __init__(self, seed: int = 0) -> None:
        self._random = Random(seed)

    def begin(self) -> bool:
        """Always ready for one more."""
        return True

    def choose(self, choice: Choice) -> int:
        """Draw one option."""
        options = choice.options
        if len(options) == 1:
            return options[0]
        return options[self._random.randrange(len(options))]

    def finish(self, trace: Trace) -> None:
        """Learns nothing."""
