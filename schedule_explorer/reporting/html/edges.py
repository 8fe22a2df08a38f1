"""The arrows of a page: direct happens-before between threads, and where each is drawn.

Of two events of different threads the earlier happens directly before the later one when no third event is
in between. An arrow leaves its event downwards along the lane of its thread, on a *track* beside those of
other arrows that are under way there, and turns into the other lane just above the later event: so it can be
drawn row by row, whatever the height of a row and wherever a page ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schedule_explorer.runtime import Trace
from schedule_explorer.strategies.happens_before import HappensBefore

#: tracks of one lane; arrows beyond share the last one
TRACKS = 5


@dataclass(frozen=True)
class Edge:
    """An arrow from event `earlier` to event `later`, on a track of the earlier one's lane."""

    earlier: int
    later: int
    track: int = 0


def direct(trace: Trace) -> list[tuple[int, int]]:
    """Return the pairs (earlier, later) of different threads, with nothing in between in happens-before.

    What a thread did one after the other is left out: that is the order in its lane. Ascending by the later
    event.
    """
    relation = HappensBefore()
    relation.extend(trace)
    masks = relation.before
    found = []
    for event in trace.events:
        # What happens directly before it is the last such event of some thread.
        latest = []
        for tid, own in relation.of_thread.items():
            mask = own & masks[event.index]
            if mask:
                latest.append((mask.bit_length() - 1, tid))
        for index, tid in sorted(latest):
            between = any(other != index and masks[other] >> index & 1 for other, _ in latest)
            if tid != event.tid and not between:
                found.append((index, event.index))
    return found


def lay_out(
    pairs: Iterable[tuple[int, int]], lanes: Mapping[int, int], tracks: int = TRACKS
) -> list[Edge]:
    """Give each arrow a track on which no other one of its lane is under way at the same time.

    Arguments:
        pairs: (earlier, later).
        lanes: the lane of each event.
        tracks: that there are in a lane.
    """
    #: by lane, for each track the event up to which it is taken
    taken: dict[int, list[int]] = {}
    edges = []
    for earlier, later in sorted(pairs):
        ends = taken.setdefault(lanes[earlier], [])
        # An arrow that leaves the event at which another one of this lane starts shares its beginning only.
        free = [track for track, end in enumerate(ends) if end <= earlier]
        track = free[0] if free else min(len(ends), tracks - 1)
        if track == len(ends):
            ends.append(later)
        ends[track] = max(ends[track], later)
        edges.append(Edge(earlier, later, track))
    return edges
