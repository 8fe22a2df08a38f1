"""The story of a failing execution as text: what went wrong, the conflict, the schedule, the token."""

from __future__ import annotations

from schedule_explorer.errors import DeadlockError
from schedule_explorer.reporting import names as naming
from schedule_explorer.reporting.conflict import Conflict, find_conflict
from schedule_explorer.reporting.layout import render
from schedule_explorer.reporting.names import Names
from schedule_explorer.reporting.pattern import find_pattern
from schedule_explorer.reporting.story import Story
from schedule_explorer.reporting.switches import Switches
from schedule_explorer.reporting.waits import cycle_acquires, wait_for_table
from schedule_explorer.runtime import Trace

__all__ = ["explain", "wait_for_table"]


def explain(trace: Trace, error: BaseException, token: str) -> str:
    """Tell the execution.

    First what was raised and on which line, or who waits for whom; then the operations that conflict
    (see `conflict`), and the name of the mistake where it has one (see `pattern`); then the schedule, a
    column a thread and a row an operation, with the reason of each switch below the operation where a
    thread stopped, boring steps folded (see `folding`) and the row where the error was raised marked
    ``!!!``. The last line is the token that replays it.
    """
    names = Names(trace)
    switches = Switches(trace, names)
    acquires = cycle_acquires(trace, names, switches) if not trace.errors else []
    conflict = Conflict(tuple(acquires)) if acquires else find_conflict(trace, switches)
    story = Story(trace, names, switches, conflict.marks)
    blocks = [
        _failures(trace, error, names),
        _conflict(trace, conflict, story, cycle=bool(acquires)),
        render(story.columns(), story.lines()),
        [token],
    ]
    return "\n\n".join("\n".join(block) for block in blocks)


def _failures(trace: Trace, error: BaseException, names: Names) -> list[str]:
    """Write every error with its line; the wait-for table too when it is not the error itself."""
    raisers = {id(raised): tid for tid, raised in trace.errors}
    lines = []
    for each in (error, *(raised for _, raised in trace.errors if raised is not error)):
        title = f"{type(each).__name__}: {naming.relative(str(each))}".rstrip(": ")
        lines.append(title if each is error else f"and {title}")
        frames = naming.raised_at(each)
        if frames and id(each) in raisers:
            thread = names.thread(raisers[id(each)])
            lines.append(f"  raised in {thread} at {naming.line_in_function(frames)}")
    if trace.deadlock and not isinstance(error, DeadlockError):
        lines += ["", wait_for_table(trace)]
    return lines


def _conflict(trace: Trace, conflict: Conflict, story: Story, *, cycle: bool) -> list[str]:
    """Write the marked operations with the whole of their source lines."""
    title = story.title(conflict, cycle=cycle)
    if not conflict.marks:
        return [title]
    events = [trace.events[index] for index in conflict.marks]
    names = [story.names.thread(event.tid) for event in events]
    cells = [" ".join(story.cell(event).fit(50)) for event in events]
    width, room = max(map(len, names)), max(map(len, cells))
    pattern = find_pattern(trace, conflict)
    return [
        title,
        *(
            f"  <{number}> {name:<{width}}  {cell:<{room}}  {naming.line_in_function(event.frames)}".rstrip()
            for number, (event, name, cell) in enumerate(zip(events, names, cells, strict=True), 1)
        ),
        *([str(pattern)] if pattern is not None else []),
    ]
