"""os: directories, names and descriptors as operations on the real filesystem.

What an operation accesses follows from what it did:

* ``entry(directory, name)``: the binding of a name; created, removed and renamed names are written;
* ``listing(directory)``: creating and removing a name add to it, a scan reads it;
* ``place(directory)``: where a directory is. Every lookup in it reads this; making, removing or
  renaming it, or a directory above it, writes it. It stands for the entries of all ancestors;
* ``content(inode)``: bytes and attributes of a file.

Directories are told apart by inode. An inode made during an execution is named by the operation that made
it, so that equivalent executions use the same keys.
"""

from __future__ import annotations

import os
import shutil
import stat as stats
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from schedule_explorer.interposition.context import virtual
from schedule_explorer.operations import ADD, READ, WRITE, Access, Key, Operation
from schedule_explorer.runtime import Execution

real: dict[str, Any] = {
    name: getattr(os, name)
    for name in (
        "mkdir", "rename", "replace", "unlink", "remove", "rmdir", "open", "close", "write", "read",
        "fsync", "stat", "lstat", "fstat", "scandir", "listdir", "link", "symlink", "readlink", "utime",
        "truncate", "ftruncate", "chmod",
    )
}


class Place:
    """Where a path leads: the directory that holds its last name, and what the lookup read."""

    __slots__ = ("directory", "name", "reads", "status")

    def __init__(self, execution: Execution, path: Any, dir_fd: int | None = None) -> None:
        text = os.fsdecode(path)
        self.reads: list[Access] = []
        self.directory: Key = None
        self.status: os.stat_result | None = None
        if dir_fd is not None and not text.startswith("/"):
            self.directory = inode_id(execution, real["fstat"](dir_fd))
            self.name = text
            parts = [p for p in text.split("/") if p]
            base = f"/proc/self/fd/{dir_fd}"
            if len(parts) > 1:
                self._walk(execution, os.path.join(os.path.realpath(base), text))
        else:
            self.name = ""
            self._walk(execution, text)
        try:
            self.status = real["lstat"](path, dir_fd=dir_fd)
        except (OSError, ValueError):
            self.status = None

    def _walk(self, execution: Execution, text: str) -> None:
        if not text.startswith("/"):
            text = os.path.join(os.getcwd(), text)
        parts = [p for p in text.split("/") if p not in ("", ".")]
        current = "/"
        budget = 200
        while len(parts) > 1 and budget:
            budget -= 1
            name = parts.pop(0)
            if name == "..":
                current = os.path.dirname(current)
                continue
            following = os.path.join(current, name)
            try:
                status = real["lstat"](following)
            except OSError:
                self.reads.append((entry(execution, current, name), READ))
                self.name = ""
                return
            if stats.S_ISLNK(status.st_mode):
                self.reads.append((entry(execution, current, name), READ))
                target = real["readlink"](following)
                parts = [p for p in target.split("/") if p not in ("", ".")] + parts
                current = "/" if target.startswith("/") else current
            else:
                current = following
        try:
            self.directory = inode_id(execution, real["stat"](current))
        except OSError:
            return
        self.name = parts[0] if parts else "."
        self.reads.append((("place", self.directory), READ))

    def entry(self, mode: int) -> list[Access]:
        """Access the entry itself (nothing more than the reads where the lookup failed)."""
        if self.directory is None:
            return list(self.reads)
        return [*self.reads, (("entry", self.directory, self.name), mode)]

    def changed(self) -> list[Access]:
        """A name came or went."""
        if self.directory is None:
            return list(self.reads)
        return [*self.entry(WRITE), (("listing", self.directory), ADD)]


def entry(execution: Execution, directory: str, name: str) -> Key:
    """Return the key of one name in a directory given by path."""
    return ("entry", inode_id(execution, real["stat"](directory)), name)


def inode_id(execution: Execution, status: os.stat_result) -> Key:
    """Name an inode: by the operation that made it, or by itself when it was there before."""
    known: dict[tuple[int, int], Key] = execution.state.setdefault("inodes", {})
    pair = (status.st_dev, status.st_ino)
    return known.get(pair, ("inode", *pair))


def born(execution: Execution, status: os.stat_result) -> Key:
    """Name an inode that the present operation has made."""
    known: dict[tuple[int, int], Key] = execution.state.setdefault("inodes", {})
    key = ("made", *execution.new_id())
    known[(status.st_dev, status.st_ino)] = key
    return key


def step(kind: str, path: Any, perform: Callable[[Operation], Any], execution: Execution) -> Any:
    """Announce one filesystem operation."""
    # The number of a descriptor is the machine's business and would differ from run to run.
    target = "descriptor" if isinstance(path, int) else os.fsdecode(path)
    return execution.step(Operation(kind, target, perform))


def followed(execution: Execution, path: Any, place: Place) -> list[Access]:
    """Read the entry and, where it is a symlink, what it leads to."""
    accesses = place.entry(READ)
    if place.status is not None and stats.S_ISLNK(place.status.st_mode) and not isinstance(path, int):
        target = os.path.join(os.path.dirname(os.fsdecode(path)), real["readlink"](path))
        accesses += Place(execution, target).entry(READ)
    return accesses


def content(execution: Execution, status: os.stat_result) -> Key:
    """Return the key of a file's bytes."""
    return ("content", inode_id(execution, status))


def _mkdir(path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
    execution = virtual()
    if execution is None:
        return real["mkdir"](path, mode, dir_fd=dir_fd)  # type: ignore[no-any-return]

    def perform(operation: Operation) -> None:
        place = Place(execution, path, dir_fd)
        operation.accesses = tuple(place.entry(READ))
        real["mkdir"](path, mode, dir_fd=dir_fd)
        made = born(execution, real["lstat"](path, dir_fd=dir_fd))
        operation.accesses = (*place.changed(), (("place", made), WRITE))

    step("mkdir", path, perform, execution)


def _unlink(path: Any, *, dir_fd: int | None = None) -> None:
    execution = virtual()
    if execution is None:
        return real["unlink"](path, dir_fd=dir_fd)  # type: ignore[no-any-return]

    def perform(operation: Operation) -> None:
        place = Place(execution, path, dir_fd)
        operation.accesses = tuple(place.entry(READ))
        real["unlink"](path, dir_fd=dir_fd)
        accesses = place.changed()
        if place.status is not None:
            accesses.append((content(execution, place.status), WRITE))
        operation.accesses = tuple(accesses)

    step("unlink", path, perform, execution)


def _rmdir(path: Any, *, dir_fd: int | None = None) -> None:
    execution = virtual()
    if execution is None:
        return real["rmdir"](path, dir_fd=dir_fd)  # type: ignore[no-any-return]

    def perform(operation: Operation) -> None:
        place = Place(execution, path, dir_fd)
        accesses = place.entry(READ)
        own = None if place.status is None else inode_id(execution, place.status)
        if own is not None:
            accesses.append((("listing", own), READ))
        operation.accesses = tuple(accesses)
        real["rmdir"](path, dir_fd=dir_fd)
        operation.accesses = (*place.changed(), (("listing", own), READ), (("place", own), WRITE))

    step("rmdir", path, perform, execution)


def _renamer(name: str) -> Any:
    def move(src: Any, dst: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
        execution = virtual()
        if execution is None:
            return real[name](src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)  # type: ignore[no-any-return]

        def perform(operation: Operation) -> None:
            source, target = Place(execution, src, src_dir_fd), Place(execution, dst, dst_dir_fd)
            accesses = [*source.entry(READ), *target.entry(READ)]
            replaced: list[Access] = []
            if target.status is not None and stats.S_ISDIR(target.status.st_mode):
                own = inode_id(execution, target.status)
                replaced = [(("listing", own), READ), (("place", own), WRITE)]
                accesses.append((("listing", own), READ))
            elif target.status is not None:
                replaced = [(content(execution, target.status), WRITE)]
            moved: list[Access] = []
            if source.status is not None and stats.S_ISDIR(source.status.st_mode) and src_dir_fd is None:
                moved = [(("place", key), WRITE) for key in _directories(execution, os.fsdecode(src))]
            elif source.status is not None and stats.S_ISDIR(source.status.st_mode):
                root = f"/proc/self/fd/{src_dir_fd}/{os.fsdecode(src)}"
                moved = [(("place", key), WRITE) for key in _directories(execution, root)]
            operation.accesses = tuple(accesses)
            real[name](src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
            operation.accesses = _distinct([*source.changed(), *target.changed(), *moved, *replaced])

        return step(name, f"{os.fsdecode(src)} -> {os.path.basename(os.fsdecode(dst))}", perform,  # type: ignore[no-any-return]
                    execution)

    move.__name__ = name
    return move


def _distinct(accesses: list[Access]) -> tuple[Access, ...]:
    """Keep one access a key, the strongest."""
    united: dict[Key, int] = {}
    for key, mode in accesses:
        old = united.get(key, mode)
        united[key] = mode if old == mode else WRITE
    return tuple(united.items())


def _directories(execution: Execution, root: str) -> Iterator[Key]:
    """Name `root` and every directory really below it."""
    yield inode_id(execution, real["lstat"](root))
    with real["scandir"](root) as scan:
        below = sorted(e.path for e in scan if e.is_dir(follow_symlinks=False))
    for path in below:
        yield from _directories(execution, path)


def mask(status: os.stat_result) -> os.stat_result:
    """Take out what no program may depend on: times, and sizes and link counts of directories."""
    directory = stats.S_ISDIR(status.st_mode)
    return os.stat_result((
        status.st_mode, status.st_ino, status.st_dev, 1 if directory else status.st_nlink, status.st_uid,
        status.st_gid, 0 if directory else status.st_size, 0, 0, 0,
    ))


def _linker(name: str) -> Any:
    def link(src: Any, dst: Any, *arguments: Any, **options: Any) -> None:
        execution = virtual()
        if execution is None:
            return real[name](src, dst, *arguments, **options)  # type: ignore[no-any-return]

        def perform(operation: Operation) -> None:
            place = Place(execution, dst, options.get("dst_dir_fd", options.get("dir_fd")))
            accesses: list[Access] = []
            if name == "link":
                source = Place(execution, src, options.get("src_dir_fd"))
                accesses = source.entry(READ)
                if source.status is not None:
                    accesses.append((content(execution, source.status), WRITE))
            operation.accesses = _distinct([*accesses, *place.entry(READ)])
            real[name](src, dst, *arguments, **options)
            if name == "symlink":
                born(execution, real["lstat"](dst, dir_fd=options.get("dir_fd")))
            operation.accesses = _distinct([*accesses, *place.changed()])

        return step(name, dst, perform, execution)  # type: ignore[no-any-return]

    link.__name__ = name
    return link


def _changer(name: str) -> Any:
    """Interpose a call that changes the content or attributes of the file that a path leads to."""

    def change(path: Any, *arguments: Any, **options: Any) -> None:
        execution = virtual()
        if execution is None:
            return real[name](path, *arguments, **options)  # type: ignore[no-any-return]

        def perform(operation: Operation) -> None:
            accesses: list[Access] = []
            if not isinstance(path, int):
                accesses = followed(execution, path, Place(execution, path, options.get("dir_fd")))
            operation.accesses = _distinct(accesses)
            status = real["stat"](path, dir_fd=options.get("dir_fd"))
            operation.accesses = _distinct([*accesses, (content(execution, status), WRITE)])
            real[name](path, *arguments, **options)

        return step(name, path, perform, execution)  # type: ignore[no-any-return]

    change.__name__ = name
    return change


def _readlink(path: Any, *, dir_fd: int | None = None) -> Any:
    execution = virtual()
    if execution is None:
        return real["readlink"](path, dir_fd=dir_fd)

    def perform(operation: Operation) -> Any:
        operation.accesses = tuple(Place(execution, path, dir_fd).entry(READ))
        return real["readlink"](path, dir_fd=dir_fd)

    return step("readlink", path, perform, execution)


def _stat(path: Any, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> os.stat_result:
    execution = virtual()
    if execution is None:
        found: os.stat_result = real["stat"](path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
        return found

    def perform(operation: Operation) -> os.stat_result:
        if isinstance(path, int):
            status: os.stat_result = real["fstat"](path)
            operation.accesses = ((content(execution, status), READ),)
            return mask(status)
        place = Place(execution, path, dir_fd)
        operation.accesses = tuple(followed(execution, path, place) if follow_symlinks else place.entry(READ))
        status = real["stat"](path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
        if not stats.S_ISDIR(status.st_mode):
            operation.accesses = (*operation.accesses, (content(execution, status), READ))
        return mask(status)

    result: os.stat_result = step("stat", path, perform, execution)
    return result


def _lstat(path: Any, *, dir_fd: int | None = None) -> os.stat_result:
    if virtual() is None:
        found: os.stat_result = real["lstat"](path, dir_fd=dir_fd)
        return found
    return _stat(path, dir_fd=dir_fd, follow_symlinks=False)


def _fstat(fd: int) -> os.stat_result:
    if virtual() is None:
        found: os.stat_result = real["fstat"](fd)
        return found
    return _stat(fd)


class Entry:
    """What a scan found: an os.DirEntry whose `stat` is an operation."""

    def __init__(self, real_entry: os.DirEntry[str], fd: int | None) -> None:
        self.name = real_entry.name
        self.path = real_entry.path
        self._fd = fd
        self._inode = real_entry.inode()
        self._link = real_entry.is_symlink()
        self._kinds = (real_entry.is_dir(follow_symlinks=False), real_entry.is_file(follow_symlinks=False))

    def __fspath__(self) -> str:
        return self.path

    def inode(self) -> int:
        """As `os.DirEntry.inode`."""
        return self._inode

    def is_symlink(self) -> bool:
        """As `os.DirEntry.is_symlink`."""
        return self._link

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """As `os.DirEntry.is_dir`."""
        return os.path.isdir(self.path) if self._link and follow_symlinks else self._kinds[0]

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """As `os.DirEntry.is_file`."""
        return os.path.isfile(self.path) if self._link and follow_symlinks else self._kinds[1]

    def is_junction(self) -> bool:
        """Never on POSIX."""
        return False

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """As `os.DirEntry.stat`, without its cache."""
        if self._fd is not None:
            return _stat(self.name, dir_fd=self._fd, follow_symlinks=follow_symlinks)
        return _stat(self.path, follow_symlinks=follow_symlinks)


class Scan:
    """What `os.scandir` returns: all entries, read in one operation, sorted by name."""

    def __init__(self, entries: list[Entry]) -> None:
        self._entries = iter(entries)

    def __iter__(self) -> Scan:
        return self

    def __next__(self) -> Entry:
        return next(self._entries)

    def __enter__(self) -> Scan:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """As the real one."""
        self._entries = iter(())


def _scan(kind: str, path: Any, answer: Callable[[Any], Any]) -> Any:
    execution = virtual()
    assert execution is not None

    def perform(operation: Operation) -> Any:
        if isinstance(path, int):
            status, accesses = real["fstat"](path), []
        else:
            place = Place(execution, path)
            accesses = followed(execution, path, place)
            operation.accesses = tuple(accesses)
            status = real["stat"](path)
        own = inode_id(execution, status)
        accesses += [(("listing", own), READ), (("place", own), READ)]
        operation.accesses = _distinct(accesses)
        return answer(path)

    return step(kind, path, perform, execution)


def _scandir(path: Any = ".") -> Any:
    if virtual() is None:
        return real["scandir"](path)

    def answer(where: Any) -> Scan:
        fd = where if isinstance(where, int) else None
        with real["scandir"](where) as scan:
            return Scan([Entry(e, fd) for e in sorted(scan, key=lambda e: e.name)])

    return _scan("scandir", path, answer)


def _listdir(path: Any = ".") -> Any:
    if virtual() is None:
        return real["listdir"](path)
    return _scan("listdir", path, lambda where: sorted(real["listdir"](where)))


def fresh_dir() -> Path:
    """Return an empty directory on the fastest real filesystem, removed when the execution ends.

    It has the same path in every execution of one process.

    Raises:
        RuntimeError: called outside of an exploration.
    """
    execution = virtual()
    if execution is None:
        raise RuntimeError("fresh_dir() is for a body under explore(); elsewhere use tempfile.mkdtemp()")
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()
    root = os.path.join(base, f"schedule-explorer-{os.getpid()}")
    count: int = execution.state.get("fresh", 0)
    execution.state["fresh"] = count + 1
    path = os.path.join(root, f"d{count}")
    if not count:
        shutil_rmtree(root)
        real["mkdir"](root, 0o700)
        execution.at_end.append(lambda: shutil_rmtree(root))
    real["mkdir"](path, 0o700)
    born(execution, real["lstat"](path))
    return Path(path)


def shutil_rmtree(path: str) -> None:
    """Remove a tree for real: not a step of the program."""
    execution = virtual()
    current = execution.current if execution is not None else None
    if execution is not None:
        execution.current = None
    try:
        shutil.rmtree(path, ignore_errors=True)
    finally:
        if execution is not None:
            execution.current = current


PATCHES: list[tuple[object, str, Any]] = [
    (os, "mkdir", _mkdir),
    (os, "unlink", _unlink),
    (os, "remove", _unlink),
    (os, "rmdir", _rmdir),
    (os, "rename", _renamer("rename")),
    (os, "replace", _renamer("replace")),
    (os, "stat", _stat),
    (os, "lstat", _lstat),
    (os, "fstat", _fstat),
    (os, "scandir", _scandir),
    (os, "listdir", _listdir),
    (os, "link", _linker("link")),
    (os, "symlink", _linker("symlink")),
    (os, "readlink", _readlink),
    (os, "utime", _changer("utime")),
    (os, "truncate", _changer("truncate")),
    (os, "chmod", _changer("chmod")),
]
