"""Is a history one that a sequential object could have had?

The search of Wing and Gong ("Testing and verifying concurrent objects", 1993) with the memory of Lowe
("Testing for linearizability", 2017): take any call that no other one must precede, ask the specification
what it could have returned, go on; a set of taken calls together with a state is visited once. A call that
did not return may take effect at any time after it began, or never.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from schedule_explorer.oracles.history import Recorded

if TYPE_CHECKING:
    from schedule_explorer.programs.calls import Call

State = Any
"""Whatever the specification likes, if it can be hashed and compared."""


@runtime_checkable
class Specification(Protocol):
    """A sequential object: what each call may do and return, one after the other."""

    def initial(self) -> State:
        """Return the first state."""

    def outcomes(self, state: State, recorded: Recorded) -> Iterable[tuple[State, Any]]:
        """Yield every (state after it, what it returns) that the call may have in `state`."""

    def parts(self, call: Call) -> Sequence[Hashable]:
        """Name what a call is about. A history whose calls are each about one part is checked in parts."""


@dataclass
class Linearization:
    """What the search found.

    Attributes:
        order: the calls in an order that explains the history; None when there is none.
        longest: the longest beginning of such an order, and `state` after it: where the last search died.
        visited: pairs of taken calls and state that were looked at.
    """

    order: tuple[Recorded, ...] | None = None
    longest: tuple[Recorded, ...] = ()
    state: State = None
    visited: int = field(default=0)

    def __bool__(self) -> bool:
        return self.order is not None


def check(history: Iterable[Recorded], specification: Specification) -> Linearization:
    """Search for an order of the calls that explains the history.

    Calls that are each about one part only are searched part by part, which is as exact: linearizability is
    local (Herlihy and Wing, 1990). One call about several parts makes it one search.
    """
    calls = sorted(history, key=lambda recorded: recorded.began)
    groups: dict[Hashable, list[Recorded]] = {}
    for recorded in calls:
        parts = specification.parts(recorded.call)
        if len(parts) != 1:
            return _search(calls, specification)
        groups.setdefault(parts[0], []).append(recorded)
    united = Linearization(())
    for group in groups.values():
        found = _search(group, specification)
        if found.order is None:
            return found
        united.order = (*(united.order or ()), *found.order)
        united.visited += found.visited
    return united


def _search(calls: list[Recorded], specification: Specification) -> Linearization:
    """Go through the orders of `calls` depth first, each set of taken calls with a state once."""
    found = Linearization(state=specification.initial())
    needed = sum(1 << i for i, recorded in enumerate(calls) if recorded.returned is not None)
    seen: set[tuple[int, State]] = set()
    #: (taken calls as bits, state, order)
    todo: list[tuple[int, State, tuple[Recorded, ...]]] = [(0, specification.initial(), ())]
    while todo:
        taken, state, order = todo.pop()
        if (taken, state) in seen:
            continue
        seen.add((taken, state))
        found.visited += 1
        if len(order) > len(found.longest):
            found.longest, found.state = order, state
        if taken & needed == needed:
            found.order = order
            return found
        for i in reversed(_next(calls, taken)):
            for after, result in specification.outcomes(state, calls[i]):
                if calls[i].returned is None or result == calls[i].result:
                    todo.append((taken | 1 << i, after, (*order, calls[i])))
    return found


def _next(calls: list[Recorded], taken: int) -> list[int]:
    """Return the calls that no call still to be taken must precede: none returned before they began."""
    left = [i for i in range(len(calls)) if not taken >> i & 1]
    first = min((at for i in left if (at := calls[i].returned) is not None), default=None)
    return [i for i in left if first is None or calls[i].began < first]


def explanation(history: Iterable[Recorded], specification: Specification, found: Linearization) -> str:
    """Tell a history that no order explains: the calls as intervals, and where the longest order died."""
    calls = sorted(history, key=lambda recorded: recorded.began)
    instants = sorted({at for r in calls for at in (r.began, r.returned) if at is not None})
    rank = {at: number for number, at in enumerate(instants)}
    lines = ["no order of these calls explains what they returned:"]
    for recorded in calls:
        began = rank[recorded.began]
        if recorded.returned is None:
            bar = "|" + "-" * (len(instants) - began - 1) + "..."
        else:
            bar = "|" + "-" * (rank[recorded.returned] - began - 1) + "|"
        lines.append(f"  {' ' * began + bar:<{len(instants) + 3}} {recorded}")
    taken = ", ".join(f"{recorded.call}#{recorded.value}" for recorded in found.longest) or "nothing"
    lines.append(f"the longest order that agrees: {taken}; the state is then {found.state!r}")
    for recorded in (calls[i] for i in _after(calls, found)):
        could = sorted({repr(result) for _, result in specification.outcomes(found.state, recorded)})
        lines.append(
            f"  next could be {recorded.call}#{recorded.value}: it returned {recorded.result!r}, "
            f"and would return {' or '.join(could) or 'nothing'}"
        )
    return "\n".join(lines)


def _after(calls: list[Recorded], found: Linearization) -> list[int]:
    index = {id(recorded): i for i, recorded in enumerate(calls)}
    taken = sum(1 << index[id(recorded)] for recorded in found.longest)
    return [i for i in _next(calls, taken) if calls[i].returned is not None]
