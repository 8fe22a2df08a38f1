"""The end of an execution: who is left waiting, and how what is left is taken down."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import TYPE_CHECKING, Any

from schedule_explorer.errors import ExplorerError, UncontrolledBlockingError
from schedule_explorer.runtime.threads import ThreadEnd, VirtualThread
from schedule_explorer.runtime.trace import BOTTOM, Blocked, Trace, internal, site_text, user_frames

if TYPE_CHECKING:
    from schedule_explorer.runtime.execution import Execution

#: times that a thread is asked to end: a body may catch what it is asked with
_ASKED = 50
#: times that it is told so at every line, after which it is left where it is
_TOLD = 50


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
    tracing = sys.gettrace()
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
                finally:
                    if thread.asked >= _ASKED:
                        sys.settrace(tracing)
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


def insist(execution: Execution, thread: VirtualThread) -> None:
    """End a thread that catches what it is asked to end with, and goes on, as below a bare ``except``.

    From some time on it is asked at every line, those of its handlers included, which nothing catches.
    """
    thread.asked += 1
    if thread.asked < _ASKED:
        return
    if thread.asked >= _ASKED + _TOLD:
        frames = user_frames(sys._getframe(2))
        execution.stop(UncontrolledBlockingError(
            f"{thread.name} does not end when it is asked to, at {site_text(frames)}: let it catch Exception "
            "rather than everything"
        ))
        _LEFT.append(thread.greenlet)
        thread.finished = True
        execution.workers.hub.switch()
    sys.settrace(_end_at_each_line)
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code not in BOTTOM:
        frame.f_trace = _end_at_each_line
        frame = frame.f_back


def _end_at_each_line(frame: FrameType, event: str, argument: Any) -> Any:
    if event == "line" and not internal(frame):
        raise ThreadEnd
    return _end_at_each_line


#: greenlets that did not end: one that is collected would be asked once more, and would not answer
_LEFT: list[Any] = []


def _quiet_hook(unraisable: Any) -> None:
    """Say nothing of a finalizer that asks for an operation after the end."""
    if not isinstance(unraisable.exc_value, ThreadEnd):
        sys.__unraisablehook__(unraisable)
