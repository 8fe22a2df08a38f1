"""G10: shutdown finishes or forgets, twice is fine, and a dropped store leaves no thread behind."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from pathlib import Path

import pytest
from store_support import (
    LONG,
    Disk,
    files,
    later,
    live,
    save,
    settled,
    values,
    waiting,
    waiting_for_end,
)

from store import BoundarySnapshotStore, layout


def test_accepted_writes_finish(store: BoundarySnapshotStore) -> None:
    for count in range(20):
        assert save(store, "a", count=count)
    assert store.shutdown(timeout=LONG)
    assert len(live(store)) == 20 and store.stats().written == 20
    assert not store._writer.thread.is_alive()


def test_afterwards(store: BoundarySnapshotStore, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(store, "a")
    save(store, "b")
    settled(store)
    assert store.shutdown(timeout=LONG) and store.shutdown() and store.shutdown(timeout=0)
    assert not save(store, "c") and "shut down" in caplog.text
    assert store.load("a", 0) is None and not store.has("a", 0)
    assert store.cleanup_request("a") and len(live(store)) == 1
    assert store.cleanup_all() and files(tmp_path) == []
    assert store.stats().pending_bytes == 0


def test_with_cleanup_nothing_is_left(store: BoundarySnapshotStore, disk: Disk, tmp_path: Path) -> None:
    save(store, "a")
    settled(store)
    arrived, gate = disk.hold("b")
    save(store, "b")
    save(store, "c")
    assert arrived.wait(LONG)
    done = later(lambda: store.shutdown(cleanup=True, timeout=LONG))
    waiting(store)
    assert not save(store, "d"), "it is closed before anything is waited for"
    gate.set()
    assert done()
    assert disk.written == ["a", "b"]
    assert os.listdir(store.root) == []
    assert store.shutdown(cleanup=True) and store.cleanup_all()


def test_a_stuck_writer_bounds_it(store: BoundarySnapshotStore, disk: Disk, tmp_path: Path) -> None:
    arrived, gate = disk.hold("a")
    save(store, "a")
    save(store, "b")
    assert arrived.wait(LONG)
    assert not store.shutdown(timeout=0)
    assert store.stats().pending_bytes == 16, "the queued one is dropped, the one in hand is still read"
    gate.set()
    assert store.shutdown(timeout=LONG)
    assert disk.written == ["a"] and len(live(store)) == 1
    assert store.shutdown(cleanup=True) and files(tmp_path) == []


def test_a_stuck_writer_and_cleanup(store: BoundarySnapshotStore, disk: Disk, tmp_path: Path) -> None:
    arrived, gate = disk.hold("a")
    save(store, "a")
    assert arrived.wait(LONG)
    assert not store.shutdown(cleanup=True, timeout=0)
    assert live(store) == []
    gate.set()
    store._writer.thread.join(LONG)
    assert os.listdir(store.root) == [], "the writer is the last one, and removes the session"
    assert store.shutdown(cleanup=True) and store.shutdown(cleanup=True, timeout=0)


def test_the_last_one_removes_the_session_of_a_shutdown_without_time(store: BoundarySnapshotStore) -> None:
    """Whichever that is: the shutdown, or a writer that has not begun to end when the shutdown looks."""
    settled(store)
    store.shutdown(cleanup=True, timeout=0)
    store._writer.thread.join(LONG)
    assert os.listdir(store.root) == []


def test_a_shutdown_waits_for_a_writer_that_removes_the_session(
    store: BoundarySnapshotStore, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived, gate = disk.hold("a")
    save(store, "a")
    assert arrived.wait(LONG)
    assert not store.shutdown(cleanup=True, timeout=0)
    removing, go_on, real = threading.Event(), threading.Event(), layout._remove_session

    def slow(session: str, fd: int) -> None:
        removing.set()
        assert go_on.wait(LONG)
        real(session, fd)

    monkeypatch.setattr(layout, "_remove_session", slow)
    gate.set()
    assert removing.wait(LONG)
    done = later(lambda: store.shutdown(cleanup=True, timeout=LONG))
    waiting_for_end(store)
    go_on.set()
    assert done() and os.listdir(store.root) == []


def test_failed_snapshots_are_let_go(store: BoundarySnapshotStore, disk: Disk) -> None:
    disk.fail("a", OSError(28, "no space left on device"))
    save(store, "a")
    settled(store)
    save(store, "a", count=1)
    store.shutdown(timeout=LONG)
    assert store.stats().pending_bytes == 0 and store._state.current == {}


def test_as_a_context(tmp_path: Path) -> None:
    with BoundarySnapshotStore(tmp_path) as store:
        save(store, "a", 1.0)
        assert values(store.load("a", 0)) == [1.0] * 4
    assert not save(store, "a") and not store._writer.thread.is_alive()
    assert files(tmp_path) == []


@pytest.mark.parametrize("cycle", [False, True])
@pytest.mark.parametrize("busy", [False, True])
def test_dropped_without_shutdown(tmp_path: Path, disk: Disk, cycle: bool, busy: bool) -> None:
    threads = threading.active_count()
    store = BoundarySnapshotStore(tmp_path)
    root = store.root
    arrived, gate = disk.hold("a")
    save(store, "a")
    save(store, "b")
    if busy:
        assert arrived.wait(LONG)
    else:
        gate.set()
        settled(store)
    writer, gone = store._writer.thread, weakref.ref(store)
    if cycle:
        store.itself = store  # type: ignore[attr-defined]
    del store
    gc.collect()
    assert gone() is None
    gate.set()
    writer.join(LONG)
    assert threading.active_count() == threads
    assert os.listdir(root) == []


def test_dropped_by_the_collector_while_the_lock_is_held(tmp_path: Path) -> None:
    """A finalizer runs on whatever thread collects, in the middle of anything: it takes no lock."""
    other = BoundarySnapshotStore(tmp_path / "other")
    settled(other)
    lock, thread = other._lock, other._writer.thread
    with lock:
        del other
        gc.collect()
    thread.join(LONG)
    assert not thread.is_alive()


def test_dropped_after_shutdown(tmp_path: Path) -> None:
    descriptors = len(os.listdir("/dev/fd"))
    store = BoundarySnapshotStore(tmp_path)
    save(store, "a")
    store.shutdown(timeout=LONG)
    assert len(files(tmp_path)) == 1
    del store
    gc.collect()
    assert len(os.listdir("/dev/fd")) == descriptors, "the lock of the session is let go"
    with BoundarySnapshotStore(tmp_path):
        assert files(tmp_path) == []
