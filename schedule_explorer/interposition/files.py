"""Descriptors and file objects: open, read, write, flush and close as operations."""

from __future__ import annotations

import builtins
import io
import os
import stat as stats
from collections.abc import Callable
from typing import Any

from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.filesystem import Place, born, content, followed, real, step
from schedule_explorer.operations import READ, WRITE, Operation
from schedule_explorer.runtime import Execution

_real_open = io.open


def _opened(execution: Execution) -> set[int]:
    found = execution.state.get("descriptors")
    if found is None:
        found = execution.state["descriptors"] = set()
        execution.at_end.append(lambda: _close_all(found))
    descriptors: set[int] = found
    return descriptors


def _close_all(descriptors: set[int]) -> None:
    for fd in sorted(descriptors):
        try:
            real["close"](fd)
        except OSError:
            pass


def _opening(
    execution: Execution, operation: Operation, path: Any, flags: int, mode: int, dir_fd: int | None
) -> int:
    """Open for real within one operation, and say what that touched."""
    place = Place(execution, path, dir_fd)
    operation.accesses = tuple(followed(execution, path, place))
    fd: int = real["open"](path, flags, mode, dir_fd=dir_fd)
    status = real["fstat"](fd)
    if place.status is None and flags & os.O_CREAT:
        born(execution, status)
        operation.accesses = (*place.changed(), (content(execution, status), WRITE))
    elif flags & os.O_TRUNC:
        operation.accesses = (*operation.accesses, (content(execution, status), WRITE))
    _opened(execution).add(fd)
    return fd


def _os_open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
    execution = virtual()
    if execution is None:
        fd: int = real["open"](path, flags, mode, dir_fd=dir_fd)
        return fd
    fd = step("open", path, lambda op: _opening(execution, op, path, flags, mode, dir_fd), execution)
    return fd


def _on_descriptor(name: str, mode: int) -> Any:
    """Interpose a call whose first argument is a descriptor of a regular file."""

    def call(fd: int, *arguments: Any) -> Any:
        execution = virtual()
        if execution is None or fd not in _opened(execution):
            return real[name](fd, *arguments)

        def perform(operation: Operation) -> Any:
            status = real["fstat"](fd)
            key = ("descriptor", fd)
            if stats.S_ISREG(status.st_mode) and name != "close":
                operation.accesses = ((content(execution, status), mode), (key, WRITE))
            if name == "close":
                _opened(execution).discard(fd)
            return real[name](fd, *arguments)

        return step(name, fd, perform, execution)

    call.__name__ = name
    return call


def _method(name: str, base: Any, mode: int) -> Callable[..., Any]:
    original = getattr(base, name)

    def call(self: Any, *arguments: Any, **options: Any) -> Any:
        execution = virtual()
        if execution is None or execution.ending or self.closed or self._explorer_key is None:
            return original(self, *arguments, **options)
        thread = execution.current
        if thread is not None and thread.atomic:
            return original(self, *arguments, **options)

        def perform(operation: Operation) -> Any:
            operation.accesses = ((self._explorer_key, mode), (("file", self._explorer_fd), WRITE))
            if name == "close":
                _opened(execution).discard(self._explorer_fd)
            assert thread is not None
            # The C object must not be left in the middle: what it calls belongs to this step.
            thread.atomic += 1
            try:
                return original(self, *arguments, **options)
            finally:
                thread.atomic -= 1

        return step(f"file.{name}", self._explorer_name, perform, execution)

    call.__name__ = name
    return call


_MODES = {"write": WRITE, "writelines": WRITE, "flush": WRITE, "close": WRITE, "truncate": WRITE,
          "seek": WRITE, "read": READ, "readline": READ, "readlines": READ, "readinto": READ,
          "__next__": READ, "__exit__": WRITE}


def _subclass(base: Any) -> Any:
    methods: dict[str, Any] = {
        name: _method(name, base, mode) for name, mode in _MODES.items() if hasattr(base, name)
    }
    methods["__exit__"] = lambda self, *exc: self.close()
    methods["_explorer_key"] = None
    return type(base.__name__, (base,), methods)


_TextFile = _subclass(io.TextIOWrapper)
_Buffered = {cls: _subclass(cls) for cls in (io.BufferedReader, io.BufferedWriter, io.BufferedRandom)}
_RawFile = _subclass(io.FileIO)
_CREATE = os.O_WRONLY | os.O_CREAT
_FLAGS = {"r": os.O_RDONLY, "w": _CREATE | os.O_TRUNC, "a": _CREATE | os.O_APPEND, "x": _CREATE | os.O_EXCL}


def _open(file: Any, mode: str = "r", buffering: int = -1, encoding: str | None = None,
          errors: str | None = None, newline: str | None = None, closefd: bool = True,
          opener: Any = None) -> Any:
    execution = virtual()
    kinds = set(mode) & set("rwax")
    if execution is None or isinstance(file, int) or opener is not None or len(kinds) != 1:
        return _real_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
    if execution.ending:
        raise OSError("the execution is over")
    flags = _FLAGS[kinds.pop()] | os.O_CLOEXEC
    if "+" in mode:
        flags = flags & ~os.O_WRONLY | os.O_RDWR
    # Real argument checks first, with the real messages.
    _real_open(os.devnull, mode.replace("x", "w"), buffering, encoding, errors, newline).close()
    fd: int = step("open", file, lambda op: _opening(execution, op, file, flags, 0o666, None), execution)
    key = content(execution, real["fstat"](fd))
    raw = _RawFile(fd, mode.replace("b", "").replace("t", "").replace("x", "w"), closefd=True)
    if buffering == 0:
        result = raw
    else:
        base: Any = io.BufferedReader if "r" in mode else io.BufferedWriter
        base = io.BufferedRandom if "+" in mode else base
        result = _Buffered[base](raw, buffering if buffering > 1 else io.DEFAULT_BUFFER_SIZE)
        if "b" not in mode:
            result._explorer_key = None
            result = _TextFile(result, encoding, errors, newline, buffering == 1)
            result.mode = mode
    result._explorer_key, result._explorer_fd, result._explorer_name = key, fd, os.fsdecode(file)
    return result


PATCHES: list[tuple[object, str, Any]] = [
    (os, "open", _os_open),
    (os, "close", _on_descriptor("close", WRITE)),
    (os, "write", _on_descriptor("write", WRITE)),
    (os, "read", _on_descriptor("read", READ)),
    (os, "fsync", _on_descriptor("fsync", READ)),
    (os, "ftruncate", _on_descriptor("ftruncate", WRITE)),
    (io, "open", _open),
    (builtins, "open", _open),
]

