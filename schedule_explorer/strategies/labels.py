"""What a tree of executions branches on: a thread, and the choices made within its operation.

Two outcomes of one operation (which waiter a notify wakes, whether a write fails) are two branches. A
*label* is ``(tid, outcomes)``; outcomes that are not given are the first option each.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from schedule_explorer.runtime import Event

Label = tuple[int, tuple[int, ...]]
#: (number of options, option taken) for each choice within an operation
Choices = tuple[tuple[int, int], ...]
#: steps that mostly come right after the one before: the edges of a thread, which only an onlooker can tell
AT_ONCE = frozenset(("thread.start", "thread.end"))


def label_of(event: Event) -> Label:
    """Return the label of a performed operation."""
    choices = event.choices
    return (event.tid, tuple([option for _, option in choices])) if choices else (event.tid, ())


def same_branch(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    """Say whether two lists of outcomes are of one branch; what is not given is the first option.

    A list that only begins another one is another branch: what follows a write that fails cannot be run
    after one that does not.
    """
    if first == second:
        return True
    return all(a == b for a, b in itertools.zip_longest(first, second, fillvalue=0))


def awake_outcomes(asleep: Iterable[Choices]) -> tuple[int, ...] | None:
    """Return the first outcomes of a thread that are not asleep, or None when all are.

    Arguments:
        asleep: the choices of each branch of the thread that sleeps.
    """
    return _awake(list(asleep), 0, ())


def _awake(asleep: list[Choices], depth: int, outcomes: tuple[int, ...]) -> tuple[int, ...] | None:
    if not asleep:
        return outcomes
    arity = max((choices[depth][0] for choices in asleep if len(choices) > depth), default=0)
    for option in range(arity):
        below = [c for c in asleep if len(c) > depth and c[depth][1] == option]
        found = _awake(below, depth + 1, (*outcomes, option))
        if found is not None:
            return found
    return None
