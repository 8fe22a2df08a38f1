"""os: which names a directory has, and the working directory."""

from __future__ import annotations

import os
import stat as stats
from collections.abc import Callable
from typing import Any

from schedule_explorer.interposition import attributes
from schedule_explorer.interposition.attributes import of_descriptor
from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.file_steps import distinct, is_path, step
from schedule_explorer.interposition.paths import UMASK, WORKING, Place, real, world_of
from schedule_explorer.operations import READ, WRITE, Operation
from schedule_explorer.runtime import Execution


class Entry:
    """What a scan found: an os.DirEntry whose `stat` is an operation."""

    def __init__(self, found: os.DirEntry[Any], fd: int | None, inode: int) -> None:
        self.name = found.name
        self.path = found.path
        self._fd = fd
        self._inode = inode
        self._link = found.is_symlink()
        self._kinds = (found.is_dir(follow_symlinks=False), found.is_file(follow_symlinks=False))
        self._known: dict[bool, os.stat_result] = {}

    def __fspath__(self) -> Any:
        return self.path

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"

    def inode(self) -> int:
        """As `os.DirEntry.inode`."""
        return self._inode

    def is_symlink(self) -> bool:
        """As `os.DirEntry.is_symlink`."""
        return self._link

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """As `os.DirEntry.is_dir`."""
        return self._is(0, stats.S_ISDIR, follow_symlinks)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """As `os.DirEntry.is_file`."""
        return self._is(1, stats.S_ISREG, follow_symlinks)

    def _is(self, kind: int, test: Callable[[int], bool], follow: bool) -> bool:
        if not (self._link and follow):
            return self._kinds[kind]
        try:
            return test(self.stat().st_mode)
        except FileNotFoundError:
            return False

    def is_junction(self) -> bool:
        """Never on POSIX."""
        return False

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """As `os.DirEntry.stat`, which looks once."""
        follow = follow_symlinks and self._link
        if follow not in self._known:
            if self._fd is not None:
                found = attributes.stat(self.name, dir_fd=self._fd, follow_symlinks=follow_symlinks)
            else:
                found = attributes.stat(self.path, follow_symlinks=follow_symlinks)
            self._known[follow] = found
        return self._known[follow]


class Scan:
    """What `os.scandir` returns: all entries, sorted by name, read in a step when the first one is asked for.

    Arguments:
        scan: the real one.
        directory: it is of.
        fd: the descriptor that was scanned, if it was one.
    """

    def __init__(self, execution: Execution, scan: Any, directory: os.stat_result, fd: int | None) -> None:
        self._execution = execution
        self._scan = scan
        self._directory = directory
        self._fd = fd
        self._entries: list[Entry] | None = None
        self._at = 0

    def _explorer_holds(self) -> list[Any]:
        return [self._at, self._entries is None]

    def _read(self) -> list[Entry]:
        world = world_of(self._execution)
        found: list[Entry] = []
        with self._scan as scan:
            for entry in sorted(scan, key=lambda e: e.name):
                pair = self._directory.st_dev, entry.inode()
                found.append(Entry(entry, self._fd, world.inodes.get(pair, pair[1])))
        return found

    def __iter__(self) -> Scan:
        return self

    def __next__(self) -> Entry:
        if self._entries is None:
            if virtual() is not self._execution:
                self._entries = self._read()
            else:
                accesses = ((("listing", world_of(self._execution).inode(self._directory)), READ),)
                self._entries = self._execution.step(
                    Operation("scandir.read", "descriptor", lambda _: self._read(), accesses=accesses)
                )
        if self._at >= len(self._entries):
            raise StopIteration
        self._at += 1
        return self._entries[self._at - 1]

    def __enter__(self) -> Scan:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """As the real one."""
        self._scan.close()
        self._entries = []


def _scan(kind: str, execution: Execution, path: Any, answer: Callable[[os.stat_result], Any]) -> Any:
    where = "." if path is None else path

    def perform(operation: Operation) -> Any:
        if isinstance(where, int):
            accesses = of_descriptor(execution, where)
            operation.accesses = distinct(accesses)
            status = real["fstat"](where)
        else:
            place = Place(execution, where, None, follow=True)
            accesses = place.entry(READ)
            operation.accesses = distinct(accesses)
            status = place.status
        if status is None or not stats.S_ISDIR(status.st_mode):
            return real[kind](path)
        inode = world_of(execution).inode(status)
        if kind == "listdir":
            operation.accesses = distinct([*accesses, (("listing", inode), READ)])
        return answer(status)

    return step(kind, where, perform, execution)


def scandir(path: Any = None) -> Any:
    """As `os.scandir`."""
    execution = virtual()
    if execution is None or not (path is None or isinstance(path, int) or is_path(path)):
        return real["scandir"](path)

    def answer(status: os.stat_result) -> Scan:
        scan = real["scandir"](path)
        execution.at_end.append(scan.close)
        return Scan(execution, scan, status, path if isinstance(path, int) else None)

    return _scan("scandir", execution, path, answer)


def _listdir(path: Any = None) -> Any:
    execution = virtual()
    if execution is None or not (path is None or isinstance(path, int) or is_path(path)):
        return real["listdir"](path)
    return _scan("listdir", execution, path, lambda _: sorted(real["listdir"](path)))


# -- the working directory and the umask -------------------------------------------------------------------


def _chdir(path: Any) -> None:
    execution = virtual()
    if execution is None or not (isinstance(path, int) or is_path(path)):
        return real["chdir"](path)  # type: ignore[no-any-return]

    def perform(operation: Operation) -> None:
        if isinstance(path, int):
            accesses = of_descriptor(execution, path)
        else:
            accesses = Place(execution, path, None, follow=True).entry(READ)
        operation.accesses = distinct([*accesses, (WORKING, READ)])
        world = world_of(execution)
        if world.origin is None:
            origin: int = real["open"](".", os.O_RDONLY)
            world.origin = origin
            execution.at_end.append(lambda: _go_back(origin))
        real["chdir"](path)
        operation.accesses = distinct([*accesses, (WORKING, WRITE)])

    return step("chdir", path, perform, execution)  # type: ignore[no-any-return]


def _fchdir(fd: int) -> None:
    if virtual() is None or not isinstance(fd, int):
        return real["fchdir"](fd)  # type: ignore[no-any-return]
    return _chdir(fd)


def _go_back(origin: int) -> None:
    real["fchdir"](origin)
    real["close"](origin)


def _working(name: str) -> Any:
    def call() -> Any:
        execution = virtual()
        if execution is None:
            return real[name]()

        def perform(operation: Operation) -> Any:
            accesses = Place(execution, ".").entry(READ)
            operation.accesses = distinct([*accesses, (WORKING, READ)])
            found = real[name]()
            # Its answer is all the names on the way.
            above = Place(execution, found).entry(READ)
            operation.accesses = distinct([*operation.accesses, *above])
            return found

        return step(name, ".", perform, execution)

    call.__name__ = name
    return call


def _umask_back(mask: int) -> None:
    real["umask"](mask)


def _umask(mask: int) -> int:
    execution = virtual()
    if execution is None or not isinstance(mask, int):
        return real["umask"](mask)  # type: ignore[no-any-return]

    def perform(operation: Operation) -> int:
        operation.accesses = ((UMASK, WRITE),)
        old: int = real["umask"](mask)
        if "umask" not in execution.state:
            execution.state["umask"] = old
            execution.at_end.append(lambda: _umask_back(old))
        return old

    return step("umask", f"{mask:o}", perform, execution)  # type: ignore[no-any-return]


PATCHES: list[tuple[object, str, Any]] = [
    (os, "scandir", scandir),
    (os, "listdir", _listdir),
    (os, "chdir", _chdir),
    (os, "fchdir", _fchdir),
    (os, "getcwd", _working("getcwd")),
    (os, "getcwdb", _working("getcwdb")),
    (os, "umask", _umask),
]
