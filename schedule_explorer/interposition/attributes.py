"""os: what is known about a file besides its bytes, read and changed as operations.

Three things are not the machine's own, because they differ from run to run and no program should depend on
them: inode numbers of what an execution made are small and the same in every execution; times are the
virtual time of the thread that made the change; a directory always has the size and the number of links
of a small one, and the times of its making.
"""

from __future__ import annotations

import fcntl
import os
import stat as stats
import sys
from typing import Any

from schedule_explorer.interposition.clock import EPOCH
from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.file_steps import distinct, is_path, stale, step
from schedule_explorer.interposition.paths import (
    Place,
    World,
    content,
    inode_id,
    real,
    spelled,
    virtual_now,
    world_of,
)
from schedule_explorer.operations import READ, WRITE, Access, Key, Operation
from schedule_explorer.runtime import Execution

_NANOSECONDS = 1_000_000_000
_EPOCH = round(EPOCH * _NANOSECONDS)
_DIRECTORY_SIZE = 4096
#: what else a stat_result has here
_EXTRA = [name for name in ("st_rdev", "st_flags", "st_gen") if hasattr(os.stat("/"), name)]
_BIRTH = hasattr(os.stat("/"), "st_birthtime")


def mask(world: World, status: os.stat_result) -> os.stat_result:
    """Give the times and numbers of this execution instead of the machine's."""
    inode = world.inode(status)
    directory = stats.S_ISDIR(status.st_mode)
    # What was there before the execution is not younger than it.
    before = min(status.st_mtime_ns, _EPOCH)
    accessed, modified, changed = world.times.get(inode) or (before, before, before)
    size = _DIRECTORY_SIZE if directory else status.st_size
    whole = (accessed // _NANOSECONDS, modified // _NANOSECONDS, changed // _NANOSECONDS)
    more: dict[str, Any] = {
        "st_atime": accessed / _NANOSECONDS, "st_mtime": modified / _NANOSECONDS,
        "st_ctime": changed / _NANOSECONDS, "st_atime_ns": accessed, "st_mtime_ns": modified,
        "st_ctime_ns": changed, "st_blksize": 4096, "st_blocks": -(-size // 4096) * 8,
    }
    for name in _EXTRA:
        more[name] = getattr(status, name)
    if _BIRTH:
        more["st_birthtime"] = more["st_mtime"]
    return os.stat_result(
        (
            status.st_mode, inode if isinstance(inode, int) else status.st_ino, status.st_dev,
            min(status.st_nlink, 1) if directory else status.st_nlink, status.st_uid, status.st_gid,
            size, *whole,
        ),
        more,
    )


def of_descriptor(execution: Execution, fd: int) -> list[Access]:
    """Read which file a descriptor is of."""
    accesses: list[Access] = [(("descriptor", fd), READ)]
    try:
        status = real["fstat"](fd)
    except OSError:
        stale(execution, fd)
        return accesses
    if stats.S_ISDIR(status.st_mode):
        accesses.append((("directory", inode_id(execution, status)), READ))
    return accesses


def _looked_at(execution: Execution, status: os.stat_result) -> list[Access]:
    inode = inode_id(execution, status)
    if stats.S_ISREG(status.st_mode):
        return [(("node", inode), READ), (("content", inode), READ)]
    return [(("node", inode), READ)]


def stat(path: Any, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> os.stat_result:
    """As `os.stat`."""
    execution = virtual()
    if execution is None or not (isinstance(path, int) or is_path(path)):
        return real["stat"](path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)  # type: ignore[no-any-return]

    def perform(operation: Operation) -> os.stat_result:
        if isinstance(path, int):
            accesses = of_descriptor(execution, path)
            operation.accesses = distinct(accesses)
            status = real["stat"](path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
        else:
            place = Place(execution, path, dir_fd, follow_symlinks)
            accesses = place.entry(READ)
            operation.accesses = distinct(accesses)
            # The real call says what is wrong in its own words.
            status = place.status or real["stat"](path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
            if place.text.endswith(("/", "/.")):
                status = real["stat"](path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
        operation.accesses = distinct([*accesses, *_looked_at(execution, status)])
        return mask(world_of(execution), status)

    return step("stat", path, perform, execution)  # type: ignore[no-any-return]


def lstat(path: Any, *, dir_fd: int | None = None) -> os.stat_result:
    """As `os.lstat`."""
    if virtual() is None or not is_path(path):
        return real["lstat"](path, dir_fd=dir_fd)  # type: ignore[no-any-return]
    return stat(path, dir_fd=dir_fd, follow_symlinks=False)


def fstat(fd: int) -> os.stat_result:
    """As `os.fstat`."""
    if virtual() is None or not isinstance(fd, int):
        return real["fstat"](fd)  # type: ignore[no-any-return]
    execution = virtual()
    assert execution is not None

    def perform(operation: Operation) -> os.stat_result:
        accesses = of_descriptor(execution, fd)
        operation.accesses = distinct(accesses)
        status = real["fstat"](fd)
        operation.accesses = distinct([*accesses, *_looked_at(execution, status)])
        return mask(world_of(execution), status)

    return step("fstat", fd, perform, execution)  # type: ignore[no-any-return]


def _access(
    path: Any, mode: int, *, dir_fd: int | None = None, effective_ids: bool = False,
    follow_symlinks: bool = True,
) -> bool:
    execution = virtual()
    options = {"dir_fd": dir_fd, "effective_ids": effective_ids, "follow_symlinks": follow_symlinks}
    if execution is None or not is_path(path):
        return real["access"](path, mode, **options)  # type: ignore[no-any-return]

    def perform(operation: Operation) -> bool:
        place = Place(execution, path, dir_fd, follow_symlinks)
        accesses = place.entry(READ)
        if place.status is not None:
            accesses = [*accesses, (("node", inode_id(execution, place.status)), READ)]
        operation.accesses = distinct(accesses)
        return real["access"](path, mode, **options)  # type: ignore[no-any-return]

    return step("access", path, perform, execution)  # type: ignore[no-any-return]


# -- changes ---------------------------------------------------------------------------------------------


def where(fd: int) -> str:
    """Return a path of an open directory."""
    if sys.platform == "darwin":
        found: bytes = fcntl.fcntl(fd, fcntl.F_GETPATH, bytes(1024))
        return os.fsdecode(found.rstrip(b"\0"))
    return os.fsdecode(real["readlink"](f"/proc/self/fd/{fd}"))


def _of_directory(execution: Execution, path: Any, dir_fd: int | None, own: Key) -> list[Access]:
    """The mode of a directory decides lookups in it: write all that they read on the way through it."""
    place = Place(execution, path, dir_fd, follow=True) if not isinstance(path, int) else None
    if place is None or place.name == ".":
        fd = path if isinstance(path, int) else real["open"](path, os.O_RDONLY, dir_fd=dir_fd)
        try:
            place = Place(execution, where(fd))
        finally:
            if fd is not path:
                real["close"](fd)
    place.guard("a change of the mode")
    world_of(execution).forget(("entry", place.directory, spelled(place.name)))
    return [*place.entry(WRITE), (("directory", own), WRITE)]


def _changer(name: str, changes: str) -> Any:
    """Interpose a call that changes what a path or descriptor leads to: ``"content"`` or ``"mode"``."""

    def change(path: Any, *arguments: Any, **options: Any) -> Any:
        execution = virtual()
        if execution is None or not (isinstance(path, int) or is_path(path)):
            return real[name](path, *arguments, **options)
        dir_fd = options.get("dir_fd")
        follow = options.get("follow_symlinks", not name.startswith("l"))

        def perform(operation: Operation) -> Any:
            world = world_of(execution)
            place: Place | None = None
            if isinstance(path, int):
                accesses = of_descriptor(execution, path)
            else:
                place = Place(execution, path, dir_fd, follow)
                accesses = place.entry(READ)
            operation.accesses = distinct(accesses)
            if place is not None:
                status = place.status
            else:
                try:
                    status = real["fstat"](path)
                except OSError:
                    status = None
            if status is None:
                return real[name](path, *arguments, **options)
            inode = world.inode(status)
            operation.accesses = distinct([*accesses, (("node", inode), READ), (("mode", inode), READ)])
            keys: list[Access] = []
            if changes == "mode":
                keys = [(("node", inode), WRITE), (("mode", inode), WRITE)]
                if stats.S_ISDIR(status.st_mode):
                    keys += _of_directory(execution, path, dir_fd, inode)
            elif stats.S_ISREG(status.st_mode):
                keys = [(("content", inode), WRITE)]
            else:
                keys = [(("node", inode), WRITE)]
            result = real[name](path, *arguments, **options)
            operation.accesses = distinct([*accesses, (("mode", inode), READ), *keys])
            if name == "utime":
                times = arguments[0] if arguments else options.get("times")
                explicit = times is not None or options.get("ns") is not None
                now = virtual_now(execution)
                _, _, changed = world.times.get(inode, (now, now, now))
                after = real["stat"](path, dir_fd=dir_fd, follow_symlinks=follow)
                world.times[inode] = (
                    (after.st_atime_ns, after.st_mtime_ns, max(now, changed)) if explicit
                    else (max(now, changed),) * 3
                )
            elif changes == "content":
                world.written(execution, inode)
            return result

        return step(name, path, perform, execution)

    change.__name__ = name
    return change


def _attribute(name: str, mode: int) -> Any:
    """Interpose a call on extended attributes."""

    def call(path: Any, *arguments: Any, **options: Any) -> Any:
        execution = virtual()
        if execution is None or not (isinstance(path, int) or is_path(path)):
            return real[name](path, *arguments, **options)

        def perform(operation: Operation) -> Any:
            if isinstance(path, int):
                accesses = of_descriptor(execution, path)
                operation.accesses = distinct(accesses)
                status = real["fstat"](path)
            else:
                place = Place(execution, path, None, options.get("follow_symlinks", True))
                accesses = place.entry(READ)
                status = place.status
            if status is not None:
                accesses = [*accesses, (("node", inode_id(execution, status)), mode)]
            operation.accesses = distinct(accesses)
            return real[name](path, *arguments, **options)

        return step(name, path, perform, execution)

    call.__name__ = name
    return call


_volumes: dict[int, os.statvfs_result] = {}


def _statvfs(path: Any) -> os.statvfs_result:
    """The space on a volume is what it was when the process first looked: nobody may depend on it."""
    execution = virtual()
    if execution is None or not (isinstance(path, int) or is_path(path)):
        return real["statvfs"](path)  # type: ignore[no-any-return]

    def perform(operation: Operation) -> os.statvfs_result:
        operation.accesses = distinct(
            of_descriptor(execution, path) if isinstance(path, int)
            else Place(execution, path, None, True).entry(READ)
        )
        found: os.statvfs_result = real["statvfs"](path)
        return _volumes.setdefault(real["stat"](path).st_dev, found)

    return step("statvfs", path, perform, execution)  # type: ignore[no-any-return]


PATCHES: list[tuple[object, str, Any]] = [
    (os, "stat", stat),
    (os, "lstat", lstat),
    (os, "fstat", fstat),
    (os, "access", _access),
    (os, "statvfs", _statvfs),
    (os, "fstatvfs", _statvfs),
]
for _name, _changes in {
    "truncate": "content", "ftruncate": "content", "utime": "content", "chmod": "mode", "fchmod": "mode",
    "lchmod": "mode", "chown": "mode", "fchown": "mode", "lchown": "mode", "chflags": "mode",
    "lchflags": "mode",
}.items():
    if _name in real:
        PATCHES.append((os, _name, _changer(_name, _changes)))
for _name, _mode in {"getxattr": READ, "listxattr": READ, "setxattr": WRITE, "removexattr": WRITE}.items():
    if _name in real:
        PATCHES.append((os, _name, _attribute(_name, _mode)))
__all__ = ["PATCHES", "content", "fstat", "lstat", "mask", "of_descriptor", "stat", "where"]
