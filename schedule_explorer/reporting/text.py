"""The story of a failing execution as text: a column a thread, a row an operation."""

from __future__ import annotations

import os

from schedule_explorer.operations import dependent
from schedule_explorer.runtime import Event, Trace

_WIDTH = 34


def wait_for_table(trace: Trace) -> str:
    """Say for every blocked thread what it waits for, who holds it, and where."""
    lines = ["threads are blocked for ever:"]
    for blocked in trace.blocked:
        where = _place(blocked.frames)
        held = f", held by {blocked.holder}" if blocked.holder else ""
        lines.append(f"  {blocked.name} waits for {blocked.operation}{held}{where and ' at ' + where}")
    return "\n".join(lines)


def explain(trace: Trace, error: BaseException, token: str) -> str:
    """Tell the execution: columns, the reason of each switch, the conflicting pair, the token last.

    The conflicting pair, marked ``<1>`` and ``<2>``, is the last pair of neighbouring conflicting
    operations of different threads: the order that another schedule would reverse.
    """
    events = trace.events
    pair = _conflict(events)
    shown = [e for e in events if e.kind != "thread.begin"]
    columns = sorted({e.tid for e in shown})
    lines = [f"{type(error).__name__}: {error}", ""]
    header = "".join(f"{_cut(f'{tid} {trace.thread_names[tid]}'):<{_WIDTH}}" for tid in columns)
    lines += [header.rstrip(), "-" * min(len(columns) * _WIDTH, 160)]
    previous: Event | None = None
    for event in shown:
        mark = f"<{pair.index(event.index) + 1}> " if event.index in pair else ""
        cell = mark + f"{event.kind} {os.path.basename(str(event.target))}".strip()
        if event.note:
            cell += f" -> {event.note}"
        row = " " * _WIDTH * columns.index(event.tid) + f"{_cut(cell):<{_WIDTH}}"
        place = _place(event.frames)
        reason = ""
        if previous is not None and previous.tid != event.tid:
            reason = f"   [switch: {_reason(trace, previous)}]"
        lines.append(f"{row.rstrip()}   {place}{reason}".rstrip())
        previous = event
    if trace.blocked:
        lines += ["", wait_for_table(trace)]
    lines += ["", token]
    return "\n".join(lines)


def _reason(trace: Trace, event: Event) -> str:
    later = [e for e in trace.events[event.index + 1 :] if e.tid == event.tid]
    name = trace.thread_names[event.tid]
    if later:
        return f"{name} was preempted before {later[0].kind}"
    if any(b.name == name and b.tid == event.tid for b in trace.blocked):
        return f"{name} is blocked"
    return f"{name} ended"


def _conflict(events: list[Event]) -> list[int]:
    for late in reversed(events):
        for early in reversed(events[: late.index]):
            if dependent(early.accesses, late.accesses):
                if early.tid == late.tid:
                    break
                return [early.index, late.index]
    return []


def _cut(text: str) -> str:
    return text if len(text) < _WIDTH else text[: _WIDTH - 2] + "~"


def _place(frames: tuple[tuple[str, int, str], ...]) -> str:
    if not frames:
        return ""
    path, line, function = frames[0]
    return f"{os.path.basename(path)}:{line} {function}"
