"""Partial order sampling: every pending operation has a random priority, drawn anew after a race.

Samples partial orders more evenly than a random walk (Yuan, Yang, Gu: Partial Order Aware Concurrency
Sampling, CAV 2018).
"""

from __future__ import annotations

from random import Random

from schedule_explorer.operations import Accesses, dependent
from schedule_explorer.runtime import Choice, Trace


class POS:
    """Run the pending operation of highest priority; those that raced with it draw again.

    What a pending operation will touch is known only where it says so beforehand; others are taken to race.

    Arguments:
        seed: same seed, same executions, on every machine.
    """

    exhaustive = False

    def __init__(self, seed: int = 0) -> None:
        self._random = Random(seed)
        self._priorities: dict[int, float] = {}
        self._seen = 0

    def begin(self) -> bool:
        """Forget all priorities."""
        self._priorities = {}
        self._seen = 0
        return True

    def choose(self, choice: Choice) -> int:
        """Take the operation of highest priority; other choices are drawn."""
        options = choice.options
        if choice.kind != "thread":
            return options[self._random.randrange(len(options))]
        execution = choice.execution
        events = execution.trace.events
        priorities = self._priorities
        if len(events) > self._seen:
            done = events[-1]
            self._seen = len(events)
            priorities.pop(done.tid, None)
            for tid in sorted(priorities):
                pending = execution.by_tid[tid].pending
                if pending is not None and _may_race(pending.accesses, done.accesses, pending.kind):
                    del priorities[tid]
        for tid in options:
            if tid not in priorities:
                priorities[tid] = self._random.random()
        return max(options, key=priorities.__getitem__)

    def finish(self, trace: Trace) -> None:
        """Nothing is learnt."""


def _may_race(pending: Accesses, done: Accesses, kind: str) -> bool:
    if kind == "thread.begin" or not done:
        return False
    return not pending or dependent(pending, done)
