"""Which names a path leads through, and what every inode is called.

The keys of the file system, and who accesses them:

* ``("entry", directory, name)``: the binding of a name. Every lookup of the name reads it, in the middle of a
  path as at its end; making, removing and renaming the name writes it, and so does a change of the mode of
  the directory that it names, which lookups below depend on. That is why renaming a directory
  conflicts with everything that is reached through either of its names.
* ``("listing", directory)``: which names there are. Making and removing a name add to it; a scan, ``rmdir``
  and a rename onto the directory read it.
* ``("directory", directory)``: whether it is still linked, and its mode, for lookups that did not come
  through its entry: those that start at a descriptor or at the working directory, or came by ``..``.
* ``("parent", directory)``: where ``..`` leads; written by a rename into another directory.
* ``("content", inode)``: bytes, size and times of a file.
* ``("node", inode)``: the other attributes. A new or a lost link adds to it, a change of mode writes it.
* ``("mode", inode)``: the mode of a file, for those who open it.
* ``("descriptor", number)``: an open descriptor, its offset, and the buffers of the file object that owns it.
* ``WORKING``, ``UMASK``: state of the process.

Directories are told apart by inode, never by spelling. An inode made in an execution is named by the
thread that made it and that thread's count of creations, as one small integer, which is also its ``st_ino``.
"""

from __future__ import annotations

import os
import stat as stats
import sys
import unicodedata
from collections.abc import Iterable
from typing import Any

from schedule_explorer.interposition.clock import EPOCH
from schedule_explorer.interposition.file_steps import refuse, stale
from schedule_explorer.operations import ADD, READ, WRITE, Access, Key
from schedule_explorer.runtime import Execution, current_execution, site_text, user_frames

real: dict[str, Any] = {
    name: getattr(os, name)
    for name in (
        "mkdir", "rename", "replace", "unlink", "remove", "rmdir", "open", "close", "write", "read",
        "fsync", "stat", "lstat", "fstat", "scandir", "listdir", "link", "symlink", "readlink", "utime",
        "truncate", "ftruncate", "chmod", "chown", "lchown", "fchmod", "fchown", "lchmod", "access", "chdir",
        "fchdir", "getcwd", "getcwdb", "umask", "dup", "dup2", "lseek", "pread", "pwrite", "readv", "writev",
        "preadv", "pwritev", "sendfile", "copy_file_range", "splice", "fdatasync", "posix_fallocate",
        "getxattr", "listxattr", "setxattr", "removexattr", "statvfs", "fstatvfs", "closerange", "chflags",
        "lchflags", "getpid", "lockf", "mkfifo", "mknod", "fork", "forkpty", "posix_spawn", "posix_spawnp",
        "system", "chroot", "isatty", "get_inheritable", "set_inheritable", "get_blocking", "set_blocking",
        "pipe", "pipe2", "openpty", "eventfd", "memfd_create",
    )
    if hasattr(os, name)
}

WORKING: Key = ("working directory",)
UMASK: Key = ("umask",)
#: what the directory above all `fresh_dir`s is called
ROOT = 1
#: as many symbolic links as Linux follows in one lookup
_MAX_LINKS = 40


class World:
    """What interposition keeps about files for one execution.

    Attributes:
        inodes: the name of every inode made in the execution, by device and number.
        times: (accessed, modified, changed) in nanoseconds, by inode name.
        root: the directory above all fresh ones, as text; "" before there is one.
        fixed: the entries on the way to `root`, which must not change.
        fresh: how many fresh directories there are.
        descriptors: open descriptors that the program made.
        closing: whether descriptors are closed at the end.
        slots: by tid, how many descriptor slots were ever used, and those that are free.
        locks: holders of ``flock``, by inode.
        files: weak references to open file objects.
        workers: idle greenlets for calls on file objects; None before the first call.
        origin: descriptor of the working directory as it was before the program changed it.
        resolved: by absolute spelling of a directory, its name and what finding it read.
    """

    __slots__ = ("_users", "closing", "descriptors", "files", "fixed", "fresh", "inodes", "locks", "origin",
                 "resolved", "root", "slots", "times", "workers")

    def __init__(self) -> None:
        self.inodes: dict[tuple[int, int], Key] = {}
        self.times: dict[Key, tuple[int, int, int]] = {}
        self.root = ""
        self.fixed: frozenset[Key] = frozenset()
        self.fresh = 0
        self.descriptors: dict[int, Any] = {}
        self.closing = False
        self.slots: dict[int, list[int]] = {}
        self.locks: dict[Key, dict[Any, int]] = {}
        self.files: list[Any] = []
        self.workers: list[Any] | None = None
        self.origin: int | None = None
        self.resolved: dict[str, tuple[Key, list[Access]]] = {}
        self._users: dict[Key, set[str]] = {}

    def inode(self, status: os.stat_result, directory: Key = None, name: str = "") -> Key:
        """Name an inode: by the operation that made it, or by itself when it was there before.

        One that C code has made meanwhile, in a directory of this execution, has another number in every
        execution: it is named by where it is met first.

        Arguments:
            directory, name: where it was found, if that is known.
        """
        pair = (status.st_dev, status.st_ino)
        known = self.inodes.get(pair)
        if known is not None:
            return known
        if directory is None or directory == ROOT or (type(directory) is tuple and directory[0] != "met"):
            return pair
        met: Key = ("met", directory, name)
        self.inodes[pair] = met
        return met

    def remember(self, path: str, directory: Key, reads: list[Access]) -> None:
        """Keep a lookup until one of the entries that it read is written."""
        self.resolved[path] = (directory, reads)
        for key, _ in reads:
            self._users.setdefault(key, set()).add(path)

    def forget(self, key: Key) -> None:
        """Drop the lookups that read an entry which is now another."""
        for path in self._users.pop(key, ()):
            self.resolved.pop(path, None)

    def written(self, execution: Execution, inode: Key) -> None:
        """Note the virtual time at which the content of a file changed."""
        now = virtual_now(execution)
        accessed, _, changed = self.times.get(inode, (now, now, now))
        now = max(now, changed)
        self.times[inode] = (accessed, now, now)


def world_of(execution: Execution) -> World:
    """Return the execution's file state."""
    world: World | None = execution.state.get("files")
    if world is None:
        world = execution.state["files"] = World()
    return world


def virtual_now(execution: Execution) -> int:
    """Return the calling thread's time of day in nanoseconds."""
    thread = execution.current
    return round(((thread.now if thread is not None else 0.0) + EPOCH) * 1e9)


def born(execution: Execution, status: os.stat_result) -> Key:
    """Name an inode that the present operation has made; its number may have been used before."""
    world = world_of(execution)
    tid, count = execution.new_id()
    key: Key = (tid + 1 << 32) | count
    world.inodes[(status.st_dev, status.st_ino)] = key
    now = virtual_now(execution)
    world.times[key] = (now, now, now)
    return key


def inode_id(execution: Execution, status: os.stat_result) -> Key:
    """Name an inode; see `World.inode`."""
    return world_of(execution).inode(status)


def content(execution: Execution, status: os.stat_result) -> Key:
    """Return the key of a file's bytes."""
    return ("content", world_of(execution).inode(status))


if sys.platform == "darwin":

    def spelled(name: str) -> str:
        """Return the one spelling of a name where the file system ignores case and composition."""
        return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()

else:

    def spelled(name: str) -> str:
        """Return the name itself: it has one spelling here."""
        return name


class Place:
    """Where a path leads: the directory that holds its last name, and what the lookup read.

    Arguments:
        path: as given to the call; text, bytes or path-like.
        dir_fd: the directory that a relative path starts from; None: the working directory.
        follow: whether a symbolic link in the last place is followed.

    Attributes:
        directory: name of the directory that holds the last name; None where the lookup failed before.
        name: the last name; ``"."`` where the path ends in a directory that it does not name.
        reads: the entries that the lookup read, without that of the last name.
        status: of what the last name leads to; None when there is nothing.
        text: the path as text.
    """

    __slots__ = ("_base", "_current", "_world", "directory", "name", "reads", "status", "text")

    def __init__(
        self, execution: Execution, path: Any, dir_fd: int | None = None, follow: bool = False
    ) -> None:
        self.text = text = path if type(path) is str else os.fsdecode(path)
        self._world = world = world_of(execution)
        self._base: int | None = None
        self._current = ""
        self.directory: Key = None
        self.name = ""
        self.status: os.stat_result | None = None
        self.reads: list[Access] = []
        if not text or "\0" in text:
            return
        head, slash, name = text.rpartition("/")
        if slash and text[0] == "/" and name not in ("", ".", ".."):
            found = world.resolved.get(head) or self._resolve(head)
            if found is not None:
                try:
                    self.status = real["lstat"](text)
                except OSError:
                    self.status = None
                if not (follow and self.status is not None and stats.S_ISLNK(self.status.st_mode)):
                    self.directory, self.reads = found
                    self.name = name
                    self._current = head or "/"
                    if self.status is not None:
                        world.inode(self.status, self.directory, spelled(name))
                    return
                self.status = None
        self.reads = []
        self._walk(text, dir_fd, follow)

    def entry(self, mode: int) -> list[Access]:
        """Access the entry itself (nothing more than the reads where the lookup failed)."""
        if self.directory is None:
            return self.reads
        return [*self.reads, (("entry", self.directory, spelled(self.name)), mode)]

    def changed(self) -> list[Access]:
        """A name came or went."""
        key = ("entry", self.directory, spelled(self.name))
        self._world.forget(key)
        return [*self.reads, (key, WRITE), (("listing", self.directory), ADD)]

    def guard(self, kind: str) -> None:
        """Refuse to change what stands above the fresh directories: lookups do not report it."""
        if ("entry", self.directory, spelled(self.name)) in self._world.fixed:
            refuse(f"{kind} of a directory above fresh_dir()")

    def ancestors(self) -> list[Access]:
        """Read which directories are above the one that holds the last name."""
        found: list[Access] = []
        current = self._current
        key = self.directory
        while key != ROOT:
            current += "/.."
            try:
                above = self._world.inode(real["stat"](current, dir_fd=self._base))
            except OSError:
                break
            if above == key:
                break
            found.append((("parent", key), READ))
            key = above
        return found

    # -- the walk ------------------------------------------------------------------------------------

    def _resolve(self, head: str) -> tuple[Key, list[Access]] | None:
        """Find a directory by its absolute path, and remember it; None when it is not there."""
        self.reads = []
        parts = [part for part in head.split("/") if part and part != "."]
        if not self._descend(self._top(parts)):
            return None
        self._world.remember(head, self.directory, self.reads)
        return self.directory, self.reads

    def _top(self, parts: list[str]) -> list[str]:
        """Start at the top, or at the fresh directories when the path leads there; return what is left."""
        world = self._world
        self._base = None
        root = world.root.split("/")[1:]
        if world.root and parts[: len(root)] == root:
            self._current, self.directory = world.root, ROOT
            return parts[len(root) :]
        self._current, self.directory = "/", world.inode(real["stat"]("/"))
        return parts

    def _start(self, text: str, dir_fd: int | None) -> bool:
        """Start a relative path at its directory."""
        self._current = "."
        self._base = dir_fd
        self.reads.append((WORKING if dir_fd is None else ("descriptor", dir_fd), READ))
        try:
            status = real["stat"](".") if dir_fd is None else real["fstat"](dir_fd)
        except OSError:
            execution = current_execution()
            if dir_fd is not None and execution is not None:
                stale(execution, dir_fd)
            forbidden = None if dir_fd is not None or execution is None else _working(execution)
            if forbidden is None:
                return False
            status = forbidden
        self.directory = self._world.inode(status)
        self.reads.append((("directory", self.directory), READ))
        return True

    def _walk(self, text: str, dir_fd: int | None, follow: bool) -> None:
        parts = [part for part in text.split("/") if part and part != "."]
        follow = follow or text.endswith(("/", "/."))
        if text.startswith("/"):
            parts = self._top(parts)
        elif not self._start(text, dir_fd):
            return
        for _ in range(_MAX_LINKS + 1):
            if not self._descend(parts[:-1]):
                self.directory = None
                return
            if not parts or parts[-1] == "..":
                break
            self.name = parts[-1]
            try:
                self.status = real["lstat"](f"{self._current}/{self.name}", dir_fd=self._base)
            except OSError:
                return
            if not follow or not stats.S_ISLNK(self.status.st_mode):
                self._world.inode(self.status, self.directory, spelled(self.name))
                return
            parts = self._link()
        else:
            self.directory = None
            return
        if parts and not self._descend(parts[-1:]):
            self.directory = None
            return
        self.name = "."
        try:
            self.status = real["stat"](self._current, dir_fd=self._base)
        except OSError:
            self.status = None

    def _link(self) -> list[str]:
        """Read the symbolic link `name`; go to where it starts, and return the names on its way."""
        self.reads.append((("entry", self.directory, spelled(self.name)), READ))
        target: str = os.fsdecode(real["readlink"](f"{self._current}/{self.name}", dir_fd=self._base))
        parts = [part for part in target.split("/") if part and part != "."]
        self.status = None
        return self._top(parts) if target.startswith("/") else parts

    def _descend(self, names: Iterable[str]) -> bool:
        """Go down through directories and links; False, with all reads noted, where that fails."""
        parts = list(names)[::-1]
        links = 0
        while parts:
            self.name = name = parts.pop()
            if name == "..":
                self.reads.append((("parent", self.directory), READ))
                self._current += "/.."
                try:
                    above = real["stat"](self._current, dir_fd=self._base)
                except OSError:
                    return False
                self.directory = self._world.inode(above)
                self.reads.append((("directory", self.directory), READ))
                continue
            path = f"{self._current}/{name}"
            try:
                status = real["lstat"](path, dir_fd=self._base)
            except OSError:
                status = None
            if status is not None and stats.S_ISLNK(status.st_mode):
                links += 1
                if links <= _MAX_LINKS:
                    parts.extend(self._link()[::-1])
                    continue
            self.reads.append((("entry", self.directory, spelled(name)), READ))
            if status is None or not stats.S_ISDIR(status.st_mode):
                return False
            self._current = path
            self.directory = self._world.inode(status, self.directory, spelled(name))
        return True


def _working(execution: Execution) -> os.stat_result | None:
    """Look at the working directory where its own mode keeps its user from looking up ``"."``."""
    try:
        return real["stat"]("/proc/self/cwd")  # type: ignore[no-any-return]
    except OSError:
        where = site_text(user_frames(sys._getframe(1), 50))
        execution.trace.unmodelled.add(f"the working directory cannot be looked at, at {where}")
        return None
