"""G11: the next store removes what dead sessions left, and never touches a session that is alive."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from store_support import LONG, files, live, save, settled, values

from store import BoundarySnapshotStore, layout

KILLS = int(os.environ.get("STORE_KILLS", "10"))
HERE = Path(__file__).parent


def sessions(base: Path) -> list[str]:
    """Return the names of all sessions on a directory."""
    return sorted(os.listdir(base / "_boundary_snapshots"))


def crashed(base: Path, name: str = "session-000007") -> Path:
    """Make what a killed process leaves: a session whose lock nobody holds."""
    session = base / "_boundary_snapshots" / name
    for part in ("live", "staging-0", "trash-0"):
        (session / part).mkdir(parents=True)
        (session / part / "0000000000000000.safetensors").write_text("the shadow of a request")
    return session


def test_killed_at_any_instant_beside_a_live_sibling(tmp_path: Path) -> None:
    sibling = BoundarySnapshotStore(tmp_path)
    save(sibling, "a", 5.0)
    settled(sibling)
    seed = random.Random(11)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent.parent), str(HERE)])}
    for _ in range(KILLS):
        child = subprocess.Popen(
            [sys.executable, HERE / "crashing.py", tmp_path], stdout=subprocess.PIPE, env=environment
        )
        assert child.stdout is not None and child.stdout.readline() == b"on disk\n"
        threading.Event().wait(seed.random() * 0.02)
        child.kill()
        child.wait()
        child.stdout.close()
        assert len(sessions(tmp_path)) == 2
        with BoundarySnapshotStore(tmp_path):
            assert files(tmp_path) == [
                os.path.relpath(os.path.join(sibling._layout.session, "live", live(sibling)[0]), tmp_path)
            ]
    assert sessions(tmp_path) == [Path(sibling._layout.session).name]
    assert values(sibling.load("a", 0)) == [5.0] * 4
    sibling.shutdown(cleanup=True)


def test_siblings_share_a_directory(tmp_path: Path) -> None:
    stores = [BoundarySnapshotStore(tmp_path) for _ in range(3)]
    for position, store in enumerate(stores):
        save(store, "a", float(position))
        settled(store)
    stores[0].cleanup_all()
    stores[1].shutdown(cleanup=True)
    assert values(stores[2].load("a", 0)) == [2.0] * 4
    assert len(files(tmp_path)) == 1
    for store in stores:
        store.shutdown(cleanup=True)
    assert sessions(tmp_path) == []


@pytest.mark.parametrize("empty", [False, True], ids=["killed late", "killed before it made anything"])
def test_what_a_dead_session_left_goes(tmp_path: Path, empty: bool) -> None:
    session = crashed(tmp_path)
    if empty:
        shutil.rmtree(session)
        session.mkdir()
    with BoundarySnapshotStore(tmp_path) as store:
        assert files(tmp_path) == []
        assert sessions(tmp_path) == [Path(store._layout.session).name]


def test_what_is_not_a_session_stays(tmp_path: Path) -> None:
    other = tmp_path / "_boundary_snapshots" / "notes"
    other.mkdir(parents=True)
    (other / "x").write_text("mine")
    (tmp_path / "model.safetensors").write_text("mine too")
    with BoundarySnapshotStore(tmp_path) as store:
        store.cleanup_all()
    assert files(tmp_path) == ["_boundary_snapshots/notes/x", "model.safetensors"]


def test_a_held_lock_protects_whatever_the_process(tmp_path: Path) -> None:
    session = crashed(tmp_path)
    held = os.open(session, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    with BoundarySnapshotStore(tmp_path):
        assert len(files(tmp_path)) == 3
    os.close(held)
    with BoundarySnapshotStore(tmp_path):
        assert files(tmp_path) == []


def test_the_name_of_a_session_is_not_used_again(tmp_path: Path) -> None:
    """Somebody removes all directories: a store that begins then has names that the first one never had."""
    first = BoundarySnapshotStore(tmp_path)
    save(first, "a", 1.0)
    settled(first)
    shutil.rmtree(tmp_path / "_boundary_snapshots")
    with BoundarySnapshotStore(tmp_path) as second:
        save(second, "a", 2.0)
        settled(second)
        first.cleanup_all()
        assert first.shutdown(cleanup=True)
        assert values(second.load("a", 0)) == [2.0] * 4 and len(files(tmp_path)) == 1


@pytest.mark.parametrize("moment", ["mkdir", "open", "flock"])
def test_a_sweep_that_takes_a_session_in_the_making(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Between two steps of a claim somebody sweeps: the store begins again under another name."""
    root = tmp_path / "_boundary_snapshots"
    root.mkdir()
    victim = str(root / f"session-{bytes(8).hex()}")
    drawn = iter((0, 1))
    monkeypatch.setattr(os, "urandom", lambda size: bytes([next(drawn)] * size))
    swept: list[str] = []
    owner = fcntl if moment == "flock" else os
    real = getattr(owner, moment)

    def sweep_once() -> None:
        if not swept:
            swept.append(victim)
            with monkeypatch.context() as patch:
                patch.setattr(owner, moment, real)
                layout._sweep_one(victim)

    def step(*arguments: object, **options: object) -> object:
        if moment == "flock":
            sweep_once()
            return real(*arguments, **options)
        result = real(*arguments, **options)
        if str(arguments[0]).startswith(victim):
            sweep_once()
        return result

    monkeypatch.setattr(owner, moment, step)
    with BoundarySnapshotStore(tmp_path) as store:
        assert swept and store._layout.session != victim
        assert save(store, "a", 1.0)
        settled(store)
        assert values(store.load("a", 0)) == [1.0] * 4


def test_a_sweep_that_comes_between_two_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another sweeper removes the dead session, and a new one takes its name, just before the lock is had.

    Names are drawn, and here the same one is drawn again.
    """
    session = crashed(tmp_path, f"session-{bytes(8).hex()}")
    drawn = iter((0, 1))
    monkeypatch.setattr(os, "urandom", lambda size: bytes([next(drawn)] * size))
    real = fcntl.flock
    born: list[BoundarySnapshotStore] = []

    def flock(fd: int, operation: int) -> None:
        if not born:
            monkeypatch.setattr(fcntl, "flock", real)
            other = os.open(session, os.O_RDONLY)
            layout._remove_session(str(session), other)
            os.close(other)
            born.append(BoundarySnapshotStore(tmp_path))
            save(born[0], "a", 7.0)
            settled(born[0])
        real(fd, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with BoundarySnapshotStore(tmp_path):
        assert Path(born[0]._layout.session) == session
        assert values(born[0].load("a", 0)) == [7.0] * 4
    assert LONG and born[0].shutdown(cleanup=True)


@pytest.mark.parametrize("what", ["rm -rf beside the writer", "a cleaner of old files"])
def test_a_live_session_that_others_tidied_stays_alive(tmp_path: Path, what: str) -> None:
    """Whatever goes from it, the lock does not: a store that begins afterwards leaves it alone."""
    first = BoundarySnapshotStore(tmp_path)
    settled(first)
    session = Path(first._layout.session)
    if what.startswith("rm"):
        for part in session.iterdir():
            part.rmdir()
        save(first, "a", 7.0)
        settled(first)  # its directories are made anew before the last rmdir of the rm
        with pytest.raises(OSError, match="not empty"):
            session.rmdir()
    else:
        save(first, "a", 7.0)
        settled(first)
        for part in session.iterdir():
            if not part.is_dir():
                part.unlink()
    with BoundarySnapshotStore(tmp_path):
        assert values(first.load("a", 0)) == [7.0] * 4 and len(live(first)) == 1
    assert first.shutdown(cleanup=True) and sessions(tmp_path) == []


def test_a_forked_child_keeps_no_session_alive(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent.parent), str(HERE)])}
    parent = subprocess.Popen(
        [sys.executable, HERE / "forking.py", tmp_path], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    try:
        parent.kill()
        parent.wait()
        os.kill(child, 0)
        assert len(files(tmp_path)) == 1
        with BoundarySnapshotStore(tmp_path):
            assert files(tmp_path) == []
    finally:
        os.kill(child, signal.SIGKILL)
        parent.stdout.close()


def test_a_file_that_cannot_be_removed_keeps_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("live", "staging-0", "trash-1"):
        directory = tmp_path / "_boundary_snapshots" / "session-00dead" / name
        directory.mkdir(0o700, parents=True)
        for number in range(3):
            (directory / str(number)).touch()
    unlink = os.unlink

    def stubborn(path: str, **options: int) -> None:
        if path == "1" and os.path.samestat(kept, os.stat(path, **options, follow_symlinks=False)):
            raise PermissionError(errno.EPERM, "Operation not permitted", path)
        unlink(path, **options)

    monkeypatch.setattr(os, "unlink", stubborn)
    kept = os.stat(directory.parent / "live" / "1")
    BoundarySnapshotStore(tmp_path).shutdown(cleanup=True)
    assert files(tmp_path) == ["_boundary_snapshots/session-00dead/live/1"]


def test_where_directories_cannot_be_locked_the_store_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(fd: int, operation: int) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match="local file system"):
        BoundarySnapshotStore(tmp_path)
    assert sessions(tmp_path) == []
