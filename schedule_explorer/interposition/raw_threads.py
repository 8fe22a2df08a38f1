"""_thread.start_new_thread: what old code starts is a virtual thread too."""

from __future__ import annotations

import _thread
import threading
from typing import Any

from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.thread_state import STARTED, ends_thread, forget_locals
from schedule_explorer.operations import ADD, Operation

_real_start: Any = _thread.start_new_thread


def _start_new_thread(function: Any, args: Any, kwargs: Any = None) -> int:
    execution = virtual()
    if execution is None:
        return _real_start(function, args) if kwargs is None else _real_start(function, args, kwargs)  # type: ignore[no-any-return]
    if not callable(function):
        raise TypeError("first arg must be callable")
    if not isinstance(args, tuple):
        raise TypeError("2nd arg must be a tuple")
    if kwargs is not None and not isinstance(kwargs, dict):
        raise TypeError("optional 3rd arg must be a dictionary")

    def run() -> None:
        try:
            function(*args, **(kwargs or {}))
        except KeyboardInterrupt as error:
            failure = ends_thread(error)
            if failure is None:
                raise  # Ctrl-C
            raise failure from error
        finally:
            forget_locals(execution)

    name = getattr(function, "__name__", "thread")

    def perform(operation: Operation) -> int:
        spawned = execution.spawn(execution.current, name, run)
        # Such threads do not keep a program from ending.
        spawned.daemon = True
        return spawned.ident

    return execution.step(Operation("thread.start", name, perform, accesses=((STARTED, ADD),)))  # type: ignore[no-any-return]


PATCHES: list[tuple[object, str, Any]] = [
    (_thread, "start_new_thread", _start_new_thread),
    (_thread, "start_new", _start_new_thread),
    (threading, "_start_new_thread", _start_new_thread),
]
PATCHES = [patch for patch in PATCHES if hasattr(patch[0], patch[1])]
