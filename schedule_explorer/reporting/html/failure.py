"""The page of a failing execution: its data, made of the trace and of the states after each step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schedule_explorer.errors import DeadlockError
from schedule_explorer.reporting import names as naming
from schedule_explorer.reporting.conflict import Conflict, contested, find_conflict
from schedule_explorer.reporting.folding import EDGES, VALUES, pinned
from schedule_explorer.reporting.html.edges import Edge, direct, lay_out
from schedule_explorer.reporting.html.pages import page, printable
from schedule_explorer.reporting.html.picture import draw
from schedule_explorer.reporting.html.rows import Row, rows_of, shown
from schedule_explorer.reporting.html.sources import Sources
from schedule_explorer.reporting.html.steps import Pools
from schedule_explorer.reporting.names import Names
from schedule_explorer.reporting.pattern import find_pattern
from schedule_explorer.reporting.story import Story
from schedule_explorer.reporting.switches import Switches
from schedule_explorer.reporting.waits import cycle_acquires, wait_for_table
from schedule_explorer.runtime import Event, Trace, without_ends
from schedule_explorer.states import State


@dataclass
class FailureData:
    """All that a page of a failure shows.

    Attributes:
        head: the errors, the conflict, the token: strings for the top of the page.
        lanes: the names of the threads, in the order of their lanes.
        rows: the lines of the picture.
        edges: the arrows.
        script: what the script of the page reads: ``steps``, ``states``, ``sources`` and names.
    """

    head: dict[str, Any]
    lanes: list[str]
    rows: list[Row]
    edges: list[Edge]
    script: dict[str, Any]


def failure_page(
    trace: Trace, error: BaseException, token: str, states: Mapping[int, State], why_not: str = "",
    command: str = "",
) -> str:
    """Make the page.

    Arguments:
        trace: of the execution, with source lines.
        error: what it failed with.
        token: the schedule that replays it.
        states: by the index of an event, the state after it; empty where none was noted.
        why_not: why there are no states.
        command: a line for the shell that replays it.
    """
    data = failure_data(trace, error, token, states, why_not, command)
    return page(
        "failure", data.script, "failure", head=data.head, lanes=data.lanes, rows=data.rows,
        picture=draw(data.lanes, data.rows, data.edges),
    )  # fmt: skip


def failure_data(
    trace: Trace, error: BaseException, token: str, states: Mapping[int, State], why_not: str = "",
    command: str = "",
) -> FailureData:
    """Gather what the page shows; the same arguments give the same data."""
    names = Names(trace)
    switches = Switches(trace, names)
    acquires = cycle_acquires(trace, names, switches) if not trace.errors else []
    conflict = Conflict(tuple(acquires)) if acquires else find_conflict(trace, switches)
    story = Story(trace, names, switches, conflict.marks)
    tids = sorted({event.tid for event in trace.events} | {tid for tid, _ in trace.errors}
                  | {blocked.tid for blocked in trace.blocked})
    lane_of = {tid: lane for lane, tid in enumerate(tids)}
    lanes = {event.index: lane_of[event.tid] for event in trace.events}
    pairs = direct(trace)
    edges = lay_out(pairs, lanes)
    quiet = _quiet(trace, conflict, pairs)
    sources = Sources()
    pools = Pools(names, lane_of)
    marks = {index: number for number, index in enumerate(conflict.marks, 1)}
    steps = []
    for event in trace.events:
        cell = story.cell(event)
        steps.append({
            "lane": lane_of[event.tid],
            "text": EDGES.get(event.kind) or shown(cell.kind, cell.target),
            "note": printable(cell.note),
            "frames": sources.frames(event.frames),
            "after": [early for early, late in pairs if late == event.index],
            "before": [late for early, late in pairs if early == event.index],
            "state": pools.add(states.get(event.index)),
            **({"mark": marks[event.index]} if event.index in marks else {}),
            **({"value": 1} if event.kind in VALUES else {}),
            **({"quiet": 1} if event.index in quiet else {}),
        })  # fmt: skip
    pattern = find_pattern(trace, conflict)
    rows = rows_of(trace, story, switches, lane_of, quiet, marks)
    threads = [printable(names.thread(tid)) for tid in tids]
    script = {
        "steps": steps, "threads": threads, "states": pools.as_data(), "sources": sources.as_data(),
        "marks": list(conflict.marks), "noStates": "" if states else printable(why_not),
    }  # fmt: skip
    head = {
        "errors": _errors(trace, error, names, sources),
        "conflict": printable(story.title(conflict, cycle=bool(acquires))),
        "pattern": "" if pattern is None else printable(str(pattern)),
        "marked": [_marked(trace.events[index], number, story) for index, number in marks.items()],
        "token": token, "command": printable(command), "steps": len(steps), "quiet": len(quiet),
        "table": printable(wait_for_table(trace).partition("\n")[2]) if trace.deadlock else "",
    }  # fmt: skip
    return FailureData(head, threads, rows, edges, script)


def _quiet(trace: Trace, conflict: Conflict, pairs: list[tuple[int, int]]) -> set[int]:
    """Return the steps that may be hidden: no arrow, no outcome worth reading, no part in the failure."""
    last = {event.tid: event.index for event in without_ends(trace.events)}
    kept = contested(trace.events) | {index for pair in pairs for index in pair}
    kept |= {last[tid] for tid, _ in trace.errors if tid in last}
    return {
        event.index for event in trace.events
        if event.index not in kept and not pinned(event, conflict.marks) and event.kind != "thread.begin"
    }


def _errors(trace: Trace, error: BaseException, names: Names, sources: Sources) -> list[dict[str, str]]:
    raisers = {id(raised): tid for tid, raised in trace.errors}
    told = []
    for each in (error, *(raised for _, raised in trace.errors if raised is not error)):
        text = naming.relative(str(each)).strip()
        frames = naming.raised_at(each) if id(each) in raisers else ()
        if isinstance(each, DeadlockError):
            text = text.partition("\n")[0].rstrip(":")  # the table has a place of its own
        told.append({
            "kind": type(each).__name__, "text": printable(text),
            "where": printable(f"in {names.thread(raisers[id(each)])}, {naming.line_in_function(frames)}")
            if frames else "",
        })  # fmt: skip
    return told


def _marked(event: Event, number: int, story: Story) -> dict[str, Any]:
    cell = story.cell(event)
    return {
        "number": number, "step": event.index, "thread": printable(story.names.thread(event.tid)),
        "text": shown(cell.kind, cell.target), "note": printable(cell.note),
        "where": printable(naming.line_in_function(event.frames)),
    }  # fmt: skip
