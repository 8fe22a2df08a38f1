"""CPython's own file objects, subclassed so that every call on one is an operation.

A call accesses the object's own key, which stands for its buffers; the bytes of the file are accessed only
where the call gets down to the system. It may do so several times (what is in the buffer, then a long
text): each after the first is a step of its own, and others may come in between.
"""

from __future__ import annotations

import io
import os
import weakref
from typing import Any

from schedule_explorer.interposition.context import atomic, virtual
from schedule_explorer.interposition.descriptors import changed, opening, release, touched
from schedule_explorer.interposition.faults import perform_or_fault
from schedule_explorer.interposition.file_calls import Call, Record, run
from schedule_explorer.interposition.file_steps import distinct, stale
from schedule_explorer.interposition.paths import real, world_of
from schedule_explorer.operations import READ, WRITE, Operation
from schedule_explorer.runtime import Execution

_FileIO: Any = io.FileIO
_fstat, _lseek = real["fstat"], real["lseek"]
#: a call that goes down to the system: does the descriptor's offset move, and what happens to the bytes
_SYSTEM: dict[str, tuple[int, int | None]] = {
    "read": (WRITE, READ), "readinto": (WRITE, READ), "write": (WRITE, WRITE), "truncate": (READ, WRITE),
    "seek": (WRITE, None), "tell": (READ, None),
}
_CALLS = ("write", "flush", "close", "truncate", "seek", "tell", "read", "read1", "readinto", "readinto1",
          "readline", "readlines", "peek", "__next__", "detach", "reconfigure", "readable", "writable",
          "seekable", "isatty")


def _record(file: Any) -> Record | None:
    """Return what is known of a file object; None where calls on it are not operations."""
    record: Record | None = file._explorer
    if record is None:
        return None
    execution = virtual()
    return record if execution is record.execution and not execution.ending else None


def _method(base: Any, name: str) -> Any:
    original = getattr(base, name)

    def call(self: Any, *arguments: Any, **options: Any) -> Any:
        record = _record(self)
        if record is None or record.busy_here():
            return original(self, *arguments, **options)
        return run(record, name, lambda: original(self, *arguments, **options))

    call.__name__ = name
    return call


def _system(name: str) -> Any:
    """Interpose a method of `io.FileIO` that is one system call."""
    original = getattr(_FileIO, name)
    own, bytes_ = _SYSTEM[name]

    def call(self: Any, *arguments: Any) -> Any:
        record = _record(self)
        if record is None:
            return original(self, *arguments)
        if not record.busy_here():
            # The program itself calls: come back here within a step. No buffer guards what is below it.
            record.unguarded = record.unguarded or 1
            return run(record, name, lambda: call(self, *arguments))
        if name == "read" and (not arguments or arguments[0] is None or arguments[0] < 0):
            return self.readall()
        if _FileIO.closed.__get__(self):
            # It knows that, and uses no descriptor.
            return original(self, *arguments)
        under_way = record.call
        assert under_way is not None
        under_way.system()
        look = READ if name == "seek" and len(arguments) > 1 and arguments[1] > 1 else bytes_
        accesses = touched(record.execution, record.fd, own, look)
        under_way.accesses += accesses
        result = original(self, *arguments)
        if bytes_ == WRITE:
            changed(record.execution, accesses)
        return result

    call.__name__ = name
    return call


def _readall(self: Any) -> Any:
    record = _record(self)
    if record is None:
        return _FileIO.readall(self)
    if not record.busy_here():
        record.unguarded = record.unguarded or 1
        return run(record, "readall", lambda: _readall(self))
    if _FileIO.closed.__get__(self):
        return _FileIO.readall(self)
    _look_stale(record)
    parts: list[bytes] = []
    while True:
        # The end is found by a read of its own, as in C.
        left = _fstat(record.fd).st_size - _lseek(record.fd, 0, os.SEEK_CUR)
        part = self.read(max(left, 0) + 1)
        if not part:
            return b"".join(parts) if parts else part
        parts.append(part)


def _look_stale(record: Record) -> None:
    """Note that a file object goes down to a descriptor that was closed behind its back."""
    if record.fd not in world_of(record.execution).descriptors:
        stale(record.execution, record.fd)


def _close(self: Any) -> Any:
    record = _record(self)
    if record is None:
        return _FileIO.close(self)
    if not record.busy_here():
        return run(record, "close", lambda: _close(self))
    call = record.call
    assert call is not None
    if not _FileIO.closed.__get__(self) and _FileIO.closefd.__get__(self):
        _look_stale(record)
        world = world_of(record.execution)
        description = world.descriptors.get(record.fd)
        if description is not None and (
            description.locked or description in world.locks.get(description.inode, ())
        ):
            # Others see that the lock is dropped, and what was written before it.
            call.system()
        call.accesses += release(record.execution, record.fd)
    return _FileIO.close(self)


class _Closed:
    """Whether a file object is closed: an operation like the others."""

    def __init__(self, base: Any) -> None:
        self.real = base.closed

    def __get__(self, instance: Any, owner: Any) -> Any:
        if instance is None:
            return self
        record = _record(instance)
        if record is None or record.finalizing or record.looking or record.busy_here():
            return self.real.__get__(instance, type(instance))

        def look(operation: Operation) -> Any:
            operation.opened = (record.gate,) if record.free() else ()
            # One layer asks the next.
            record.looking = True
            try:
                return self.real.__get__(instance, type(instance))
            finally:
                record.looking = False

        return record.execution.step(
            Operation("file.closed", record.name, look, accesses=((record.key, READ),))
        )


def _fileno(base: Any) -> Any:
    original = base.fileno

    def fileno(self: Any) -> Any:
        record = _record(self)
        if record is None or record.busy_here():
            return original(self)

        def look() -> Any:
            if base.closed.__get__(self):
                return original(self)
            # Who asks for it may be C code that reads or writes by itself before the next step.
            call = record.call
            assert call is not None
            accesses = touched(record.execution, record.fd, WRITE, WRITE if record.writable else READ)
            call.accesses += accesses
            return original(self)

        return run(record, "fileno", look)

    return fileno


def _enter(self: Any) -> Any:
    record: Record | None = self._explorer
    if (record is None or not record.fresh) and self.closed:
        raise ValueError("I/O operation on closed file.")
    return self


def _finalizer(base: Any) -> Any:
    def finalize(self: Any) -> None:
        record: Record | None = self._explorer
        if record is None:
            base.__del__(self)
            return
        record.finalizing = True
        try:
            base.__del__(self)
        finally:
            record.finalizing = False

    return finalize


def _repr(base: Any) -> Any:
    def text(self: Any) -> str:
        found: str = base.__repr__(self)
        return found if found.startswith("<_io.") else f"<_io.{found[1:]}"

    return text


def _writelines(self: Any, lines: Any) -> None:
    # The look at it comes first, and is there where no line is written.
    if self.closed:
        raise ValueError("I/O operation on closed file.")
    for line in lines:
        self.write(line)


def _subclass(base: Any, **members: Any) -> Any:
    members = {
        **{name: _method(base, name) for name in _CALLS if hasattr(base, name)},
        "__enter__": _enter, "__exit__": lambda self, *exc: self.close(), "__del__": _finalizer(base),
        "closed": _Closed(base), "fileno": _fileno(base), "writelines": _writelines, "_explorer": None,
        "__module__": "_io", "__repr__": _repr(base), **members,
    }
    return type(base.__name__, (base,), members)


# -- the file under the buffers ------------------------------------------------------------------------------


def _open_raw(self: Any, file: Any, mode: str = "r", closefd: bool = True, opener: Any = None) -> None:
    """Open a path in one step; take over a descriptor in another."""
    execution = virtual()
    if execution is None or execution.ending:
        _FileIO.__init__(self, file, mode, closefd, opener)
        return
    if isinstance(file, int):

        def take(operation: Operation) -> None:
            operation.accesses = distinct(touched(execution, file, WRITE, READ if "a" in mode else None))
            _FileIO.__init__(self, file, mode, closefd)

        execution.step(Operation("fdopen", "descriptor", take, steady=False))
    else:
        _open_path(execution, self, file, mode, closefd, opener)
    fd = _FileIO.fileno(self)
    name = "descriptor" if isinstance(file, int) else os.fsdecode(file)
    self._explorer = Record(execution, fd, name, _FileIO.writable(self))
    keep(execution, self)


def _open_path(execution: Execution, self: Any, file: Any, mode: str, closefd: bool, opener: Any) -> None:
    made: list[int] = []

    def end_of(operation: Operation) -> None:
        # CPython looks for the end at once.
        operation.accesses = distinct([*operation.accesses, *touched(execution, made[0], WRITE, READ)])

    def perform(path: Any, flags: int, operation: Operation) -> None:
        made.append(opening(execution, operation, path, flags, 0o666, None))
        if "a" in mode:
            end_of(operation)

    def open_it(path: Any, flags: int) -> int:
        if opener is None:
            target = os.fsdecode(path)
            perform_or_fault(execution, "open", target, lambda op: perform(path, flags, op))
        else:
            made.append(opener(path, flags))
            if "a" in mode:
                with atomic(execution):
                    execution.step(Operation("seek", "descriptor", end_of, steady=False))
        return made[0]

    try:
        _FileIO.__init__(self, file, mode, closefd, open_it)
    except BaseException:
        if made:
            # CPython has closed it: a directory, for one.
            release(execution, made[0])
        raise


def keep(execution: Execution, file: Any) -> None:
    """Close a file object for real at the end of the execution, before its number can belong to another."""
    files = world_of(execution).files
    if not files:
        execution.at_end.append(lambda: _close_files(files))
    files.append(weakref.ref(file))


def _close_files(files: list[Any]) -> None:
    for reference in reversed(files):
        file = reference()
        if file is not None:
            try:
                file.close()
            except (OSError, ValueError):
                pass
    files.clear()


def wrapped(execution: Execution, raw: Any, buffering: int, mode: str, text: tuple[Any, ...] | None) -> Any:
    """Put a buffer around a raw file, and a text layer when `text` is (encoding, errors, newline, lines)."""
    record: Record = raw._explorer
    result = raw
    # Making a layer looks where the offset is: that belongs to the step before.
    record.call = Call(record, lambda: None)
    try:
        kind = Random if "+" in mode else Reader if "r" in mode else Writer
        result = kind(raw, buffering)
        result._explorer = record
        raw._explorer_layer = weakref.ref(result)
        record.unguarded = 0
        if text is not None:
            record.unguarded = 1
            buffer, result = result, Text(result, *text)
            result._explorer = record
            buffer._explorer_layer = weakref.ref(result)
            result.mode = mode
        return result
    except BaseException:
        record.call = None
        result.close()
        raise
    finally:
        record.call = None
        keep(execution, result)


Text = _subclass(io.TextIOWrapper)
Reader, Writer, Random = (_subclass(c) for c in (io.BufferedReader, io.BufferedWriter, io.BufferedRandom))
RawFile = _subclass(
    io.FileIO, **{name: _system(name) for name in _SYSTEM}, readall=_readall, close=_close, __init__=_open_raw
)


class _Standing(type):
    """Stands for `io.FileIO`: files that were open before are instances too."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, _FileIO)

    def __subclasscheck__(cls, subclass: Any) -> bool:
        return issubclass(subclass, _FileIO)


FileIO = _Standing("FileIO", (RawFile,), {"__module__": "_io"})
