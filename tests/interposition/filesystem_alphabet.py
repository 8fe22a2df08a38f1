"""The trees and the operations that the pair tests combine."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filesystem_pairs import Call, State

from schedule_explorer.interposition.filesystem import real

PATHS = ("a", "b", "a/x", "a/y", "b/x", "a/x/y")
#: other ways to write paths; used with fewer operations
SPELLINGS = ("a/../b", "a//x", "./a/x/.", "b/..", "a/x/../y")


def _file(path: str, data: bytes = b"data") -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    os.write(fd, data)
    os.close(fd)


def _is(kind: Callable[[int], bool], path: str) -> bool:
    """Look without a step, for there is nobody yet to see it."""
    try:
        return kind(real["stat"](path).st_mode)
    except OSError:
        return False


def _tree(*items: str) -> Call:
    """Make a tree: ``d/`` a directory, ``l>target`` a symlink, ``n=other`` a hard link, else a file."""

    def setup(state: State) -> None:
        for item in items:
            if item.endswith("/"):
                os.mkdir(state.path(item))
            elif ">" in item:
                name, _, target = item.partition(">")
                os.symlink(target, state.path(name))
            elif "=" in item:
                name, _, other = item.partition("=")
                os.link(state.path(other), state.path(name))
            else:
                _file(state.path(item))
        os.chdir(state.root)
        for name in ("a", "b"):
            if _is(stat.S_ISDIR, state.path(name)):
                state.fds["directory"] = os.open(state.path(name), os.O_RDONLY)
                os.chdir(state.fds["directory"])
                break
        for name in ("a/x", "b", "a", "a/x/y"):
            if _is(stat.S_ISREG, state.path(name)):
                state.fds["write"] = os.open(state.path(name), os.O_RDWR)
                state.fds["append"] = os.open(state.path(name), os.O_WRONLY | os.O_APPEND)
                break

    return setup


TREES: dict[str, Call] = {
    "empty": _tree(),
    "bare": _tree("a/"),
    "flat": _tree("a/", "b/", "a/x"),
    "deep": _tree("a/", "a/x/", "a/x/y", "b"),
    "hollow": _tree("a/", "a/x/", "a/x/y/", "b/"),
    "link to directory": _tree("a/", "a/x", "a/y>x", "b>a"),
    "hard link": _tree("a/", "a/x", "b=a/x", "a/y=b"),
    "dangling": _tree("a>b", "b/"),
    "dangling up": _tree("a/", "a/x>../b/x", "b/"),
    "link to parent": _tree("a/", "a/x/", "a/x/y>..", "b>a/x"),
    "loop": _tree("a>b", "b>a"),
}


def _open(flags: int) -> Callable[[State, str], Any]:
    return lambda state, name: os.open(state.path(name), flags, 0o640)


def _scan(state: State, where: Any) -> Any:
    with os.scandir(where) as scan:
        return [(e.name, e.inode(), e.is_dir(follow_symlinks=False), e.is_symlink()) for e in scan]


#: operations on one path
ON_PATH: dict[str, Callable[[State, str], Any]] = {
    "mkdir": lambda s, p: os.mkdir(s.path(p)),
    "rmdir": lambda s, p: os.rmdir(s.path(p)),
    "unlink": lambda s, p: os.unlink(s.path(p)),
    "create": _open(os.O_WRONLY | os.O_CREAT | os.O_EXCL),
    "open-create": _open(os.O_WRONLY | os.O_CREAT),
    "open-truncate": _open(os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    "open-read": _open(os.O_RDONLY),
    "open-nofollow": _open(os.O_RDONLY | os.O_NOFOLLOW),
    "stat": lambda s, p: os.stat(s.path(p)),
    "lstat": lambda s, p: os.lstat(s.path(p)),
    "exists": lambda s, p: os.access(s.path(p), os.F_OK),
    "listdir": lambda s, p: os.listdir(s.path(p)),
    "scandir": lambda s, p: _scan(s, s.path(p)),
    "readlink": lambda s, p: os.readlink(s.path(p)),
    "truncate": lambda s, p: os.truncate(s.path(p), 1),
    "utime": lambda s, p: os.utime(s.path(p), ns=(5, 7)),
    "touch": lambda s, p: os.utime(s.path(p)),
    "chmod": lambda s, p: os.chmod(s.path(p), 0o710),
    "forbid": lambda s, p: os.chmod(s.path(p), 0),
    "symlink": lambda s, p: os.symlink("x", s.path(p)),
    "symlink-up": lambda s, p: os.symlink("../b", s.path(p)),
}
#: operations of several steps on one path
LONG: dict[str, Callable[[State, str], Any]] = {
    "read_bytes": lambda s, p: Path(s.path(p)).read_bytes(),
    "write_text": lambda s, p: Path(s.path(p)).write_text("text"),
    "append": lambda s, p: _appended(s.path(p)),
    "makedirs": lambda s, p: os.makedirs(s.path(p), exist_ok=True),
    "rmtree": lambda s, p: shutil.rmtree(s.path(p), ignore_errors=True),
    "walk": lambda s, p: list(os.walk(s.path(p))),
    "glob": lambda s, p: sorted(map(str, Path(s.path(p)).rglob("*"))),
    "tensors": lambda s, p: _tensors(s.path(p)),
    "realpath": lambda s, p: os.path.realpath(s.path(p)),
}
#: operations on two paths
ON_TWO: dict[str, Callable[[State, str, str], Any]] = {
    "rename": lambda s, p, q: os.rename(s.path(p), s.path(q)),
    "link": lambda s, p, q: os.link(s.path(p), s.path(q)),
}
#: operations on what is open, and relative to the working directory (which is where ``directory`` is)
ON_OPEN: dict[str, Call] = {
    "read": lambda s: os.read(s.fds["write"], 3),
    "write": lambda s: os.write(s.fds["write"], b"W"),
    "append": lambda s: os.write(s.fds["append"], b"A"),
    "pread": lambda s: os.pread(s.fds["append"], 3, 0),
    "pwrite": lambda s: os.pwrite(s.fds["write"], b"P", 1),
    "seek": lambda s: os.lseek(s.fds["write"], 2, os.SEEK_SET),
    "seek end": lambda s: os.lseek(s.fds["write"], 0, os.SEEK_END),
    "fstat": lambda s: os.fstat(s.fds["append"]),
    "ftruncate": lambda s: os.ftruncate(s.fds["write"], 1),
    "fsync": lambda s: os.fsync(s.fds["write"]),
    "fchmod": lambda s: os.fchmod(s.fds["write"], 0o711),
    "futime": lambda s: os.utime(s.fds["write"], ns=(8, 9)),
    "close": lambda s: os.close(s.fds["write"]),
    "dup": lambda s: os.dup(s.fds["write"]),
    "dup2": lambda s: os.dup2(s.fds["append"], s.fds["write"]),
    "flock": lambda s: fcntl.flock(s.fds["write"], fcntl.LOCK_EX | fcntl.LOCK_NB),
    "flock other": lambda s: fcntl.flock(s.fds["append"], fcntl.LOCK_SH | fcntl.LOCK_NB),
    "mkdir at": lambda s: os.mkdir("x", dir_fd=s.fds["directory"]),
    "open at": lambda s: os.open("x", os.O_RDONLY | os.O_CREAT, 0o600, dir_fd=s.fds["directory"]),
    "stat at": lambda s: os.stat("x/y", dir_fd=s.fds["directory"]),
    "stat up at": lambda s: os.stat("../b", dir_fd=s.fds["directory"]),
    "mkdir up at": lambda s: os.mkdir("../n", dir_fd=s.fds["directory"]),
    "unlink at": lambda s: os.unlink("x", dir_fd=s.fds["directory"]),
    "rmdir at": lambda s: os.rmdir("x", dir_fd=s.fds["directory"]),
    "rename at": lambda s: os.rename("x", s.path("b"), src_dir_fd=s.fds["directory"]),
    "rename into": lambda s: os.rename(s.path("b"), "x/y", dst_dir_fd=s.fds["directory"]),
    "list at": lambda s: os.listdir(s.fds["directory"]),
    "scan at": lambda s: _scan(s, s.fds["directory"]),
    "fstat directory": lambda s: os.fstat(s.fds["directory"]),
    "fchmod directory": lambda s: os.fchmod(s.fds["directory"], 0o750),
    "forbid directory": lambda s: os.fchmod(s.fds["directory"], 0),
    "close directory": lambda s: os.close(s.fds["directory"]),
    "chdir": lambda s: os.chdir(s.path("b")),
    "getcwd": lambda s: os.getcwd(),
    "mkdir here": lambda s: os.mkdir("y"),
    "stat here": lambda s: os.stat("x"),
    "list here": lambda s: os.listdir(),
    "rename here": lambda s: os.rename("x", "../b"),
}


def _appended(path: str) -> None:
    with open(path, "ab", 0) as file:
        file.write(b"+")


def _tensors(path: str) -> None:
    import safetensors

    safetensors.serialize_file({}, path)


def operations() -> dict[str, tuple[str, Call]]:
    """Return every operation by its text, with its kind."""
    found: dict[str, tuple[str, Call]] = {}

    def add(kind: str, text: str, call: Call) -> None:
        found[text] = (kind, call)

    for kind, on_path in (*ON_PATH.items(), *LONG.items()):
        for path in PATHS:
            add(kind, f"{kind} {path}", lambda s, f=on_path, p=path: f(s, p))  # type: ignore[misc]
    for spelling in SPELLINGS:
        for kind in ("mkdir", "stat", "unlink", "rmdir", "listdir", "open-create"):
            add(kind, f"{kind} {spelling}", lambda s, f=ON_PATH[kind], p=spelling: f(s, p))  # type: ignore[misc]
    for kind, on_two in ON_TWO.items():
        for path in PATHS:
            for other in PATHS:
                add(kind, f"{kind} {path} {other}",
                    lambda s, f=on_two, p=path, q=other: f(s, p, q))  # type: ignore[misc]
    for kind, on_open in ON_OPEN.items():
        add(kind, f"<{kind}>", on_open)
    return found
