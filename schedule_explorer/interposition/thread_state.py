"""What the threads of an execution are to `threading`: objects, numbers, and who has been started."""

from __future__ import annotations

import _thread
import opcode
import threading
from typing import Any

from schedule_explorer.interposition.locals import forget_thread
from schedule_explorer.operations import ADD, WRITE, Accesses, Gate, Key
from schedule_explorer.runtime import Execution, VirtualThread

#: added to by every start of a thread, read by whoever asks which threads there are
STARTED: Key = ("threads", "started")
#: default names count on from here in a thread that is not the first one, times its number
_APART = 1000

_get_ident = _thread.get_ident
_RAISE = opcode.opmap["RAISE_VARARGS"]


class Started:
    """Stands for ``Thread._started`` of a virtual thread.

    Arguments:
        thread: the `threading.Thread`.
    """

    __slots__ = ("_thread",)

    def __init__(self, thread: Any) -> None:
        self._thread = thread

    def is_set(self) -> bool:
        """Say whether it was started."""
        return "_explorer_thread" in self._thread.__dict__

    def set(self) -> None:
        """Nothing to do: starting has set it."""


class Handle:
    """Stands for ``Thread._handle``, which Python 3.13 asks once the exploration is over."""

    __slots__ = ("_thread",)

    def __init__(self, thread: Any) -> None:
        self._thread = thread

    def is_done(self) -> bool:
        """Say whether it has ended."""
        found = self._thread.__dict__.get("_explorer_thread")
        return found is not None and found.finished

    def join(self, timeout: float | None = None) -> None:
        """Return at once: its execution is over."""


def virtual_of(execution: Execution, thread: Any) -> VirtualThread | None:
    """Return the virtual thread that `thread` is in this execution."""
    found: VirtualThread | None = thread.__dict__.get("_explorer_thread")
    if found is not None:
        return found if execution.by_tid.get(found.tid) is found else None
    return execution.threads[0] if thread is root_thread() else None


def root_thread() -> threading.Thread:
    """Return the thread object of the body: that of the thread which explores."""
    active: dict[int, threading.Thread] = threading._active  # type: ignore[attr-defined]
    found = active.get(_get_ident())
    return found if found is not None else threading._main_thread  # type: ignore[attr-defined]


def python_thread_of(execution: Execution, thread: VirtualThread) -> threading.Thread:
    """Return the thread object of a virtual thread; one that has none gets a dummy, as in CPython."""
    if thread.python_thread is None:
        thread.python_thread = root_thread() if not thread.path else Dummy(execution, thread)
    found: threading.Thread = thread.python_thread
    return found


class Dummy(threading._DummyThread):
    """The thread object of a thread that was not started through `threading`."""

    def __init__(self, execution: Execution, thread: VirtualThread) -> None:
        self.__dict__.update(_explorer_thread=thread, _explorer_hash=hash(thread.path))
        # Named after who asks: the thread itself, or another that lists it.
        threading.Thread.__init__(self, name=f"Dummy-{thread.tid}", daemon=True)

    def is_alive(self) -> bool:
        """Say whether it runs."""
        return threading.Thread.is_alive(self)

    def join(self, timeout: float | None = None) -> None:
        """Refuse, as the real one does."""
        raise RuntimeError("cannot join a dummy thread")


def number(execution: Execution, what: str) -> int:
    """Count from 1 in the first thread, and apart from that in every other.

    A single count would be a race: the names of threads would depend on who made one first.
    """
    counts: dict[int, int] = execution.state.setdefault(what, {})
    tid = execution.current.tid if execution.current is not None else 0
    if not tid and what == "threads":
        return int(threading._counter())  # type: ignore[attr-defined]  # which begins anew in every execution
    counts[tid] = counts.get(tid, 0) + 1
    return counts[tid] + _APART * tid


def forget_locals(execution: Execution) -> None:
    """Let go of what the present thread kept in thread-local objects; its last act but for its end."""
    thread = execution.current
    if thread is not None and "locals" in execution.state:
        forget_thread(execution, thread.path)


def ends_thread(error: BaseException) -> BaseException | None:
    """Return what a thread fails with that `error` ends: another error, where that is no `Exception`.

    A `KeyboardInterrupt` that the program raised ends that thread alone, as any error does. Ctrl-C may come
    at any other instruction, and is to end the exploration: None.
    """
    if isinstance(error, Exception):
        return error
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None or traceback.tb_frame.f_code.co_code[traceback.tb_lasti] != _RAISE:
        return None
    failure = RuntimeError(f"a thread raised {type(error).__name__}, which ends that thread alone")
    return failure.with_traceback(error.__traceback__)


def start_key(thread: Any) -> Key:
    """Return what the start of a thread object writes; one that was not made in the body shares `STARTED`."""
    found: Key = thread.__dict__.get("_explorer_key", STARTED)
    return found


def start_gate(thread: Any) -> Gate:
    """Return what a `join` goes through at once, with an error, as long as the thread has not started."""
    return start_key(thread), "not started"


def starting(thread: Any) -> Accesses:
    """Return what the start of a thread object touches, at most."""
    key = start_key(thread)
    return ((STARTED, WRITE),) if key is STARTED else ((key, WRITE), (STARTED, ADD))
