"""threading.Thread: the class stays, what it does becomes that of virtual threads.

A start and an end are steps of their own, for they can be seen: who looks at a thread object that another
thread starts (`is_alive`, `join`, a second `start`) reads the key of that object, `enumerate` `STARTED`,
and whoever asks whether a thread has ended reads the key of its end. The starter itself, and a `join` without
a time limit, see nothing but order.
"""

from __future__ import annotations

import _thread
import _threading_local
import reprlib
import sys
import threading
from collections.abc import Callable
from typing import Any

from schedule_explorer.errors import DivergenceError, UncontrolledThreadError
from schedule_explorer.interposition import futures, raw_threads
from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.mutexes import check_wait, hard, limit_of
from schedule_explorer.interposition.thread_state import (
    STARTED,
    Handle,
    Started,
    ends_thread,
    forget_locals,
    number,
    python_thread_of,
    root_thread,
    start_gate,
    start_key,
    starting,
    virtual_of,
)
from schedule_explorer.interposition.uncontrolled import refuse_hooks
from schedule_explorer.operations import READ, Accesses, Operation
from schedule_explorer.runtime import Execution, VirtualThread


def _init(
    self: Any, group: None = None, target: Any = None, name: Any = None, args: Any = (),
    kwargs: Any = None, *, daemon: Any = None,
) -> None:
    execution = virtual()
    if execution is None:
        _originals["__init__"](self, group, target, name, args, kwargs, daemon=daemon)
        return
    assert group is None, "group argument must be None for now"
    if name:
        name = str(name)
    else:
        name = f"Thread-{number(execution, 'threads')}"
        if target is not None:
            try:
                name += f" ({target.__name__})"
            except AttributeError:
                pass
    self._target, self._name, self._args = target, name, args
    self._kwargs = {} if kwargs is None else kwargs
    self._daemonic = _current_thread().daemon if daemon is None else daemon
    self._ident = self._native_id = self._tstate_lock = None
    self._started = Started(self)
    self._is_stopped = True
    self._handle = Handle(self)
    self._stderr = sys.stderr
    self._invoke_excepthook = None
    if "_explorer_hash" not in self.__dict__:
        self._explorer_key = ("thread", *execution.new_id())
        self._explorer_hash = hash(self._explorer_key[1:])
    self._initialized = True


def _start(self: threading.Thread) -> None:
    execution = virtual()
    if execution is None:
        _originals["start"](self)
        return
    if not getattr(self, "_initialized", False):
        raise RuntimeError("thread.__init__() not called")
    held = self.__dict__.get("_explorer_thread")
    if held is not None and virtual_of(execution, self) is None:
        raise DivergenceError(
            f"thread {self.name!r} was started in an earlier execution: make it in every run of the body"
        )
    refuse_hooks(execution)

    def perform(operation: Operation) -> None:
        if self._started.is_set():  # type: ignore[attr-defined]
            operation.accesses = ((start_key(self), READ),)
            raise RuntimeError("threads can only be started once")
        spawned = execution.spawn(execution.current, self.name, _run_of(self, execution))
        spawned.daemon = self.daemon
        spawned.python_thread = self
        self.__dict__["_explorer_thread"] = spawned
        operation.opened = (start_gate(self),)

    execution.step(Operation("thread.start", self.name, perform, accesses=starting(self)))


def _hook(arguments: Any, /) -> None:
    """Stand for `threading.excepthook`: in a virtual thread an exception is a failure, and not printed."""
    if virtual() is None:
        _real_hook(arguments)


def _run_of(thread: threading.Thread, execution: Execution) -> Callable[[], None]:
    """Return what the virtual thread runs; a hook that the program put in place is called, as it would be."""

    def run() -> None:
        nonlocal thread
        try:
            thread.run()
        except (Exception, KeyboardInterrupt) as error:
            failure = ends_thread(error)
            if failure is None:
                raise  # Ctrl-C
            hook = threading.excepthook
            if hook is not _hook and not execution.ending:
                hook(threading.ExceptHookArgs((type(error), error, error.__traceback__, thread)))
            if failure is error:
                raise
            raise failure from error
        finally:
            # Nothing of a thread that ended keeps its objects alive.
            del thread
            forget_locals(execution)

    return run


def _join(self: threading.Thread, timeout: Any = None) -> None:
    execution = virtual()
    if execution is None:
        if self.__dict__.get("_explorer_thread") is None:
            _originals["join"](self, timeout)
        return
    if not getattr(self, "_initialized", False):
        raise RuntimeError("Thread.__init__() not called")
    known: VirtualThread | None = self.__dict__.get("_explorer_thread")
    if timeout is None and known is not None and _is_child(known, execution):
        # By far the most frequent case: the starter waits for what it has started.
        execution.step(Operation(
            "thread.join", self.name, lambda _: execution.order_after(known.event), lambda: known.finished,
            owner=lambda: known,
        ))
        return
    if self is _current_thread():
        raise RuntimeError("cannot join current thread")
    _refuse_real(self, execution)
    limit = None
    if timeout is not None:
        limit = max(timeout, 0)
        check_wait(True, limit)
        limit = limit_of(limit) if limit else 0.0
    started = _seen_from(self, execution)
    sure = hard(execution, limit)

    def perform(operation: Operation) -> None:
        other = virtual_of(execution, self)
        if other is None:
            operation.accesses = started
            raise RuntimeError("cannot join thread before it is started")
        if sure and other.finished:
            operation.accesses = started
            if started:
                # Before its start it would not have waited for the end, but refused.
                execution.enabled_by(other.event)
            else:
                execution.order_after(other.event)
        else:
            # Only a timed join can tell whether the thread has ended: that is a race with its end.
            operation.accesses = (*started, (other.end_key, READ))

    def ended() -> bool:
        other = virtual_of(execution, self)
        return other is None or other.finished

    operation = Operation(
        "thread.join", self.name, perform, None if limit == 0 else ended, started, limit,
        lambda: virtual_of(execution, self), steady=limit is None,
        gate=start_gate(self) if started and limit is None else None,
    )
    execution.step(operation)


def _is_child(thread: VirtualThread, execution: Execution) -> bool:
    """Say whether the calling thread has started `thread`."""
    current = execution.current
    return (
        current is not None and thread.path != () and thread.path[:-1] == current.path
        and execution.by_tid.get(thread.tid) is thread
    )


def _refuse_real(thread: Any, execution: Execution) -> None:
    if (
        virtual_of(execution, thread) is None and not isinstance(thread._started, Started)
        and thread._started._flag and _originals["is_alive"](thread)
    ):
        raise UncontrolledThreadError(
            f"the real thread {thread.name!r} is joined, which was started before the exploration: start it "
            "in the body"
        )


def _seen_from(thread: threading.Thread, execution: Execution) -> Accesses:
    """Return what tells the caller whether `thread` has been started: nothing, where it knows for itself."""
    other = virtual_of(execution, thread)
    current = execution.current
    assert current is not None
    if other is not None and (other is current or current.path == other.path[:-1] or not other.path):
        return ()
    return ((start_key(thread), READ),)


def _is_alive(self: threading.Thread) -> bool:
    execution = virtual()
    if execution is None:
        if isinstance(self.__dict__.get("_started"), Started):
            return False
        return bool(_originals["is_alive"](self))
    assert getattr(self, "_initialized", False), "Thread.__init__() not called"
    if not isinstance(self._started, Started) and virtual_of(execution, self) is None:  # type: ignore[attr-defined]
        return bool(_originals["is_alive"](self)) if self._started._flag else False  # type: ignore[attr-defined]
    started = _seen_from(self, execution)
    if virtual_of(execution, self) is execution.current:
        return True

    def perform(operation: Operation) -> bool:
        other = virtual_of(execution, self)
        operation.accesses = started if other is None else (*started, (other.end_key, READ))
        return other is not None and not other.finished

    operation = Operation("thread.is_alive", self.name, perform, steady=not started)
    return execution.step(operation)  # type: ignore[no-any-return]


def _ident(self: threading.Thread) -> int | None:
    assert getattr(self, "_initialized", False), "Thread.__init__() not called"
    execution = virtual()
    held: VirtualThread | None = self.__dict__.get("_explorer_thread")
    if execution is None:
        return held.ident if held is not None else _originals["ident"].fget(self)
    if held is None and not isinstance(self._started, Started):  # type: ignore[attr-defined]
        found = virtual_of(execution, self)
        return found.ident if found is not None else _originals["ident"].fget(self)
    started = _seen_from(self, execution)
    if not started:
        found = virtual_of(execution, self)
        return found.ident if found is not None else None

    def perform(operation: Operation) -> int | None:
        found = virtual_of(execution, self)
        return found.ident if found is not None else None

    return execution.step(Operation("thread.ident", self.name, perform, accesses=started))  # type: ignore[no-any-return]


def _repr(self: Any) -> str:
    execution = virtual()
    if execution is None or not isinstance(getattr(self, "_started", None), Started):
        return _originals["__repr__"](self)  # type: ignore[no-any-return]
    found = self.__dict__.get("_explorer_thread")
    status = "initial" if found is None else "stopped" if found.finished else "started"
    status += " daemon" if self._daemonic else ""
    status += f" {found.ident}" if found is not None else ""
    return f"<{type(self).__name__}({self._name}, {status})>"


def _hash(self: Any) -> int:
    """Hash by creation: sets of threads are gone through in the same order in every execution."""
    found: int | None = self.__dict__.get("_explorer_hash")
    return object.__hash__(self) if found is None else found


def _current_thread() -> threading.Thread:
    execution = virtual()
    if execution is None or execution.current is None:
        return _real_current()
    return python_thread_of(execution, execution.current)


def _main_thread() -> threading.Thread:
    execution = virtual()
    return _real_main() if execution is None else root_thread()


def _enumerate() -> list[threading.Thread]:
    execution = virtual()
    if execution is None:
        return _real_enumerate()
    started = ((STARTED, READ),)

    def perform(operation: Operation) -> list[threading.Thread]:
        others = [thread for thread in execution.threads if thread is not execution.current]
        operation.accesses = (*started, *((thread.end_key, READ) for thread in others))
        alive = sorted((t for t in execution.threads if not t.finished), key=lambda t: t.path)
        return [python_thread_of(execution, thread) for thread in alive]

    return execution.step(Operation("thread.enumerate", "", perform, steady=False))  # type: ignore[no-any-return]


def _active_count() -> int:
    return _real_active_count() if virtual() is None else len(_enumerate())


def _count() -> int:
    """`_thread._count`: the threads that were started and have not ended."""
    return int(_real_count()) if virtual() is None else len(_enumerate()) - 1


def _get_ident() -> int:
    execution = virtual()
    if execution is None or execution.current is None:
        return int(_real_get_ident())
    return execution.current.ident


def _get_native_id() -> int:
    execution = virtual()
    if execution is None or execution.current is None:
        return int(_thread_native_id())
    return execution.current.ident


_real_hook = threading.excepthook
_real_current = threading.current_thread
_real_main = threading.main_thread
_real_enumerate = threading.enumerate
_real_active_count = threading.active_count
_real_count: Any = _thread._count
_real_get_ident: Any = _thread.get_ident
_thread_native_id: Any = getattr(_thread, "get_native_id", _thread.get_ident)

METHODS: list[tuple[type, str, Any]] = [
    (threading.Thread, "__init__", _init),
    (threading.Thread, "start", _start),
    (threading.Thread, "join", _join),
    (threading.Thread, "is_alive", _is_alive),
    (threading.Thread, "ident", property(_ident)),
    (threading.Thread, "__repr__", _repr),
]
if hasattr(threading.Thread, "native_id"):
    METHODS.append((threading.Thread, "native_id", property(_ident)))
_originals: dict[str, Any] = {name: vars(cls)[name] for cls, name, _ in METHODS}
METHODS.append((threading.Thread, "__hash__", _hash))
METHODS += futures.METHODS
PATCHES: list[tuple[object, str, Any]] = [
    (threading, "excepthook", _hook),
    (threading, "current_thread", _current_thread),
    (threading, "main_thread", _main_thread),
    (threading, "enumerate", _enumerate),
    (threading, "active_count", _active_count),
    (_thread, "_count", _count),
    (_thread, "get_ident", _get_ident),
    (threading, "get_ident", _get_ident),
    *[(module, "get_native_id", _get_native_id) for module in (_thread, threading)
      if hasattr(module, "get_native_id")],
    # The standard library bound these early.
    (_threading_local, "current_thread", _current_thread),
    (reprlib, "get_ident", _get_ident),
    *raw_threads.PATCHES,
    *futures.PATCHES,
]
