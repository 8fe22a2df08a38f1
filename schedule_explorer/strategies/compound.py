"""Compound steps: several operations that run as one step, and whether other threads could come between them.

Below a lock of the standard library that is real (that of a log handler made before the exploration) nothing
is switched, and what a finalizer does within a call belongs to that call. For real, other threads go on
meanwhile. Nothing is lost by that as long as all operations of such a step but one commute with whatever
other threads may do at the time (Lipton, "Reduction", CACM 1975): they can be moved to that one. Where two
or more do not, schedules are missing, and nothing is proved.

The same goes for calls on a file that has no lock of its own: they are taken one after the other, and for
real they could be within each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from schedule_explorer.operations import dependent
from schedule_explorer.runtime import Compound, Event, Part, Trace
from schedule_explorer.strategies.happens_before import HappensBefore

#: what lets another operation go on without an access in conflict with it. The other way round there is
#: nothing to look at: what would have to wait within a step is an error, or reads what it waits for.
_GIVING = frozenset(
    ("condition.notify", "queue.put", "queue.put_nowait", "semaphore.release", "thread.start")
)
#: takes the lock that the parts after it are below, which loses nothing right before them
_TAKES = "logging"


def torn(trace: Trace) -> set[str]:
    """Return what is to be said of the compound steps of `trace` that are more than one step for real.

    Arguments:
        trace: of one execution.

    Returns:
        a sentence for each place, none where all is well.
    """
    found: set[str] = set()
    disturbed = [{index: made >= least for index, made in calls} for least, calls in trace.unguarded.values()]
    shared = [calls for calls in disturbed if _shared(trace, calls)]
    if not trace.compound and not shared:
        return found
    order = HappensBefore()
    order.extend(trace)
    for index, compound in trace.compound.items():
        event, parts = trace.events[index], [part for part in compound.parts if part.kind != _TAKES]
        meanwhile = [other for other in trace.events if _may_overlap(order, event, compound, other)]
        linked = dict(_linked(event, parts, meanwhile))
        met = [
            (part, other) for place, part in enumerate(parts)
            if (other := linked.get(place) or _in_conflict(trace, part, meanwhile)) is not None
        ]
        if len(met) > 1:
            part, other = met[-1]
            below = part.regions
            why = "a log handler made before the exploration is one step" if below else "it is in one call"
            remedy = "make the handler in the body" if below else "close it, or let a finalizer do less"
            between = _named(f"{other.kind} {other.target}")
            found.add(
                f"{_named(part.operation)} at {part.site} is one step with what came before ({why}), "
                f"and {trace.thread_names[other.tid]} could come between with {between}: {remedy}"
            )
    for calls in shared:
        for pair in order.races:
            if all(index in calls for index in pair) and any(calls[index] for index in pair):
                calls_of = sorted(
                    f"{_named(f'{event.kind} {event.target}')} by {trace.thread_names[event.tid]}"
                    for event in map(trace.events.__getitem__, pair)
                )
                found.add(
                    f"{' and '.join(calls_of)} could be within each other: a text file, or a raw one that is "
                    "read to its end, has no lock of its own; hold one around both"
                )
                break
    return found


def _named(operation: str) -> str:
    """Leave out the directories, which are other ones in each run."""
    return re.sub(r"\S*/(?=[^/\s])", "", operation)


def _shared(trace: Trace, calls: Mapping[int, bool]) -> bool:
    """Say whether several threads have called, and one call, by the event it began in, could be disturbed."""
    return any(calls.values()) and len({trace.events[index].tid for index in calls}) > 1


def _may_overlap(order: HappensBefore, event: Event, compound: Compound, other: Event) -> bool:
    """Say whether `other` could run while `event`, a step of several operations, is under way.

    What `event` has enabled may come before its end. Only what comes before its first operation, or after the
    step of its thread that follows, can not.
    """
    if other.tid == event.tid:
        return False
    if other.index < event.index:
        return not any(
            earlier == other.index or order.before[earlier] >> other.index & 1 for earlier in compound.after
        )
    later = order.of_thread[event.tid] >> (event.index + 1)
    if not later:
        return True
    following = event.index + 1 + (later & -later).bit_length() - 1
    return not order.before[other.index] >> following & 1


def _linked(event: Event, parts: Sequence[Part], others: Sequence[Event]) -> Iterator[tuple[int, Event]]:
    """Yield (place of a part, event that it lets go on); each part where it is not known which does."""
    places = [place for place, part in enumerate(parts) if part.kind in _GIVING] or range(len(parts))
    for other in others:
        if event.index in other.order or event.index in other.enabled_by:
            yield from ((place, other) for place in places)


def _in_conflict(trace: Trace, part: Part, others: Sequence[Event]) -> Event | None:
    """Return the first of `others` that conflicts with `part` and does not hold the same lock."""
    for other in others:
        compound = trace.compound.get(other.index)
        for theirs in compound.parts if compound else [Part(other.kind, "", "", other.accesses)]:
            held_by_both = any(region in theirs.regions for region in part.regions)
            if not held_by_both and dependent(part.accesses, theirs.accesses):
                return other
    return None
