"""Real locks that no exploration could find are named when a virtual thread takes one.

A lock made before the exploration is exchanged where it can be found (see `global_locks`). One that only a
slot holds, or a container within another one, stays real. All virtual threads share one OS thread, so a real
RLock would let all of them in, and a real Lock would order nothing: what is proved of such a program would be
worth nothing. The methods are exchanged in the dictionaries of the types themselves, as in `dates`, so that
every such lock is seen, wherever it is kept. The same holds for a `queue.SimpleQueue`.

Who calls decides. Code of the program, also through a standard class that was handed the lock, gets an error.
Other code of the standard library takes locks of its own, which order nothing that a program sees, as long as
no step is made while one is held: that is an error too. Within a region that runs as one step anyway
(`stdlib_locks`) nothing is looked at.

Known limit: a bound method that was looked up before the exploration (``acquire = lock.acquire``) and is
kept in a container is called without a look at the type.
"""

from __future__ import annotations

import ctypes
import gc
import linecache
import os
import queue
import sys
import sysconfig
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from schedule_explorer.errors import UncontrolledBlockingError
from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.mutexes import LockType, RLockType
from schedule_explorer.runtime import Execution

_PROGRAM, _STANDARD, _PASSES, _OWN = range(4)
_LIBRARY = sysconfig.get_path("stdlib") + os.sep
_PACKAGES = (os.sep + "site-packages" + os.sep, os.sep + "dist-packages" + os.sep)
#: modules whose classes take a lock that the program has handed to them, or made by making an instance
_PASSING = ("contextlib", "queue", "concurrent")
_PASSING_CLASSES = ("Condition.", "Semaphore.", "BoundedSemaphore.", "Event.", "Barrier.")
#: by code, who calls
_CALLERS: dict[CodeType, int] = {}


def _caller(frame: FrameType) -> int:
    code = frame.f_code
    known = _CALLERS.get(code)
    if known is None:
        known = _CALLERS[code] = _classify(code, str(frame.f_globals.get("__name__")))
    return known


def _classify(code: CodeType, module: str) -> int:
    path = code.co_filename
    if module.startswith("schedule_explorer.") and ".targets." not in module:
        return _OWN
    standard = path.startswith((_LIBRARY, "<frozen ")) and not any(part in path for part in _PACKAGES)
    if not standard:
        return _PROGRAM
    if module == "threading":
        return _PASSES if code.co_qualname.startswith(_PASSING_CLASSES) else _STANDARD
    return _PASSES if module.partition(".")[0] in _PASSING else _STANDARD


def _on_behalf_of(frame: FrameType | None) -> tuple[int, FrameType | None]:
    """Say whose call this is, and where that was made; `frame` is the one that calls."""
    while frame is not None:
        caller = _caller(frame)
        if caller != _PASSES:
            return caller, frame
        frame = frame.f_back
    return _STANDARD, None


def _site(frame: FrameType | None) -> str:
    if frame is None:
        return "an unknown line"
    path, line = frame.f_code.co_filename, frame.f_lineno
    text = linecache.getline(path, line).strip()
    return f"{path}:{line} ({frame.f_code.co_name})" + (f" in `{text}`" if text else "")


def _refused(execution: Execution, what: str, frame: FrameType | None) -> UncontrolledBlockingError:
    thread = execution.current
    return execution.stop(UncontrolledBlockingError(
        f"{'an oracle' if thread is None else thread.name} uses a real {what} at {_site(frame)}: it was made "
        "before the exploration, which did not find it (or found it held), and orders no virtual threads. "
        "Make it in the body, in a module global or in a class attribute"
    ))


def _taking(kind: Any, name: str, original: Any) -> Callable[..., Any]:
    """Return what stands for a method that acquires."""

    def take(self: Any, *arguments: Any, **options: Any) -> Any:
        execution = virtual()
        if execution is None or execution.ending:
            return original(self, *arguments, **options)
        caller, frame = _on_behalf_of(sys._getframe(1))
        if caller == _PROGRAM:
            raise _refused(execution, kind.__name__, frame)
        got = original(self, *arguments, **options)
        thread = execution.current
        if got and caller == _STANDARD and thread is not None and (thread.held or not thread.atomic):
            thread.held.append((self, _site_of(frame)))
            thread.atomic += 1
        return got

    take.__name__ = name
    return take


def _site_of(frame: FrameType | None) -> tuple[CodeType, int] | None:
    return None if frame is None else (frame.f_code, frame.f_lineno)


def _dropping(kind: Any, name: str, original: Any) -> Callable[..., Any]:
    """Return what stands for a method that releases."""

    def drop(self: Any, *arguments: Any) -> Any:
        execution = virtual()
        if execution is not None and not execution.ending:
            caller, frame = _on_behalf_of(sys._getframe(1))
            if caller == _PROGRAM:
                raise _refused(execution, kind.__name__, frame)
        result = original(self, *arguments)
        if execution is not None and execution.current is not None:
            thread = execution.current
            held = thread.held
            for place in range(len(held) - 1, -1, -1):
                if held[place][0] is self:
                    del held[place]
                    thread.atomic -= 1
                    break
        return result

    drop.__name__ = name
    return drop


def _using(kind: Any, name: str, original: Any) -> Callable[..., Any]:
    """Return what stands for a method of a simple queue, or one that looks at a lock."""

    def call(self: Any, *arguments: Any, **options: Any) -> Any:
        execution = virtual()
        if execution is not None and not execution.ending:
            caller, frame = _on_behalf_of(sys._getframe(1))
            if caller == _PROGRAM:
                raise _refused(execution, kind.__name__, frame)
        return original(self, *arguments, **options)

    call.__name__ = name
    return call


_TAKE, _DROP = ("acquire", "acquire_lock", "__enter__"), ("release", "release_lock", "__exit__")
_USE = ("put", "put_nowait", "get", "get_nowait", "qsize", "empty", "locked", "locked_lock")
#: of each type, its own dictionary, which `setattr` refuses to change
_DICTIONARIES: dict[Any, dict[str, Any]] = {
    kind: gc.get_referents(vars(kind))[0] for kind in (LockType, RLockType, queue.SimpleQueue)
    if kind.__flags__ & (1 << 9)  # made from a specification, in C as well: its dictionary is its own
}
_originals: dict[Any, dict[str, Any]] = {
    kind: {name: held[name] for name in (*_TAKE, *_DROP, *_USE) if name in held}
    for kind, held in _DICTIONARIES.items()
}


def _stand(kind: Any, name: str, original: Any) -> Callable[..., Any]:
    make = _taking if name in _TAKE else _dropping if name in _DROP else _using
    return make(kind, name, original)


_STANDS: dict[Any, dict[str, Any]] = {
    kind: {name: _stand(kind, name, original) for name, original in methods.items()}
    for kind, methods in _originals.items()
}


def _exchange(methods: dict[Any, dict[str, Any]]) -> None:
    for kind, named in methods.items():
        _DICTIONARIES[kind].update(named)
        ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))


def install() -> None:
    """Look at every real lock that is taken."""
    _exchange(_STANDS)


def undo() -> None:
    """Let them be taken as they were."""
    _exchange(_originals)
