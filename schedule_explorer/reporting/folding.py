"""Which rows of a report are folded into one.

A *run* is a stretch of operations of one thread without a switch in between. Within a run two kinds of
stretch fold:

* file operations of one source line (what `shutil.rmtree` or `os.makedirs` does inside), two or more;
* operations that conflict with nothing of another thread, three or more.

An operation that is pinned never folds: one of the conflicting pair, one with an outcome worth reading (it
raised, it expired, it was not acquired), and the last one of a thread that failed. Switches end a run,
so they are never inside a fold.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from schedule_explorer.reporting.conflict import contested
from schedule_explorer.runtime import Event, Trace, without_ends

#: operations on files whose names have a dot
_FILES = ("file.", "scandir.")
#: operations that are no file operations though their names have no dot
_NO_FILE = frozenset(("load", "store", "update", "sleep"))
#: the first and the last step of a thread, and what they are called
EDGES = {"thread.begin": "starts", "thread.end": "ends"}
#: a note of these is a value, not an outcome
VALUES = frozenset(("store", "update"))


def pinned(event: Event, marks: Collection[int]) -> bool:
    """Say whether an operation must have a row of its own whatever is around it."""
    told = bool(event.note and event.kind not in VALUES)
    return told or event.index in marks or event.expired or event.kind == "thread.start"


def fold(trace: Trace, marks: Collection[int]) -> list[list[Event]]:
    """Divide the operations of `trace` into rows: one event, or several that are folded.

    Nobody wrote `thread.begin` and `thread.end`: the one has a row only where a thread failed before its
    first operation, the other where it is marked.
    """
    written = without_ends(trace.events)
    last = {event.tid: event.index for event in written}
    failed = {last[tid] for tid, _ in trace.errors if tid in last}
    events = [event for event in trace.events if event.kind not in EDGES or event.index in {*failed, *marks}]
    free = {event.index for event in events if not pinned(event, {*marks, *failed})}
    quiet = free - contested(events)
    rows: list[list[Event]] = []
    for run in _split(events, lambda a, b: a.tid == b.tid):
        calls = _split(run, lambda a, b: _one_call(a, b) and {a.index, b.index} <= free)
        # A folded call keeps its own row, so that its source line stays to be read.
        for group in _split_groups(list(calls), quiet):
            rows += [group] if len(group) > 2 or folded_call(group) else [[event] for event in group]
    return rows


def folded_call(row: list[Event]) -> bool:
    """Say whether a row is what one source line did to files."""
    return len(row) > 1 and all(_one_call(row[0], event) for event in row[1:])


def file_operation(event: Event) -> bool:
    """Say whether an operation is a call on files."""
    return event.kind.startswith(_FILES) or ("." not in event.kind and event.kind not in _NO_FILE)


def _split_groups(calls: list[list[Event]], quiet: Collection[int]) -> Iterator[list[Event]]:
    """Join neighbouring single quiet operations."""
    group: list[Event] = []
    for call in calls:
        if len(call) == 1 and call[0].index in quiet:
            group += call
            continue
        if group:
            yield group
            group = []
        yield call
    if group:
        yield group


def _one_call(first: Event, second: Event) -> bool:
    """Two file operations that one source line made."""
    return (
        file_operation(first) and file_operation(second)
        and bool(first.frames) and first.frames[:1] == second.frames[:1]
    )


def _split(events: list[Event], joined: Callable[[Event, Event], bool]) -> Iterator[list[Event]]:
    """Divide into stretches whose neighbours are `joined`."""
    stretch: list[Event] = []
    for event in events:
        if stretch and not joined(stretch[-1], event):
            yield stretch
            stretch = []
        stretch.append(event)
    if stretch:
        yield stretch
