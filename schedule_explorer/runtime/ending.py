"""The end of an execution: who is left waiting, and how what is left is taken down."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from schedule_explorer.errors import ExplorerError
from schedule_explorer.runtime.threads import ThreadEnd, VirtualThread
from schedule_explorer.runtime.trace import Blocked, Trace

if TYPE_CHECKING:
    from schedule_explorer.runtime.execution import Execution

#: times that a thread is asked to end: a body may catch what it is asked with
_ASKED = 50


def note_blocked(trace: Trace, threads: Iterable[VirtualThread]) -> None:
    """Note in `trace` the threads that can never move again: a deadlock, or those that poll for ever."""
    for thread in threads:
        operation = thread.pending
        if thread.finished or operation is None:
            continue
        if not thread.daemon:
            if operation.timeout is None or thread.tid == 0:
                trace.deadlock = True
            else:
                trace.leaked.append(thread.name)
        holder = operation.owner() if operation.owner is not None else None
        trace.blocked.append(
            Blocked(thread.tid, thread.name, str(operation), str(holder) if holder is not None else "",
                    thread.resume or (), operation, (thread.event, *operation.order),
                    thread.daemon)
        )


def at_quiescence(trace: Trace, functions: Iterable[Callable[[], None]]) -> None:
    """Call `functions`; what one of them raises is a failure of the program."""
    for function in functions:
        try:
            function()
        except ExplorerError:
            raise
        except Exception as error:
            trace.errors.append((0, error))


def tear_down(execution: Execution) -> None:
    """End what is left without running another operation, newest thread first; then clean up."""
    hook = sys.unraisablehook
    sys.unraisablehook = _quiet_hook
    try:
        for thread in reversed(execution.threads):
            for _ in range(_ASKED):
                if thread.finished or not thread.greenlet:
                    break
                execution.current = thread
                try:
                    thread.greenlet.throw(ThreadEnd)
                except ThreadEnd:
                    pass  # an interrupt came before its first step
            thread.finished = True
            thread.target = None
            thread.poll_frames = []
            thread.greenlet = None
        execution.current = None
        for function in reversed(execution.at_end):
            function()
        execution.at_end.clear()
        execution.at_quiescence.clear()
    finally:
        sys.unraisablehook = hook


def _quiet_hook(unraisable: Any) -> None:
    """Say nothing of a finalizer that asks for an operation after the end."""
    if not isinstance(unraisable.exc_value, ThreadEnd):
        sys.__unraisablehook__(unraisable)
