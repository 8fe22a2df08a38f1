"""Probabilistic concurrency testing: random priorities, and a few points at which they change.

A bug of depth d is met with probability at least 1/(n·k^(d-1)) in each execution of n threads and k
operations (Burckhardt, Kothari, Musuvathi, Nagarakatte: ASPLOS 2010).
"""

from __future__ import annotations

from random import Random

from schedule_explorer.runtime import Choice, Trace


class PCT:
    """The enabled thread of highest priority runs; at d-1 points the running one falls below all others.

    Arguments:
        seed: same seed, same executions, on every machine.
        depth: ordering constraints that a bug may need, 1 or more.
    """

    exhaustive = False

    def __init__(self, seed: int = 0, depth: int = 3) -> None:
        if depth < 1:
            raise ValueError(f"depth is {depth}: give 1 or more")
        self._random = Random(seed)
        self._depth = depth
        #: operations of the longest execution so far: the k of the guarantee
        self._length = 1
        self._priorities: dict[int, float] = {}
        self._points: list[int] = []
        self._step = 0

    def begin(self) -> bool:
        """Draw where priorities change."""
        self._priorities = {}
        self._step = 0
        self._points = sorted(self._random.randint(1, self._length) for _ in range(self._depth - 1))
        return True

    def choose(self, choice: Choice) -> int:
        """Take the thread of highest priority; other choices are drawn."""
        options = choice.options
        if choice.kind != "thread":
            return options[self._random.randrange(len(options))]
        self._step += 1
        for tid in options:
            if tid not in self._priorities:
                self._priorities[tid] = 1.0 + self._random.random()
        best = max(options, key=self._priorities.__getitem__)
        while self._points and self._points[0] <= self._step:
            self._points.pop(0)
            # Below every first priority, and below what fell before.
            self._priorities[best] = -float(self._step)
            best = max(options, key=self._priorities.__getitem__)
        return best

    def finish(self, trace: Trace) -> None:
        """Learn how long an execution is."""
        self._length = max(self._length, len(trace.events))
