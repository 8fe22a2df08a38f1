"""threading.Thread: the class stays, its start, join and is_alive become those of virtual threads."""

from __future__ import annotations

import _thread
import threading
from typing import Any

from schedule_explorer.interposition.context import virtual
from schedule_explorer.operations import READ, Operation
from schedule_explorer.runtime import VirtualThread

_real_start = threading.Thread.start
_real_join = threading.Thread.join
_real_is_alive = threading.Thread.is_alive
_real_ident = threading.Thread.ident
_real_current = threading.current_thread
_real_get_ident = _thread.get_ident


def _of(thread: Any) -> VirtualThread | None:
    found: VirtualThread | None = thread.__dict__.get("_explorer_thread")
    return found


def _start(self: threading.Thread) -> None:
    execution = virtual()
    if execution is None:
        _real_start(self)
        return
    if not getattr(self, "_initialized", False):
        raise RuntimeError("thread.__init__() not called")
    if _of(self) is not None:
        raise RuntimeError("threads can only be started once")
    parent = execution.current
    spawned = execution.spawn(parent, self.name, self.run)
    spawned.daemon = self.daemon
    spawned.python_thread = self
    self.__dict__["_explorer_thread"] = spawned


def _join(self: threading.Thread, timeout: float | None = None) -> None:
    execution = virtual()
    if execution is None:
        if _of(self) is None:
            _real_join(self, timeout)
        return
    if not getattr(self, "_initialized", False):
        raise RuntimeError("Thread.__init__() not called")
    other = _of(self)
    if other is None:
        raise RuntimeError("cannot join thread before it is started")
    if other is execution.current:
        raise RuntimeError("cannot join current thread")
    key = other.end_key

    def perform(operation: Operation) -> None:
        if other.finished and operation.timeout is None:
            execution.order_after(other.event)
            return
        # Only a timed join can tell whether the thread has ended: that is a race with its end.
        operation.accesses = ((key, READ),)

    limit = None if timeout is None else max(timeout, 0.0)
    execution.step(
        Operation("thread.join", self.name, perform, lambda: other.finished, timeout=limit,
                  owner=lambda: other)
    )


def _is_alive(self: threading.Thread) -> bool:
    execution = virtual()
    other = _of(self)
    if execution is None or other is None:
        return False if other is not None else bool(_real_is_alive(self))
    key = other.end_key
    operation = Operation("thread.is_alive", self.name, lambda _: not other.finished, accesses=((key, READ),))
    return bool(execution.step(operation))


def _current_thread() -> threading.Thread:
    execution = virtual()
    if execution is None or execution.current is None:
        return _real_current()
    if execution.current.python_thread is None:
        # The body itself is the exploring thread; the stdlib would look it up by its virtual ident.
        active: dict[int, threading.Thread] = threading._active  # type: ignore[attr-defined]
        return active[_real_get_ident()]
    found: threading.Thread = execution.current.python_thread
    return found


def _get_ident() -> int:
    execution = virtual()
    if execution is None or execution.current is None:
        return _real_get_ident()
    return execution.current.ident


METHODS: list[tuple[type, str, Any]] = [
    (threading.Thread, "start", _start),
    (threading.Thread, "join", _join),
    (threading.Thread, "is_alive", _is_alive),
    (threading.Thread, "ident", property(
        lambda self: thread.ident if (thread := _of(self)) is not None
        else _real_ident.fget(self))),  # type: ignore[attr-defined]
]
PATCHES: list[tuple[object, str, Any]] = [
    (threading, "current_thread", _current_thread),
    (threading, "get_ident", _get_ident),
]
