"""Looking at the world when nothing moves any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from schedule_explorer.interposition.context import virtual
from schedule_explorer.runtime import Trace


def at_quiescence(look: Callable[[Trace], None]) -> bool:
    """Have `look` called when no thread of this execution can move, with everything as the program left it.

    What `look` calls is no step: it sees files, tables and the trace without changing the schedule.
    What it raises is a failure of the program. Those of one execution are called in the order in which they
    were given.

    Returns:
        False where no exploration is under way, as on real threads: then nothing will call it.
    """
    execution = virtual()
    if execution is None:
        return False
    execution.at_quiescence.append(lambda: look(execution.trace))
    return True


@contextmanager
def unobserved() -> Iterator[None]:
    """Make what is inside no step: for an oracle that reads, in between, something that never changes."""
    execution = virtual()
    if execution is None:
        yield
        return
    thread, execution.current = execution.current, None
    try:
        yield
    finally:
        execution.current = thread
