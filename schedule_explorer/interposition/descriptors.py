"""os: opening, and reading, writing and closing descriptors, as operations.

A descriptor made in an execution has a number that depends on its thread and on what that thread has opened
and closed itself, so it is the same in equivalent executions; a number is used again only after the
thread that opened it has closed it.
"""

from __future__ import annotations

import fcntl
import heapq
import os
import posix
import resource
import stat as stats
from _thread import get_ident
from typing import Any

from schedule_explorer.interposition import context
from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.file_steps import BASE, distinct, is_path, refuse, stale, step
from schedule_explorer.interposition.paths import UMASK, Place, born, content, inode_id, real, world_of
from schedule_explorer.operations import READ, WRITE, Access, Key, Operation
from schedule_explorer.runtime import Execution

#: how many threads have numbers of their own
_THREADS = 16
_TEMPORARY = getattr(os, "O_TMPFILE", 0)

_real_fcntl: Any = fcntl.fcntl


class Description:
    """An open file: what all duplicates of one descriptor share.

    Attributes:
        number: the first descriptor; the offset belongs to its key.
        inode: name of the file.
        regular: whether it has content.
        users: how many descriptors there are.
        locked: whether it may hold locks of its own (``F_OFD_SETLK``).
    """

    __slots__ = ("inode", "locked", "number", "regular", "users")

    def __init__(self, number: int, inode: Key, regular: bool) -> None:
        self.number = number
        self.inode = inode
        self.regular = regular
        self.users = 1
        self.locked = False


def _opened(execution: Execution) -> dict[int, Description]:
    """Return the descriptors that the program has open."""
    world = world_of(execution)
    if not world.closing:
        world.closing = True
        execution.at_end.append(lambda: _close_all(world.descriptors))
    return world.descriptors


def _close_all(descriptors: dict[int, Description]) -> None:
    for fd in sorted(descriptors):
        try:
            real["close"](fd)
        except OSError:
            pass
    descriptors.clear()


_limit: list[int] = []


def _room() -> int:
    """Return the end of the numbers that can be used; make room for them once."""
    if not _limit:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < 1024 and (hard == resource.RLIM_INFINITY or hard > soft):
            soft = 1024 if hard == resource.RLIM_INFINITY else min(hard, 1024)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        _limit.append(soft)
    return _limit[0]


def canonical(execution: Execution, fd: int) -> int:
    """Give a descriptor that was just made its number."""
    thread = execution.current
    tid = thread.tid if thread is not None else 0
    slots = world_of(execution).slots.setdefault(tid, [0])
    # slots[0] counts those ever used; the rest is a heap of free ones
    free = slots[1:]
    if free:
        heapq.heapify(free)
        slot = heapq.heappop(free)
        slots[1:] = free
    else:
        slot = slots[0]
        slots[0] += 1
    number = BASE + tid % _THREADS + _THREADS * slot
    if number >= _room():
        return fd
    moved: int = _real_fcntl(fd, fcntl.F_DUPFD_CLOEXEC, number)
    real["close"](fd)
    return moved


def adopt(execution: Execution, fd: int, status: os.stat_result) -> Description:
    """Keep a new descriptor."""
    descriptions = _opened(execution)
    made = Description(fd, inode_id(execution, status), stats.S_ISREG(status.st_mode))
    descriptions[fd] = made
    return made


def release(execution: Execution, fd: int) -> list[Access]:
    """Forget a descriptor that is about to be closed, and say what that writes."""
    world = world_of(execution)
    description = world.descriptors.pop(fd, None)
    accesses: list[Access] = [(("descriptor", fd), WRITE)]
    if description is None:
        return accesses
    description.users -= 1
    holders = world.locks.get(description.inode)
    held = holders is not None and not description.users and holders.pop(description, None) is not None
    if held or (description.locked and not description.users):
        accesses.append((("flock", description.inode), WRITE))
    thread = execution.current
    if fd >= BASE and thread is not None and (fd - BASE) % _THREADS == thread.tid % _THREADS:
        slots = world.slots.get(thread.tid)
        if slots is not None and (fd - BASE) // _THREADS < slots[0]:
            slots.append((fd - BASE) // _THREADS)
    return accesses


def opening(
    execution: Execution, operation: Operation, path: Any, flags: int, mode: int, dir_fd: int | None
) -> int:
    """Open for real within one operation, and say what that touched."""
    world = world_of(execution)
    exclusive = flags & os.O_CREAT and flags & os.O_EXCL
    place = Place(execution, path, dir_fd, not (exclusive or flags & os.O_NOFOLLOW))
    reads = place.entry(READ)
    status = place.status
    if status is not None:
        reads = [*reads, (("mode", world.inode(status)), READ)]
        if stats.S_ISFIFO(status.st_mode):
            refuse("open of a named pipe")
    operation.accesses = distinct(reads)
    fd: int = real["open"](path, flags, mode, dir_fd=dir_fd)
    found = real["fstat"](fd)
    fd = canonical(execution, fd)
    own: Access = (("descriptor", fd), WRITE)
    if _TEMPORARY and flags & _TEMPORARY == _TEMPORARY:
        born(execution, found)
        operation.accesses = distinct([*reads, own, (UMASK, READ)])
    elif status is None:
        born(execution, found)
        operation.accesses = distinct([*place.changed(), own, (UMASK, READ)])
    elif flags & os.O_TRUNC and stats.S_ISREG(found.st_mode):
        inode = world.inode(found)
        operation.accesses = distinct([*reads, own, (("content", inode), WRITE)])
        world.written(execution, inode)
    else:
        operation.accesses = distinct([*reads, own])
    adopt(execution, fd, found)
    return fd


def _os_open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
    execution = virtual()
    if execution is None or not is_path(path):
        return real["open"](path, flags, mode, dir_fd=dir_fd)  # type: ignore[no-any-return]
    return step(  # type: ignore[no-any-return]
        "open", path, lambda op: opening(execution, op, path, flags, mode, dir_fd), execution
    )


# -- calls on descriptors ----------------------------------------------------------------------------------


def controlled(execution: Execution, fd: Any) -> bool:
    """Say whether calls on a descriptor are operations: not on what was there before, unless it is a file."""
    if not isinstance(fd, int):
        return False
    if fd >= BASE or fd in world_of(execution).descriptors:
        return True
    try:
        return stats.S_ISREG(real["fstat"](fd).st_mode)
    except OSError:
        return True


def touched(execution: Execution, fd: int, own: int, bytes_: int | None) -> list[Access]:
    """Access a descriptor, with the offset when `own` is WRITE, and the bytes of its file."""
    accesses: list[Access] = [(("descriptor", fd), own)]
    description = world_of(execution).descriptors.get(fd)
    if description is not None:
        if description.number != fd:
            accesses.append((("descriptor", description.number), own))
        if description.regular and bytes_ is not None:
            accesses.append((("content", description.inode), bytes_))
    else:
        try:
            status = real["fstat"](fd)
        except OSError:
            stale(execution, fd)
            return accesses
        if bytes_ is None:
            return accesses
        if stats.S_ISREG(status.st_mode):
            accesses.append((content(execution, status), bytes_))
    return accesses


def changed(execution: Execution, accesses: list[Access]) -> None:
    """Note the time of a change of content."""
    for key, mode in accesses:
        if mode == WRITE and isinstance(key, tuple) and key[0] == "content":
            world_of(execution).written(execution, key[1])


def _on_descriptor(name: str, own: int, bytes_: int | None) -> Any:
    """Interpose a call whose first argument is a descriptor."""

    def call(fd: Any, *arguments: Any, **options: Any) -> Any:
        execution = virtual()
        if execution is None or not controlled(execution, fd):
            return real[name](fd, *arguments, **options)

        def perform(operation: Operation) -> Any:
            accesses = touched(execution, fd, own, bytes_)
            operation.accesses = distinct(accesses)
            result = real[name](fd, *arguments, **options)
            if bytes_ == WRITE:
                changed(execution, accesses)
            return result

        return step(name, fd, perform, execution)

    call.__name__ = name
    return call


def _late(fd: Any) -> bool:
    """Say whether a finalizer closes a descriptor of an execution that is over, or ends.

    It was closed then, or is about to be, and its number may be another file's by now. Called where no
    virtual thread is. Nobody else comes here with such a number: the name is interposed for the length of an
    exploration only.
    """
    return isinstance(fd, int) and fd >= BASE and context._exploring_thread in (-1, get_ident())


def _close(fd: Any) -> None:
    execution = virtual()
    if execution is None and _late(fd):
        return None
    if execution is None or not controlled(execution, fd):
        return real["close"](fd)  # type: ignore[no-any-return]

    def perform(operation: Operation) -> None:
        accesses = touched(execution, fd, READ, None)
        operation.accesses = distinct([*accesses, *release(execution, fd)])
        real["close"](fd)

    return step("close", fd, perform, execution)  # type: ignore[no-any-return]


def _closerange(low: int, high: int) -> None:
    execution = virtual()
    if execution is None:
        real["closerange"](low, high)
        return
    for fd in sorted(_opened(execution)):
        if low <= fd < high:
            try:
                os.close(fd)
            except OSError:
                pass
    real["closerange"](low, min(high, BASE))


def _between(name: str) -> Any:
    """Interpose a call that copies from one descriptor to another; sendfile names the target first."""

    def call(first: Any, second: Any, *arguments: Any, **options: Any) -> Any:
        execution = virtual()
        if execution is None or not (controlled(execution, first) or controlled(execution, second)):
            return real[name](first, second, *arguments, **options)
        target, source = (first, second) if name == "sendfile" else (second, first)

        def perform(operation: Operation) -> Any:
            accesses = [*touched(execution, source, WRITE, READ), *touched(execution, target, WRITE, WRITE)]
            operation.accesses = distinct(accesses)
            result = real[name](first, second, *arguments, **options)
            changed(execution, accesses)
            return result

        return step(name, first, perform, execution)

    call.__name__ = name
    return call


def duplicate(execution: Execution, operation: Operation, fd: int, fresh: int) -> None:
    """Keep `fresh`, which has just become a duplicate of `fd`."""
    table = _opened(execution)
    description = table.get(fd)
    if description is None:
        description = adopt(execution, fresh, real["fstat"](fresh))
        description.number = fd
    elif fresh not in table:
        description.users += 1
        table[fresh] = description
    operation.accesses = distinct([*operation.accesses, (("descriptor", fresh), WRITE)])


def _dup(fd: Any) -> int:
    execution = virtual()
    if execution is None or not controlled(execution, fd):
        return real["dup"](fd)  # type: ignore[no-any-return]

    def perform(operation: Operation) -> int:
        operation.accesses = distinct(touched(execution, fd, READ, None))
        fresh = canonical(execution, real["dup"](fd))
        duplicate(execution, operation, fd, fresh)
        return fresh

    return step("dup", fd, perform, execution)  # type: ignore[no-any-return]


def _dup2(fd: Any, fd2: Any, inheritable: bool = True) -> int:
    execution = virtual()
    if execution is None or not (controlled(execution, fd) or controlled(execution, fd2)):
        return real["dup2"](fd, fd2, inheritable)  # type: ignore[no-any-return]

    def perform(operation: Operation) -> int:
        operation.accesses = distinct(touched(execution, fd, READ, None))
        fresh: int = real["dup2"](fd, fd2, inheritable)
        if fd != fd2:
            operation.accesses = distinct([*operation.accesses, *release(execution, fd2)])
            duplicate(execution, operation, fd, fresh)
        return fresh

    return step("dup2", fd, perform, execution)  # type: ignore[no-any-return]


PATCHES: list[tuple[object, str, Any]] = [
    (os, "open", _os_open),
    (os, "close", _close),
    (os, "closerange", _closerange),
    (os, "dup", _dup),
    (os, "dup2", _dup2),
]
#: name: how the descriptor is accessed (WRITE where the offset moves), and how the bytes are
_CALLS: dict[str, tuple[int, int | None]] = {
    "write": (WRITE, WRITE), "writev": (WRITE, WRITE), "pwrite": (READ, WRITE), "pwritev": (READ, WRITE),
    "read": (WRITE, READ), "readv": (WRITE, READ), "pread": (READ, READ), "preadv": (READ, READ),
    "lseek": (WRITE, READ), "fsync": (READ, READ), "fdatasync": (READ, READ),
    "posix_fallocate": (READ, WRITE),
    "isatty": (READ, None), "get_inheritable": (READ, None), "set_inheritable": (WRITE, None),
    "get_blocking": (READ, None), "set_blocking": (WRITE, None),
}
PATCHES += [(os, _name, _on_descriptor(_name, *_modes)) for _name, _modes in _CALLS.items() if _name in real]
for _name in ("sendfile", "copy_file_range", "splice"):
    if _name in real:
        PATCHES.append((os, _name, _between(_name)))
if hasattr(posix, "_fcopyfile"):
    # What shutil copies with on macOS.
    real["_fcopyfile"] = posix._fcopyfile
    PATCHES.append((posix, "_fcopyfile", _between("_fcopyfile")))
