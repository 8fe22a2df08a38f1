"""G3: after `save` returned True, `load` returns that snapshot, whatever the disk does."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import threading
from pathlib import Path

import pytest
from store_support import LONG, Disk, files, live, save, settled, values

from store import BoundarySnapshotStore, layout

ERRORS = [
    OSError(errno.ENOSPC, "no space left on device"), PermissionError(errno.EACCES, "permission denied"),
    OSError(errno.EIO, "input/output error"), MemoryError("no memory"), RuntimeError("a bug"),
]  # fmt: skip


def test_while_queued_in_hand_and_on_disk(store: BoundarySnapshotStore, disk: Disk) -> None:
    arrived, gate = disk.hold("a")
    save(store, "a", 1.0)
    save(store, "b", 2.0)
    assert arrived.wait(LONG)
    for _ in range(2):
        assert values(store.load("a", 0)) == [1.0] * 4 and store.has("a", 0)
        assert values(store.load("b", 0)) == [2.0] * 4 and store.has("b", 0)
        gate.set()
        settled(store)
    assert (store.stats().on_disk, store.stats().pending) == (2, 0)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__ + str(error)[:10])
def test_a_failed_write_stays_in_memory(
    store: BoundarySnapshotStore, disk: Disk, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    disk.fail("a", error)
    with caplog.at_level(logging.WARNING, "store"):
        assert save(store, "a", 3.0)
        settled(store)
    assert values(store.load("a", 0)) == [3.0] * 4 and store.has("a", 0)
    stats = store.stats()
    assert (stats.failed_writes, stats.pending, stats.pending_bytes) == (1, 1, 16)
    assert type(error).__name__ in (stats.last_error or "") and type(error).__name__ in caplog.text
    assert files(tmp_path) == []
    # The writer goes on.
    assert save(store, "b")
    settled(store)
    assert len(live(store)) == 1
    assert store.cleanup_request("a")
    assert store.stats().pending_bytes == 0 and not store.has("a", 0)


@pytest.mark.parametrize("part", ["", "live", "staging-0"], ids=["session", "live", "staging"])
def test_directories_that_somebody_removed_are_made_anew(store: BoundarySnapshotStore, part: str) -> None:
    settled(store)
    shutil.rmtree(Path(store._layout.session, part))
    assert save(store, "a", 4.0)
    settled(store)
    assert store.stats().failed_writes == 0 and len(live(store)) == 1
    assert values(store.load("a", 0)) == [4.0] * 4


def test_a_directory_that_cannot_be_made_is_a_failed_write(
    store: BoundarySnapshotStore, tmp_path: Path
) -> None:
    settled(store)
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_text("in the way")
    assert save(store, "a", 5.0)
    settled(store)
    assert store.stats().failed_writes == 1
    assert values(store.load("a", 0)) == [5.0] * 4
    assert (tmp_path / "cache").read_text() == "in the way"


def test_a_file_that_vanished_is_none_and_said(
    store: BoundarySnapshotStore, caplog: pytest.LogCaptureFixture
) -> None:
    save(store, "a")
    settled(store)
    Path(store._layout.session, "live", *live(store)).unlink()
    with caplog.at_level(logging.WARNING, "store"):
        assert store.load("a", 0) is None
    assert "cannot be read" in caplog.text
    assert not store.has("a", 0) and store._state.current == {} == store._state.leaving


def test_a_read_that_fails_once_loses_nothing(
    store: BoundarySnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from store import codec

    save(store, "a", 6.0)
    settled(store)
    with monkeypatch.context() as patch:

        def read(path: str) -> None:
            raise RuntimeError("too many open files")

        patch.setattr(codec, "read", read)
        assert store.load("a", 0) is None
    assert values(store.load("a", 0)) == [6.0] * 4


def test_a_part_that_cannot_be_removed_is_not_forgotten(
    store: BoundarySnapshotStore, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.fail("a", OSError(errno.EIO, "input/output error"))
    real = layout.remove_file

    def refuse(path: str) -> None:
        raise PermissionError(errno.EACCES, "no", path)

    monkeypatch.setattr(layout, "remove_file", refuse)
    save(store, "a")
    settled(store)
    monkeypatch.setattr(layout, "remove_file", real)
    assert len(files(tmp_path)) == 1
    assert save(store, "b")
    settled(store)
    assert store.cleanup_request("a")
    assert len(files(tmp_path)) == len(live(store)) == 1


def test_an_error_at_the_close_is_one_of_the_write(
    store: BoundarySnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    close, writer = os.close, store._writer.thread.ident

    def failing(fd: int) -> None:
        close(fd)
        if threading.get_ident() == writer:
            raise OSError(errno.EIO, "input/output error")

    settled(store)
    monkeypatch.setattr(os, "close", failing)
    assert save(store, "a", 5.0)
    settled(store)
    assert live(store) == [] and store.stats().failed_writes == 1
    assert values(store.load("a", 0)) == [5.0] * 4
