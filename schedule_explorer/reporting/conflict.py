"""Which two operations to point at: the conflict that most likely made the execution fail.

The rule, in order; everything is decided by the trace alone, so one trace has one answer:

1. **Check-then-act.** Thread T does `a`, stops, and later goes on with `c`; while it stands still
   another thread does `b`; on one key the three cannot be put in a serial order (Lu and others, AVIO,
   2006): read-write-read (T's view changed), write-write-read (T does not see its own write),
   read-write-write (an update is lost), write-read-write (T's half-done work was seen). `a` is T's last
   access to that key before it stopped and `c` its first one after. The pair is (a, b). Of several,
   in this order of importance:

   * one in which `c` is not the check of the failing assertion itself: steps that only read, right
     before the error, show the damage rather than do it;
   * one in which T was preempted before one in which it waited;
   * one in which `a` and `c` are in the same function, a region that looks atomic;
   * the last one.

2. **The last conflicting neighbours** outside of that check: the last `a` and `b` of different threads
   that conflict, with no other conflicting operation between them and no order that every schedule keeps.

3. The same two searches on locks, conditions and semaphores, which 1 and 2 leave out: who holds a lock may
   read and write anything, so three acquires are a check-then-act too. Releases never count: a release
   cannot go before its own acquire.

4. Neighbours of which one is the failing check; and only when there is nothing else, a pair made of the
   start, the end or the joining of a thread.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from schedule_explorer.operations import QUIESCENCE, READ, WRITE, Accesses, Key, dependent
from schedule_explorer.reporting.switches import Switches
from schedule_explorer.runtime import Event, Trace, without_ends

#: kinds that only say that a thread or its work is over
_ENDS = frozenset(
    ("thread.begin", "thread.start", "thread.join", "thread.is_alive", "thread.end", "queue.join")
)
#: what only guards the data
GUARDS = ("lock.", "condition.", "semaphore.")
#: (a wrote, b wrote, c wrote): interleavings that no serial order explains
_UNSERIALIZABLE = frozenset(
    ((False, True, False), (True, True, False), (False, True, True), (True, False, True))
)


@dataclass(frozen=True)
class Conflict:
    """The operations to mark, by index; `stopped` when the first one's thread stood still meanwhile."""

    marks: tuple[int, ...] = ()
    stopped: bool = False


def find_conflict(trace: Trace, switches: Switches) -> Conflict:
    """Choose the pair by the rule above; no marks when no two threads conflict."""
    tail = observing_tail(trace)
    plain = [event for event in trace.events if event.kind not in _ENDS]
    data = [event for event in plain if not event.kind.startswith(GUARDS)]
    locks = [event for event in plain if event.kind.startswith(GUARDS)]
    stages: list[list[Event]] = [data, locks]
    for stage in stages:
        shape = max(_shapes(trace, stage, switches, tail), default=None)
        if shape is not None:
            return Conflict((shape[-1], shape[-2]), stopped=True)
        pair = _last_neighbours([event for event in stage if event.index not in tail])
        if pair:
            return Conflict(pair)
    return Conflict(_last_neighbours(plain) or _last_neighbours(trace.events, ends=True))


def contested(events: Iterable[Event]) -> set[int]:
    """Return the indices of events that conflict with an event of another thread.

    That a thread has ended, and an expiry at quiescence, conflict with nothing for this purpose.
    """
    users: dict[Key, dict[int, set[int]]] = {}
    events = list(events)
    for event in events:
        for key, mode in _data(event):
            users.setdefault(key, {}).setdefault(mode, set()).add(event.tid)
    found = set()
    for event in events:
        for key, mode in _data(event):
            others = {tid for other, tids in users[key].items()
                      if dependent(((key, mode),), ((key, other),)) for tid in tids}
            if others - {event.tid}:
                found.add(event.index)
                break
    return found


def observing_tail(trace: Trace) -> set[int]:
    """Return the steps that only read, right before each error: the check that found the damage.

    Empty for a thread whose last step raised the error itself: that step is where the damage was done.
    """
    tail: set[int] = set()
    for tid, error in trace.errors:
        own = without_ends(event for event in trace.events if event.tid == tid)
        if own and own[-1].note == type(error).__name__:
            continue
        for event in reversed(own):
            if any(mode != READ for _, mode in _data(event)):
                break
            tail.add(event.index)
    return tail


def _data(event: Event) -> Accesses:
    return tuple((key, mode) for key, mode in event.accesses if key != QUIESCENCE and not _end_key(key))


def _end_key(key: Key) -> bool:
    return isinstance(key, tuple) and bool(key) and key[0] == "end"


def _shapes(
    trace: Trace, allowed: list[Event], switches: Switches, tail: Collection[int]
) -> Iterator[tuple[bool, bool, bool, int, int]]:
    """Yield every check-then-act among `allowed` as (rank ..., b, a): the greatest is the best."""
    uses = _uses(allowed)
    indices = [event.index for event in allowed]
    for stop in trace.events:
        then = switches.following(stop)
        if then is None or then.index == stop.index + 1:
            continue
        preempted = switches.wait(stop) is None
        between = allowed[bisect_right(indices, stop.index) : bisect_left(indices, then.index)]
        for b in between:
            for key, mode in _data(b):
                own = uses.get((stop.tid, key), [])
                place = bisect_right(own, (stop.index, WRITE))
                if b.kind.endswith(".release") or not 0 < place < len(own):
                    continue
                (a, first), (c, last) = own[place - 1], own[place]
                writes = (first != READ, mode != READ, last != READ)
                if writes not in _UNSERIALIZABLE and not b.kind.startswith("lock."):
                    continue
                if not dependent(((key, first),), ((key, mode),)):
                    continue
                one_region = _function(trace.events[a]) == _function(trace.events[c])
                yield (c not in tail, preempted, one_region, b.index, a)


def _uses(events: list[Event]) -> dict[tuple[int, Key], list[tuple[int, int]]]:
    """Map (tid, key) to the (index, mode) of that thread's accesses, releases left out."""
    uses: dict[tuple[int, Key], list[tuple[int, int]]] = {}
    for event in events:
        if not event.kind.endswith(".release"):
            for key, mode in _data(event):
                uses.setdefault((event.tid, key), []).append((event.index, mode))
    return uses


def _function(event: Event) -> tuple[str, str] | None:
    return (event.frames[0][0], event.frames[0][2]) if event.frames else None


def _last_neighbours(events: list[Event], *, ends: bool = False) -> tuple[int, ...]:
    """Return the last conflicting pair with no conflicting event in between; () for none.

    With `ends`, the end of a thread counts as something that it writes.
    """
    found: tuple[int, ...] = ()
    by_index = {event.index: event for event in events}
    latest: dict[Key, dict[int, int]] = {}
    for late in events:
        if late.kind.endswith(".release") and not ends:
            continue
        accesses = late.accesses if ends else _data(late)
        early = max(
            (index for key, mode in accesses for other, index in latest.get(key, {}).items()
             if dependent(((key, mode),), ((key, other),))),
            default=-1,
        )
        ordered = early in late.order or early in late.enabled_by
        if early >= 0 and by_index[early].tid != late.tid and (ends or not ordered):
            found = (early, late.index)
        for key, mode in accesses:
            latest.setdefault(key, {})[mode] = late.index
    return found
