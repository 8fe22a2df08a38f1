"""Compound steps: several operations that run as one step, and whether other threads could come between them.

Below a lock of the standard library that is real (that of a log handler made before the exploration) nothing
is switched, and what a finalizer does within a call belongs to that call. For real, other threads go on
meanwhile. Nothing is lost by that as long as all operations of such a step but one commute with whatever
other threads may do at the time (Lipton, "Reduction", CACM 1975): they can be moved to that one. Where two
or more do not, schedules are missing, and nothing is proved.
"""

from __future__ import annotations

from collections.abc import Sequence

from schedule_explorer.operations import dependent
from schedule_explorer.runtime import Event, Part, Trace
from schedule_explorer.strategies.happens_before import HappensBefore


def torn(trace: Trace) -> set[str]:
    """Return what is to be said of the compound steps of `trace` that are more than one step for real.

    Arguments:
        trace: of one execution.

    Returns:
        a sentence for each place, none where all is well.
    """
    found: set[str] = set()
    if not trace.compound:
        return found
    order = HappensBefore()
    order.extend(trace)
    for index, parts in trace.compound.items():
        event = trace.events[index]
        meanwhile = [other for other in trace.events if _may_overlap(order, event, other)]
        met = [(part, other) for part in parts if (other := _in_conflict(trace, part, meanwhile)) is not None]
        if len(met) > 1:
            part, other = met[-1]
            below = part.regions
            why = "a log handler made before the exploration is one step" if below else "it is in one call"
            remedy = "make the handler in the body" if below else "let a finalizer make one operation at most"
            found.add(
                f"{part.operation} at {part.site} is one step with what its thread did before ({why}), "
                f"and {trace.thread_names[other.tid]} could come between with {other.kind} {other.target}: "
                f"{remedy}"
            )
    return found


def _may_overlap(order: HappensBefore, event: Event, other: Event) -> bool:
    """Say whether `other` could run while `event`, a step of several operations, is under way.

    What `event` has enabled may come before its end. Only what happens before the step before it, or after
    the step after it, can not.
    """
    if other.tid == event.tid:
        return False
    own = order.of_thread[event.tid]
    if other.index < event.index:
        earlier = own & ((1 << event.index) - 1)
        return not earlier or not order.before[earlier.bit_length() - 1] >> other.index & 1
    later = own >> (event.index + 1)
    if not later:
        return True
    following = event.index + 1 + (later & -later).bit_length() - 1
    return not order.before[other.index] >> following & 1


def _in_conflict(trace: Trace, part: Part, others: Sequence[Event]) -> Event | None:
    """Return the first of `others` that conflicts with `part` and does not hold the same lock."""
    for other in others:
        within = trace.compound.get(other.index) or [Part("", "", other.accesses)]
        for theirs in within:
            held_by_both = any(region in theirs.regions for region in part.regions)
            if not held_by_both and dependent(part.accesses, theirs.accesses):
                return other
    return None
