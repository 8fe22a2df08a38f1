"""G1, G3, G10, G13 on a disk that fails where nobody expects it: at a close, a look, a rename that worked."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from store_support import LONG, Disk, files, later, save, settled, values, waiting

from store import BoundarySnapshotStore, codec, layout, writer


def broken(*arguments: Any, **options: Any) -> Any:
    """Fail as a disk does that is not there for a moment."""
    raise OSError(errno.EIO, "input/output error")


@pytest.fixture
def closing(store: BoundarySnapshotStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every close of the writer tells an error."""
    settled(store)
    close, thread = os.close, store._writer.thread

    def failing(fd: int) -> None:
        close(fd)
        if threading.current_thread() is thread:
            broken()

    monkeypatch.setattr(os, "close", failing)


def test_an_error_of_a_load_forgets_no_file_that_may_be_there(
    store: BoundarySnapshotStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(store, "a", 3.0)
    settled(store)
    with monkeypatch.context() as patch:
        patch.setattr(codec, "read", broken)
        patch.setattr(os, "lstat", broken)
        assert store.load("a", 0) is None and store.has("a", 0)
    assert values(store.load("a", 0)) == [3.0] * 4
    assert store.cleanup_request("a") and files(tmp_path) == []


@pytest.mark.usefixtures("closing")
def test_a_failed_write_whose_close_fails_too(store: BoundarySnapshotStore, disk: Disk) -> None:
    disk.fail("a", OSError(errno.ENOSPC, "no space left on device"))
    save(store, "a")
    settled(store)
    assert "no space" in str(store.stats().last_error) and store.stats().failed_writes == 1
    assert save(store, "b") and store.has("a", 0)


@pytest.mark.usefixtures("closing")
def test_the_close_of_a_cancelled_write_fails(
    store: BoundarySnapshotStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived, gate = threading.Event(), threading.Event()

    def write(fd: int, snapshot: codec.Snapshot, wanted: Callable[[], bool]) -> bool:
        os.write(fd, b"half of it")
        arrived.set()
        assert gate.wait(LONG)
        return wanted()

    monkeypatch.setattr(writer, "write_snapshot", write)
    save(store, "a")
    assert arrived.wait(LONG)
    outcome = later(lambda: store.cleanup_request("a"))
    waiting(store)
    gate.set()
    assert outcome() and files(tmp_path) == []
    settled(store)
    assert store._state.death is None and save(store, "b")


def test_a_rename_that_worked_and_told_an_error(
    store: BoundarySnapshotStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = layout.publish

    def publish(place: layout.Place) -> None:
        real(place)
        broken()

    with monkeypatch.context() as patch:
        patch.setattr(layout, "publish", publish)
        save(store, "a", 2.0)
        settled(store)
    assert files(tmp_path) == [] and values(store.load("a", 0)) == [2.0] * 4


def test_a_part_that_cannot_be_removed_where_the_directory_is_gone(
    store: BoundarySnapshotStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(store)
    os.rmdir(Path(store._layout.session, "live"))
    with monkeypatch.context() as patch:
        patch.setattr(layout, "remove_file", broken)
        save(store, "a", 2.0)
        settled(store)
    assert len(files(tmp_path)) == 1 and values(store.load("a", 0)) == [2.0] * 4
    assert store.cleanup_request("a") and files(tmp_path) == []


def test_a_writer_that_dies_and_cannot_remove_what_was_cancelled(
    store: BoundarySnapshotStore, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file stays in the tables: no cleanup says that it is gone, and the next one removes it."""
    settled(store)
    arrived, gate = disk.hold("a")
    disk.fail("a", KeyboardInterrupt())
    real, thread = layout.remove_file, store._writer.thread

    def refuse(path: str) -> None:
        if threading.current_thread() is thread:
            broken()
        real(path)

    monkeypatch.setattr(layout, "remove_file", refuse)
    save(store, "a")
    assert arrived.wait(LONG)
    outcome = later(lambda: store.cleanup_request("a"))
    waiting(store)
    gate.set()
    assert not outcome() and len(files(tmp_path)) == 1
    assert store.cleanup_request("a") and files(tmp_path) == []


@pytest.mark.parametrize("looks", [True, False], ids=["removals fail", "looks fail too"])
def test_a_session_that_could_not_be_removed_is_removed_by_the_next_shutdown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looks: bool
) -> None:
    store = BoundarySnapshotStore(tmp_path)
    save(store, "a")
    settled(store)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", broken)
        if not looks:
            patch.setattr(os, "lstat", broken)
        assert not store.shutdown(cleanup=True)
    with BoundarySnapshotStore(tmp_path):  # it is still this store's
        assert Path(store._layout.session).exists()
    assert store.shutdown(cleanup=True) and os.listdir(store.root) == []
