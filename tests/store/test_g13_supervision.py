"""G13: a writer that dies is noticed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from store_support import LONG, Disk, files, later, save, settled, values, waiting

from store import BoundarySnapshotStore, CleanupOutcome, codec, layout, writer


class Killed(BaseException):
    """What no handler of exceptions catches."""


def test_saves_are_refused_with_the_reason(
    store: BoundarySnapshotStore, disk: Disk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(store, "old", 1.0)
    settled(store)
    arrived, gate = disk.hold("a")
    disk.fail("a", Killed("out of the blue"))
    save(store, "a", 2.0)
    save(store, "queued", 3.0)
    assert arrived.wait(LONG)
    with caplog.at_level(logging.WARNING, "store"):
        gate.set()
        store._writer.thread.join(LONG)
        assert not save(store, "b")
    assert "the writer is dead: Killed: out of the blue" in caplog.text
    assert "Killed" in (store.stats().last_error or "")
    # What was accepted is still served, and can still be forgotten.
    assert [values(store.load(one, 0)) for one in ("old", "a", "queued")] == [[1.0] * 4, [2.0] * 4, [3.0] * 4]
    assert len(files(tmp_path)) == 1, "no part of the write is left"
    assert store.cleanup_all()
    assert files(tmp_path) == [] and store.stats().pending_bytes == 0
    assert not store.shutdown(), "accepted writes did not finish"


def test_a_writer_that_dies_before_it_has_named_a_file(
    store: BoundarySnapshotStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def place(sequence: int) -> layout.Place:
        raise MemoryError("no memory for a name")

    settled(store)
    monkeypatch.setattr(store._layout, "place", place)
    assert save(store, "a", 2.0)
    store._writer.thread.join(LONG)
    assert not save(store, "b") and "the writer is dead: MemoryError: no memory for a name" in caplog.text
    assert values(store.load("a", 0)) == [2.0] * 4
    assert store.cleanup_request("a") and store.stats().pending_bytes == 0
    assert store._state.in_hand is None and files(tmp_path) == []


def test_a_cleanup_that_waits_for_it_returns(
    store: BoundarySnapshotStore, disk: Disk, tmp_path: Path
) -> None:
    arrived, gate = disk.hold("a")
    disk.fail("a", Killed())
    save(store, "a")
    assert arrived.wait(LONG)
    outcome = later(store.cleanup_all)
    waiting(store)
    gate.set()
    assert outcome()
    assert files(tmp_path) == [] and store.stats().pending_bytes == 0


def test_errors_of_the_tidying_up_do_not_kill_it(
    store: BoundarySnapshotStore, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The zoo's 22: an error where nobody expects one."""
    real = layout.remove_file

    def remove_file(path: str) -> None:
        if threading.current_thread() is store._writer.thread:
            raise OSError(5, "input/output error", path)
        real(path)

    monkeypatch.setattr(layout, "remove_file", remove_file)
    save(store, "a", 1.0)
    settled(store)
    save(store, "a", 2.0)  # its old file is removed by the writer
    settled(store)
    arrived, gate = disk.hold("b")
    save(store, "b")
    assert arrived.wait(LONG)
    outcome = later(lambda: store.cleanup_request("b"))
    waiting(store)
    gate.set()
    assert not outcome() and "input/output" in (store.stats().last_error or "")
    monkeypatch.setattr(layout, "remove_file", real)
    assert save(store, "c", 3.0)
    settled(store)
    assert values(store.load("c", 0)) == [3.0] * 4
    assert store.cleanup_all() and files(store.root) == []


def test_a_thread_that_cannot_start_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(RuntimeError, match="can't start"):
            BoundarySnapshotStore(tmp_path)
    assert list((tmp_path / "_boundary_snapshots").iterdir()) == []


def test_an_interrupt_while_the_writer_is_woken_leaves_it_no_deaf_one(
    store: BoundarySnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(store)

    def interrupted() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store._writer, "_signal", interrupted)
        with pytest.raises(KeyboardInterrupt):
            save(store, "a")
    save(store, "b")
    settled(store)
    assert store.stats().written == 2


def test_a_cleanup_that_the_collector_runs_on_the_writer_does_not_wait_for_the_writer(
    store: BoundarySnapshotStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes: list[CleanupOutcome] = []

    def write(fd: int, snapshot: codec.Snapshot, wanted: Callable[[], bool]) -> bool:
        outcomes.append(store.cleanup_request("a"))
        return codec.write(fd, snapshot, wanted)

    monkeypatch.setattr(writer, "write_snapshot", write)
    save(store, "a")
    settled(store)
    assert [outcome.deferred for outcome in outcomes] == [True]
    assert not store.has("a", 0) and files(tmp_path) == []
