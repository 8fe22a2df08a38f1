"""Where lanes and arrows are drawn: pixels from the left edge of the first lane, row by row.

A row of the picture knows only what passes through itself: so rows may have any height, and a printed page
may end between any two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from schedule_explorer.reporting.html.edges import Edge
from schedule_explorer.reporting.html.rows import Row

#: the widest that a lane may be, by the number of lanes, and with more; the narrowest
_WIDEST = {1: 520, 2: 370, 3: 320, 4: 260}
_OF_MANY, _NARROWEST = 220, 150
#: of one character of an operation, what stands right of it, and the most that remarks widen a lane to
_CHARACTER, _MARGIN, _REMARK = 7.6, 14, 240
#: from the left edge of a lane: the line of its life, the first track, and from one to the next
_LIFE, _FIRST, _APART = 12, 20, 6
#: from the top of a row: the middle of a dot, its edge, the arrow that comes in from another lane
DOT, _EDGE, _TOP = 17, 12, 4
_END = "100%"
_Line = tuple[int, int | str, int, int | str]


@dataclass(frozen=True)
class Wire:
    """A straight line of one row.

    Attributes:
        edges: the numbers of the arrows that it is a part of; none for a lane's own line.
        lane: of which it is the line, or -1.
    """

    x1: int
    y1: int | str
    x2: int
    y2: int | str
    edges: tuple[int, ...] = ()
    lane: int = -1


@dataclass(frozen=True)
class Head:
    """The point of the arrows that come into a step."""

    x: int
    y: int
    edges: tuple[int, ...]


@dataclass
class Picture:
    """What is drawn.

    Attributes:
        lefts, widths: of each lane.
        text: of each lane, how far from its left edge the text begins.
        wires: of each row.
        heads: of each row, None where no arrow ends.
        marked: numbers of the arrows between operations that are marked.
    """

    lefts: list[int]
    widths: list[int]
    text: list[int]
    wires: list[list[Wire]] = field(default_factory=list)
    heads: list[Head | None] = field(default_factory=list)
    marked: frozenset[int] = frozenset()

    @property
    def width(self) -> int:
        """Of all lanes."""
        return sum(self.widths)

    def life(self, lane: int) -> int:
        """Return the place of a lane's own line."""
        return self.lefts[lane] + _LIFE

    def hot(self, edges: tuple[int, ...]) -> bool:
        """Say whether one of these arrows is between marked operations."""
        return not self.marked.isdisjoint(edges)


def draw(names: Sequence[str], rows: Sequence[Row], edges: Sequence[Edge]) -> Picture:
    """Lay out lanes and arrows.

    Arguments:
        names: of the lanes.
        rows: all lines, in order.
        edges: the arrows, by number.
    """
    place = {row.step: number for number, row in enumerate(rows) if row.step >= 0}
    lane_of = {row.step: row.lane for row in rows if row.step >= 0}
    used = [0] * len(names)
    for edge in edges:
        lane = lane_of[edge.earlier]
        used[lane] = max(used[lane], edge.track + 1)
    text = [_FIRST + (count and (count - 1) * _APART + 8) for count in used]
    widths = _widths(names, rows, text)
    picture = Picture([sum(widths[:lane]) for lane in range(len(names))], widths, text)
    marks = {row.step for row in rows if row.mark}
    picture.marked = frozenset(
        number for number, edge in enumerate(edges) if edge.earlier in marks and edge.later in marks
    )
    lines: list[dict[_Line, list[int]]] = [{} for _ in rows]
    into: dict[int, list[int]] = {}
    for number, edge in enumerate(edges):
        lane, end = lane_of[edge.earlier], picture.life(lane_of[edge.later])
        x = picture.lefts[lane] + _FIRST + edge.track * _APART
        first, last = place[edge.earlier], place[edge.later]
        parts: list[tuple[int, _Line]] = [
            (first, (picture.life(lane), DOT, x, DOT)), (first, (x, DOT, x, _END)),
        ]  # fmt: skip
        parts += [(between, (x, 0, x, _END)) for between in range(first + 1, last)]
        parts += [(last, (x, 0, x, _TOP)), (last, (x, _TOP, end, _TOP))]
        for row, line in parts:
            lines[row].setdefault(line, []).append(number)
        into.setdefault(last, []).append(number)
    picture.heads = [
        Head(picture.life(row.lane), _EDGE, tuple(into[number])) if number in into else None
        for number, row in enumerate(rows)
    ]
    picture.wires = [[Wire(*line, tuple(found)) for line, found in each.items()] for each in lines]
    _lives(picture, rows)
    return picture


def _widths(names: Sequence[str], rows: Sequence[Row], text: Sequence[int]) -> list[int]:
    """Make each lane as wide as its longest operation, within bounds; remarks may take two lines."""
    longest: list[float] = [len(name) for name in names]
    for row in rows:
        if row.step >= 0:
            longest[row.lane] = max(longest[row.lane], len(row.text) + (len(row.note) + 3 if row.note else 0))
        for lane, remark in row.remarks.items():
            longest[lane] = max(longest[lane], min(len(remark) * 0.8, (_REMARK - text[lane]) / _CHARACTER))
    widest = _WIDEST.get(len(names), _OF_MANY)
    return [
        min(max(_NARROWEST, left + round(count * _CHARACTER) + _MARGIN), widest)
        for count, left in zip(longest, text, strict=True)
    ]


def _lives(picture: Picture, rows: Sequence[Row]) -> None:
    """Draw each lane's line from the first step of its thread to the last thing said of it."""
    for lane in range(len(picture.lefts)):
        x = picture.life(lane)
        told = [number for number, row in enumerate(rows) if row.lane == lane or lane in row.remarks]
        if not told:
            continue
        first, last = told[0], told[-1]
        for number in range(first, last + 1):
            top: int | str = DOT if number == first else 0
            bottom: int | str = DOT if number == last else _END
            if top != bottom:
                picture.wires[number].insert(0, Wire(x, top, x, bottom, lane=lane))
