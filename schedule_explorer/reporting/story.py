"""What the rows of a report say: the operations of one trace, and the conflict between two of them."""

from __future__ import annotations

from schedule_explorer.reporting import names as naming
from schedule_explorer.reporting.conflict import Conflict
from schedule_explorer.reporting.folding import fold, folded_call
from schedule_explorer.reporting.layout import Cell, Line, Remark, Steps
from schedule_explorer.reporting.names import Names
from schedule_explorer.reporting.switches import Switches
from schedule_explorer.runtime import Event, Trace

_RAISED = "!!!"


class Story:
    """The rows of one trace."""

    def __init__(self, trace: Trace, names: Names, switches: Switches, marks: tuple[int, ...]) -> None:
        self.names = names
        self._trace, self._switches = trace, switches
        self._marks = {index: f"<{number}>" for number, index in enumerate(marks, 1)}
        self._rows = fold(trace, marks)

    def columns(self) -> dict[int, str]:
        """Return the threads that have something to show, by tid."""
        tids = {row[0].tid for row in self._rows}
        tids |= {tid for tid, _ in self._trace.errors} | {blocked.tid for blocked in self._trace.blocked}
        return {tid: self.names.thread(tid) for tid in sorted(tids)}

    def title(self, conflict: Conflict, *, cycle: bool) -> str:
        """Say in a sentence what conflicts; `cycle`: the marked operations took the locks of a deadlock."""
        events = [self._trace.events[index] for index in conflict.marks]
        names = [self.names.thread(event.tid) for event in events]
        if not events:
            return "No two operations of different threads conflict here."
        if cycle:
            return "The deadlock: each thread keeps what the next one waits for"
        if conflict.stopped:
            return (f"The conflict: {names[0]} stopped after <1>, and {names[1]} did <2> before {names[0]} "
                    f"went on with {self.after(events[0].tid, events[1].index)}")
        return (f"The conflict: {names[0]} did <1> before {names[1]} did <2>; "
                "in the other order it may not fail")

    def after(self, tid: int, index: int) -> str:
        """Name what thread `tid` did next after event `index`."""
        event = next(event for event in self._trace.events[index:] if event.tid == tid)
        return naming.cut(self.names.operation(event.kind, event.target), 50)

    def cell(self, event: Event) -> Cell:
        """Write one operation with its outcome."""
        note = naming.relative(event.note)
        if event.kind in ("condition.wake", "condition.timed_wake"):
            note = "timed out" if event.expired else "woken"
        elif event.expired and event.kind not in ("sleep", "hang"):
            note = f"{note}, timed out" if note and note != "expired" else "timed out"
        if event.kind == "condition.notify":
            note = "wakes " + (", ".join(map(self.names.thread, self._switches.woken(event))) or "nobody")
        return Cell(*self.names.parts(event.kind, event.target), note)

    def lines(self) -> list[Line]:
        """Tell the rows in order, with a line for each switch and each error."""
        lines: list[Line] = []
        # The main thread is there from the start, what it does first or not.
        latest = {event.tid: event for event in self._trace.events[:1] if event.tid == 0}
        current: int | None = 0 if latest else None
        for row in self._rows:
            tid = row[0].tid
            if tid != current:
                left = latest.get(current) if current is not None else None
                lines.append(self._switch(left, row[0], latest.get(tid)))
            if row[0].kind != "thread.begin":
                lines.append(self._operations(row))
            current, latest[tid] = tid, row[-1]
            lines += self._errors(row[-1])
        ends = Line()
        for blocked in self._trace.blocked:
            if blocked.tid not in latest:
                ends.cells[blocked.tid] = Remark(self._switches.end(blocked.tid))
        if current is not None:
            ends.cells[current] = Remark(self._switches.end(current))
        lines.append(ends)
        return [line for line in lines if line.cells]

    def _switch(self, left: Event | None, entered: Event, before: Event | None) -> Line:
        line = Line()
        if left is not None:
            line.cells[left.tid] = Remark(self._switches.leaving(left))
        entering = self._switches.entering(entered, before)
        if entering:
            line.cells[entered.tid] = Remark(entering)
        return line

    def _operations(self, row: list[Event]) -> Line:
        first, last = row[0], row[-1]
        source = naming.line_of(first.frames)
        if len(row) == 1:
            return Line(self._marks.get(first.index, ""), {first.tid: self.cell(first)}, source)
        if not folded_call(row) and first.frames[:1] != last.frames[:1]:
            source = _span(row)
        return Line("", {first.tid: Steps(tuple(event.kind for event in row))}, source)

    def _errors(self, event: Event) -> list[Line]:
        """Return the errors that were raised between `event` and its thread's end."""
        last = self._switches.last(event.tid)
        if last is None or last.index != event.index:
            return []
        return [
            Line(_RAISED, {tid: Cell(f"raises {type(error).__name__}")},
                 naming.line_of(naming.raised_at(error)))
            for tid, error in self._trace.errors if tid == event.tid
        ]


def _span(row: list[Event]) -> str:
    """Write where a fold over several lines is: the lines of one function, or the first line's place."""
    framed = [event for event in row if event.frames]
    if not framed:
        return ""
    lines = sorted({event.frames[0][1] for event in framed})
    files = {(event.frames[0][0], event.frames[0][2]) for event in framed}
    start = naming.place(framed[0].frames)
    if len(files) > 1:
        return f"{start} in {naming.function(framed[0].frames)} …"
    start = f"{naming.last_component(framed[0].frames[0][0])}:{lines[0]}"
    return f"{start}-{lines[-1]} in {naming.function(framed[0].frames)}"
