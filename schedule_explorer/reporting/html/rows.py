"""The lines of the picture: one for each step, and those between that say why threads stop and go on."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from schedule_explorer.reporting import names as naming
from schedule_explorer.reporting.folding import EDGES, VALUES
from schedule_explorer.reporting.html.pages import printable
from schedule_explorer.reporting.story import Story
from schedule_explorer.reporting.switches import Switches
from schedule_explorer.runtime import Event, Trace


@dataclass
class Row:
    """One line.

    Attributes:
        step: the index of the step that it tells; -1 for a line between steps.
        lane: of that step.
        text, note: the operation and its outcome.
        mark: its number among the operations that conflict, 0 for none.
        value: the outcome is a value that was stored, nothing out of the way.
        quiet: it may be hidden.
        source: place and text of its source line.
        remarks: by lane, what is said of the thread there.
        error: the remark is an error.
    """

    step: int = -1
    lane: int = -1
    text: str = ""
    note: str = ""
    mark: int = 0
    value: bool = False
    quiet: bool = False
    source: tuple[str, str] = ("", "")
    remarks: dict[int, str] = field(default_factory=dict)
    error: bool = False


def rows_of(
    trace: Trace, story: Story, switches: Switches, lanes: Mapping[int, int], quiet: Set[int],
    marks: Mapping[int, int],
) -> list[Row]:
    """Tell a trace line by line.

    Arguments:
        lanes: by tid.
        quiet: steps that may be hidden.
        marks: numbers of the operations that conflict, by step.
    """
    rows: list[Row] = []
    latest: dict[int, Event] = {}
    current: int | None = None
    for event in trace.events:
        if event.tid != current:
            remarks = {}
            if current is not None:
                remarks[lanes[current]] = switches.leaving(latest[current])
            entering = switches.entering(event, latest.get(event.tid))
            if entering and event.tid in latest:  # that it starts is a step of its own
                remarks[lanes[event.tid]] = entering
            _add(rows, remarks)
        cell = story.cell(event)
        rows.append(Row(
            event.index, lanes[event.tid], EDGES.get(event.kind) or shown(cell.kind, cell.target),
            printable(cell.note), marks.get(event.index, 0), event.kind in VALUES,
            event.index in quiet,
            (printable(naming.place(event.frames)), printable(naming.source(event.frames))),
        ))  # fmt: skip
        current, latest[event.tid] = event.tid, event
        if switches.last(event.tid) is event:
            _errors(rows, trace, event.tid, lanes)
    ends = {lanes[blocked.tid]: switches.end(blocked.tid) for blocked in trace.blocked}
    if current is not None:
        ends.setdefault(lanes[current], switches.end(current))
    _add(rows, ends)
    return rows


def shown(kind: str, target: str) -> str:
    """Write an operation in full."""
    return printable(f"{kind} {target}".strip())


def _add(rows: list[Row], remarks: dict[int, str]) -> None:
    told = {lane: printable(text) for lane, text in sorted(remarks.items()) if text}
    if told:
        rows.append(Row(remarks=told))


def _errors(rows: list[Row], trace: Trace, tid: int, lanes: Mapping[int, int]) -> None:
    for raiser, error in trace.errors:
        if raiser == tid:
            frames = naming.raised_at(error)
            rows.append(Row(
                source=(printable(naming.place(frames)), printable(naming.source(frames))),
                remarks={lanes[tid]: f"raises {type(error).__name__}"}, error=True,
            ))  # fmt: skip
