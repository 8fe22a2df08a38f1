"""The same sequence of file calls gives the same results and errors inside of an execution and outside."""

from __future__ import annotations

import io
import os
import re
import shutil
import stat as stats
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filesystem_pairs import Ordered
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from schedule_explorer import fresh_dir
from schedule_explorer.runtime import Execution

DEEP = os.environ.get("FILESYSTEM_PAIRS") == "1"
EXAMPLES = 150 * (30 if DEEP else 1)


class World:
    """What a sequence works in: a directory, and the files and descriptors that it has opened."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.file: Any = None
        self.fd = -1

    def path(self, name: str) -> str:
        return f"{self.root}/{name}"


Step = tuple[str, tuple[Any, ...]]


def _scan(path: str) -> Any:
    with os.scandir(path) as scan:
        return sorted(
            (e.name, e.path, e.is_dir(), e.is_file(), e.is_symlink(), _status(e.stat(follow_symlinks=False)))
            for e in scan
        )


def _status(status: os.stat_result) -> Any:
    if stats.S_ISDIR(status.st_mode):
        return oct(status.st_mode)
    return oct(status.st_mode), status.st_nlink, status.st_size


def _open(w: World, path: str, mode: str, buffering: int, encoding: str | None) -> Any:
    if w.file is not None:
        w.file.close()
    w.file = None
    w.file = open(w.path(path), mode, buffering, encoding)
    kinds = (io.TextIOWrapper, io.BufferedReader, io.BufferedWriter, io.BufferedRandom, io.FileIO)
    return w.file.mode, w.file.name, [isinstance(w.file, kind) for kind in kinds], repr(w.file)


def _into(w: World) -> Any:
    buffer = bytearray(5)
    return w.file.readinto(buffer), bytes(buffer)


def _os_open(w: World, path: str, flags: int) -> None:
    if w.fd >= 0:
        os.close(w.fd)
        w.fd = -1
    w.fd = os.open(w.path(path), flags, 0o640)


def _os_close(w: World) -> None:
    fd, w.fd = w.fd, -1
    os.close(fd)


def _two(w: World) -> Any:
    other = os.dup(w.fd)
    try:
        return os.read(other, 2), os.lseek(w.fd, 0, os.SEEK_CUR)
    finally:
        os.close(other)


def _send(w: World, path: str) -> Any:
    target = os.open(w.path(path), os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        return os.sendfile(target, w.fd, 0, 100)
    finally:
        os.close(target)


def _named(w: World, path: str) -> Any:
    with tempfile.NamedTemporaryFile("w+", dir=w.path(path)) as file:
        file.write("temporary")
        file.seek(0)
        inside = file.read(), os.path.exists(file.name)
    return inside, os.path.exists(file.name)


def _temporary(w: World, path: str) -> Any:
    with tempfile.TemporaryFile(dir=w.path(path)) as file:
        file.write(b"x" * 20)
        file.seek(5)
        return file.read(), os.fstat(file.fileno()).st_size


def _made(w: World, path: str) -> Any:
    fd, name = tempfile.mkstemp(dir=w.path(path))
    with os.fdopen(fd, "w") as file:
        file.write("made")
    os.replace(name, w.path(path) + "/made")


def _temporary_directory(w: World, path: str) -> Any:
    with tempfile.TemporaryDirectory(dir=w.path(path)) as name:
        Path(name, "f").write_text("x")
        os.mkdir(f"{name}/d")
    return os.path.exists(name)


def _trees(w: World, path: str) -> Any:
    return [(d, sorted(ds), sorted(fs)) for d, ds, fs in sorted(os.walk(w.path(path)))]


PATHS = ("a", "b", "a/x", "a/y", "b/x", "a/x/y")
CALLS: dict[str, Callable[..., Any]] = {
    "mkdir": lambda w, p: os.mkdir(w.path(p), 0o750),
    "makedirs": lambda w, p: os.makedirs(w.path(p), exist_ok=True),
    "rmdir": lambda w, p: os.rmdir(w.path(p)),
    "removedirs": lambda w, p: os.removedirs(w.path(p)),
    "unlink": lambda w, p: os.remove(w.path(p)),
    "listdir": lambda w, p: sorted(os.listdir(w.path(p))),
    "scandir": lambda w, p: _scan(w.path(p)),
    "stat": lambda w, p: _status(os.stat(w.path(p))),
    "stat slash": lambda w, p: _status(os.stat(w.path(p) + "/")),
    "stat up": lambda w, p: _status(os.stat(w.path(p) + "/..//x")),
    "lstat": lambda w, p: _status(os.lstat(w.path(p))),
    "looks": lambda w, p: [f(w.path(p)) for f in (
        os.path.exists, os.path.lexists, os.path.isdir, os.path.isfile, os.path.islink
    )],
    "readlink": lambda w, p: os.readlink(w.path(p)),
    "realpath": lambda w, p: os.path.realpath(w.path(p)),
    "truncate": lambda w, p: os.truncate(w.path(p), 3),
    "chmod": lambda w, p: os.chmod(w.path(p), 0o700),
    "utime": lambda w, p: (os.utime(w.path(p), ns=(10**18, 2 * 10**18)), os.stat(w.path(p)).st_mtime_ns),
    "access": lambda w, p: os.access(w.path(p), os.R_OK),
    "walk": _trees,
    "chdir": lambda w, p: (os.chdir(w.path(p)), sorted(os.listdir()), os.path.exists("x")),
    "getcwd": lambda w, p: os.getcwd(),
    "here": lambda w, p: (Path("here").write_text("h"), os.stat("./here").st_size, os.unlink("here")),
    "os.open": lambda w, p: _os_open(w, p, os.O_RDWR | os.O_CREAT),
    "os.open exclusive": lambda w, p: _os_open(w, p, os.O_RDWR | os.O_CREAT | os.O_EXCL),
    "os.open append": lambda w, p: _os_open(w, p, os.O_RDWR | os.O_APPEND),
    "os.read": lambda w, p: os.read(w.fd, 4),
    "os.write": lambda w, p: os.write(w.fd, b"written"),
    "os.lseek": lambda w, p: os.lseek(w.fd, -1, os.SEEK_END),
    "os.pread": lambda w, p: os.pread(w.fd, 5, 1),
    "os.pwrite": lambda w, p: os.pwrite(w.fd, b"PW", 2),
    "os.writev": lambda w, p: os.writev(w.fd, [b"1", b"22"]),
    "os.ftruncate": lambda w, p: os.ftruncate(w.fd, 5),
    "os.fstat": lambda w, p: _status(os.fstat(w.fd)),
    "os.fsync": lambda w, p: os.fsync(w.fd),
    "os.dup": lambda w, p: _two(w),
    "os.sendfile": _send,
    "os.close": lambda w, p: _os_close(w),
    "write_text": lambda w, p: Path(w.path(p)).write_text("text\nmore"),
    "write_bytes": lambda w, p: Path(w.path(p)).write_bytes(b"bytes" * 3000),
    "read_text": lambda w, p: Path(w.path(p)).read_text(),
    "touch": lambda w, p: Path(w.path(p)).touch(),
    "Path.mkdir": lambda w, p: Path(w.path(p)).mkdir(parents=True),
    "Path.unlink": lambda w, p: Path(w.path(p)).unlink(missing_ok=True),
    "iterdir": lambda w, p: sorted(map(str, Path(w.path(p)).iterdir())),
    "rglob": lambda w, p: sorted(map(str, Path(w.path(p)).rglob("*"))),
    "glob": lambda w, p: sorted(map(str, Path(w.path(p)).glob("*/[xy]"))),
    "rmtree": lambda w, p: shutil.rmtree(w.path(p)),
    "rmtree quietly": lambda w, p: shutil.rmtree(w.path(p), ignore_errors=True),
    "named": _named, "temporary": _temporary, "mkstemp": _made, "directory": _temporary_directory,
    "f.write": lambda w, p: w.file.write("text" if hasattr(w.file, "encoding") else b"data"),
    "f.write much": lambda w, p: w.file.write("é" * 9000 if hasattr(w.file, "encoding") else b"d" * 20000),
    "f.writelines": lambda w, p: w.file.writelines(
        ["a\n", "b"] if hasattr(w.file, "encoding") else [b"a\n", b"b"]
    ),
    "f.read": lambda w, p: w.file.read(),
    "f.read 3": lambda w, p: w.file.read(3),
    "f.read1": lambda w, p: w.file.read1(4),
    "f.readinto": lambda w, p: _into(w),
    "f.readline": lambda w, p: w.file.readline(),
    "f.readlines": lambda w, p: w.file.readlines(),
    "f.iterate": lambda w, p: list(w.file),
    "f.peek": lambda w, p: w.file.peek(2),
    "f.seek": lambda w, p: w.file.seek(2),
    "f.seek end": lambda w, p: w.file.seek(0, 2),
    "f.tell": lambda w, p: w.file.tell(),
    "f.truncate": lambda w, p: w.file.truncate(4),
    "f.flush": lambda w, p: w.file.flush(),
    "f.close": lambda w, p: w.file.close(),
    "f.closed": lambda w, p: w.file.closed,
    "f.with": lambda w, p: [w.file.__enter__() is w.file, w.file.__exit__(None, None, None)],
    "f.fileno": lambda w, p: os.fstat(w.file.fileno()).st_size,
    "f.drop": lambda w, p: setattr(w, "file", None),
}
TWO: dict[str, Callable[..., Any]] = {
    "rename": lambda w, p, q: os.rename(w.path(p), w.path(q)),
    "replace": lambda w, p, q: os.replace(w.path(p), w.path(q)),
    "renames": lambda w, p, q: os.renames(w.path(p), w.path(q)),
    "link": lambda w, p, q: os.link(w.path(p), w.path(q)),
    "symlink": lambda w, p, q: os.symlink(w.path(p), w.path(q)),
    "symlink relative": lambda w, p, q: os.symlink(p, w.path(q)),
    "copyfile": lambda w, p, q: shutil.copyfile(w.path(p), w.path(q)),
    "copy2": lambda w, p, q: shutil.copy2(w.path(p), w.path(q)),
    "copytree": lambda w, p, q: shutil.copytree(w.path(p), w.path(q), symlinks=True),
    "move": lambda w, p, q: shutil.move(w.path(p), w.path(q)),
    "samefile": lambda w, p, q: os.path.samefile(w.path(p), w.path(q)),
}
paths = st.sampled_from(PATHS)
modes = st.builds(
    lambda kind, plus, binary: kind + plus + binary,
    st.sampled_from("rwax"), st.sampled_from(["", "+"]), st.sampled_from(["", "b", "t"]),
) | st.sampled_from(["rw", "", "z", "bt", "U"])
opens = st.tuples(st.just("open"), st.tuples(
    paths, modes, st.sampled_from([-1, -1, 0, 1, 16]), st.sampled_from([None, None, "utf-8", "nope"])
))
on_file = st.tuples(st.sampled_from([name for name in CALLS if name.startswith("f.")]), st.tuples(paths))
steps = st.lists(
    st.tuples(st.sampled_from(list(CALLS)), st.tuples(paths))
    | st.tuples(st.sampled_from(list(TWO)), st.tuples(paths, paths)) | opens | on_file | on_file,
    min_size=1, max_size=25,
)


def carry_out(w: World, sequence: list[Step]) -> list[Any]:
    """Make the calls; return their results and errors, with the directory's name taken out."""
    found = []
    home = os.getcwd()
    try:
        os.chdir(w.root)
        # removedirs() goes up as long as directories are empty; those above are not the sequence's.
        Path("kept").touch()
        for name, arguments in sequence:
            call = CALLS.get(name) or TWO.get(name) or _open
            try:
                result: Any = call(w, *arguments)
            except Exception as error:
                result = (type(error).__name__, str(error), getattr(error, "errno", None))
            # The name of a subclass has no module in it.
            text = repr(result).replace(w.root, "ROOT").replace("'_io.", "'")
            found.append((name, arguments, re.sub(r"tmp\w{8}\b", "TEMPORARY", text)))
        if w.file is not None:
            w.file.close()
        if w.fd >= 0:
            os.close(w.fd)
        os.chmod(w.root, 0o700)
        for directory, _, files in sorted(os.walk(w.root)):
            for file in sorted(files):
                path = os.path.join(directory, file)
                data = Path(path).read_bytes() if os.path.isfile(path) else b""
                found.append((path.replace(w.root, "ROOT"), _status(os.lstat(path)), data))
    finally:
        os.chdir(home)
    return found


@pytest.mark.usefixtures("interposed_once")
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::ResourceWarning")
@settings(max_examples=EXAMPLES, derandomize=not DEEP, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps)
@example([("open", ("a", "wb", -1, None)), ("f.close", ("a",)), ("f.writelines", ("a",))])
@example([("os.sendfile", ("a",)), ("open", ("a", "rb", 0, None)), ("f.close", ("a",)), ("f.read", ("a",))])
def test_calls_do_inside_what_they_do_outside(sequence: list[Step]) -> None:
    inside: list[Any] = []

    roots: list[str] = []

    def body() -> None:
        roots.append(str(fresh_dir()))
        inside.extend(carry_out(World(roots[0]), sequence))

    trace = Execution(Ordered((0,)), {(): 0}).run(body)
    for _, error in trace.errors:
        raise error
    # The same path again: how long it is shows in the size of symbolic links.
    os.makedirs(roots[0], 0o700)
    try:
        outside = carry_out(World(roots[0]), sequence)
    finally:
        shutil.rmtree(os.path.dirname(roots[0]))
    for one, two in zip(inside, outside, strict=False):
        assert one == two
    assert len(inside) == len(outside)
