"""The history of a concurrent program: which calls were made, what they returned, and which overlapped.

On real threads a call lies between two readings of one clock. In an execution of the explorer it lies
between two events: the first and the last that its thread performed within it. That one call returned
before another began is then not a fact of a trace, for a trace stands for all its linear orders, and in one
of them two calls may overlap that are apart in another. So `orders` goes through every interval order that
a linear order of the trace has and that no other one has more of: a history is right when each of them is.
That costs no operation, hence no trace.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from schedule_explorer.interposition.context import virtual
from schedule_explorer.runtime import Trace
from schedule_explorer.strategies.happens_before import HappensBefore

if TYPE_CHECKING:
    from schedule_explorer.programs.calls import Call


@dataclass(eq=False)
class Recorded:
    """One call of a history.

    Attributes:
        thread: number of the client thread, from 0.
        call: what was called.
        value: tells this call from every other one of the program; what a call that writes should write.
        began: when, in units of nothing: only the order of all beginnings and returns counts.
        returned: when; None while it has not.
        result: what it returned.
        seen: what `Target.look` saw right after it had returned.
        before: in an execution, the last event of its thread before the call.
        last: the last event within it, which is `before` when there is none.
        tid: the virtual thread.
    """

    thread: int
    call: Call
    value: int
    began: int = -1
    returned: int | None = None
    result: Any = None
    seen: Any = None
    before: int = -1
    last: int = -1
    tid: int = -1

    def __str__(self) -> str:
        outcome = "did not return" if self.returned is None else f"-> {self.result!r}"
        return f"thread {self.thread}: {self.call}#{self.value} {outcome}"


def precedes(first: Recorded, second: Recorded) -> bool:
    """Say whether one call had returned when the other one began."""
    return first.returned is not None and first.returned < second.began


class History:
    """Records the calls of the client threads of one execution, or of real threads."""

    def __init__(self) -> None:
        self._clock = itertools.count()
        self._calls: list[Recorded] = []

    def __iter__(self) -> Iterator[Recorded]:
        """Go through the calls in the order in which they began in this schedule."""
        return iter(sorted(self._calls, key=lambda recorded: recorded.began))

    def __len__(self) -> int:
        return len(self._calls)

    def begin(self, thread: int, call: Call, value: int) -> Recorded:
        """Note that a call begins now."""
        recorded = Recorded(thread, call, value, next(self._clock))
        execution = virtual()
        if execution is not None and execution.current is not None:
            recorded.tid, recorded.before = execution.current.tid, execution.current.event
        self._calls.append(recorded)
        return recorded

    def end(self, recorded: Recorded, result: Any) -> None:
        """Note that a call returns now. One that raises is never ended: it may have had its effect or not."""
        recorded.result = result
        execution = virtual()
        if execution is not None and execution.current is not None:
            recorded.last = execution.current.event
        recorded.returned = next(self._clock)


def orders(history: Iterable[Recorded], trace: Trace) -> Iterator[list[Recorded]]:
    """Yield the history with each of its interval orders in `trace`, calls apart where that is possible.

    Beginnings are put as late, and returns as early, as happens-before lets them, for every order of the
    beginnings: to overlap more only makes a history easier to explain.

    Returns:
        Copies of the calls with `began` and `returned` set, in the order in which they began. A call of which
        nothing was performed, because its thread was blocked at once, is left out.
    """
    calls: list[Recorded] = []
    firsts: list[int] = []
    for recorded in history:
        first = _first(recorded, trace)
        if first >= 0:
            calls.append(recorded)
            firsts.append(first)
    known = HappensBefore()
    known.extend(trace)
    seen: set[tuple[tuple[int, int | None], ...]] = set()
    for order in _orders(calls, firsts, known.before):
        key = tuple(order)
        if key not in seen:
            seen.add(key)
            copies = [
                replace(recorded, began=began, returned=returned)
                for recorded, (began, returned) in zip(calls, order, strict=True)
            ]
            yield sorted(copies, key=lambda recorded: recorded.began)


def _first(recorded: Recorded, trace: Trace) -> int:
    """Return the first event within a call, the one before it when there is none, -1 when it never ran."""
    stop = len(trace.events) if recorded.returned is None else recorded.last + 1
    for index in range(recorded.before + 1, stop):
        if trace.events[index].tid == recorded.tid:
            return index
    return recorded.before if recorded.returned is not None else -1


def _orders(
    calls: Sequence[Recorded], firsts: Sequence[int], before: Sequence[int]
) -> Iterator[list[tuple[int, int | None]]]:
    """Yield (began, returned) of every call, for every order of the beginnings."""
    every = range(len(calls))

    def precedes(i: int, event: int, j: int) -> bool:
        """Say whether the beginning of call i comes before call j's point at `event`."""
        if calls[i].tid == calls[j].tid:
            return i <= j
        return bool(before[event] >> firsts[i] & 1)

    # bits of the beginnings that come before the beginning, and before the return, of each call
    begin = [sum(1 << i for i in every if i != j and precedes(i, firsts[j], j)) for j in every]
    finish = [sum(1 << i for i in every if precedes(i, calls[j].last, j)) for j in every]
    held = _held(calls, firsts)
    at_once = {j for i, j in held.items() if firsts[i] == calls[i].last}
    waiting = {i for i, j in held.items() if j not in at_once}
    times: list[tuple[int, int | None]] = [(-1, None)] * len(calls)

    def ends(i: int, begun: int) -> bool:
        began, returned = times[i]
        return began >= 0 and returned is None and calls[i].returned is not None and not finish[i] & ~begun

    def start(i: int, now: int) -> int:
        """Begin call i, and what is one moment with it; return the time after it."""
        for earlier in waiting:
            if held[earlier] == i:
                times[earlier] = times[earlier][0], now
                now += 1
        times[i] = now, None
        if i in held and held[i] in at_once:
            times[i] = now, now + 1
            return start(held[i], now + 2)
        return now + 1

    def go(begun: int, now: int) -> Iterator[list[tuple[int, int | None]]]:
        kept = list(times)
        for i in every:
            if i not in waiting and ends(i, begun):
                times[i] = times[i][0], now
                now += 1
        ended = list(times)
        left = [i for i in every if not begun >> i & 1]
        if not left:
            yield list(times)
        for i in left:
            if not begin[i] & ~begun:
                after = start(i, now)
                yield from go(sum(1 << j for j in every if times[j][0] >= 0), after)
                times[:] = ended
        times[:] = kept

    return go(0, 0)


def _held(calls: Sequence[Recorded], firsts: Sequence[int]) -> dict[int, int]:
    """Map a call to the next one of its thread, where that has no step: it is one moment with the return.

    Code between two steps is atomic: no other thread moves between the last step of the one and the other.
    """
    held: dict[int, int] = {}
    last: dict[int, int] = {}
    for j, recorded in enumerate(calls):
        i = last.get(recorded.tid)
        stepless = recorded.returned is not None and recorded.last == recorded.before
        if i is not None and stepless and calls[i].last == firsts[j]:
            held[i] = j
        last[recorded.tid] = j
    return held
