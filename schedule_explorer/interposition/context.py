"""Is the caller a virtual thread, and how does it run several operations as one step?"""

from __future__ import annotations

from _thread import get_ident
from collections.abc import Iterator
from contextlib import contextmanager

from schedule_explorer.runtime import Execution
from schedule_explorer.runtime import execution as _runtime

_exploring_thread = -1


def set_exploring_thread(ident: int) -> None:
    """Name the OS thread whose calls are interposed; -1 when no exploration is under way."""
    global _exploring_thread
    _exploring_thread = ident


def virtual() -> Execution | None:
    """Return the execution whose virtual thread is calling, or None.

    None on every other OS thread, outside of an execution and in its teardown's own work: there the
    real call is made.
    """
    execution = _runtime._current
    if execution is None or execution.current is None or get_ident() != _exploring_thread:
        return None
    return execution


@contextmanager
def plain() -> Iterator[None]:
    """Make the real calls inside, which must not switch: nobody is a virtual thread there."""
    exploring = _exploring_thread
    if get_ident() == exploring:
        set_exploring_thread(-1)
    try:
        yield
    finally:
        set_exploring_thread(exploring)


@contextmanager
def atomic(execution: Execution) -> Iterator[None]:
    """Run the operations inside as part of the present step, without a switch."""
    thread = execution.current
    if thread is None:
        yield
        return
    thread.atomic += 1
    try:
        yield
    finally:
        thread.atomic -= 1
