"""G8: every byte is counted, over the budget a save is refused, and nothing outlives its cleanup."""

from __future__ import annotations

import errno
import gc
import os
import threading
import weakref
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from store_support import LONG, Disk, extract, files, save, settled

from store import BoundarySnapshotStore, codec

REQUESTS = int(os.environ.get("STORE_LEAK_REQUESTS", "10000"))
KILO = 1000


def tables(store: BoundarySnapshotStore) -> list[Any]:
    """Return every table of a store, and what else it could keep."""
    state = store._state
    return [state.current, dict(state.queue), state.leaving, state.in_hand, state.pending_bytes]


EMPTY: list[Any] = [{}, {}, {}, None, 0]


@pytest.fixture
def handles(monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref[Any]]:
    """Weak references to every array that a store keeps."""
    kept: list[weakref.ref[Any]] = []
    real = codec.encode

    def encode(*arguments: Any) -> tuple[codec.Snapshot, list[Any]]:
        snapshot, handles = real(*arguments)
        kept.extend(weakref.ref(tensor) for tensor in codec.described(snapshot)[1].values())
        return snapshot, handles

    monkeypatch.setattr(codec, "encode", encode)
    return kept


def test_queued_in_hand_failed_and_cancelled_are_counted(store: BoundarySnapshotStore, disk: Disk) -> None:
    state = store._state
    state.max_pending_bytes = 4 * KILO
    disk.fail("failed", OSError(errno.ENOSPC, "no space left on device"))
    save(store, "failed", size=250)
    settled(store)
    arrived, gate = disk.hold("in hand")
    save(store, "in hand", size=250)
    assert arrived.wait(LONG)
    save(store, "queued", size=250)
    assert store.stats().pending_bytes == 3 * KILO
    assert not save(store, "a", size=251)
    assert save(store, "a", size=250)
    assert store.stats().pending_bytes == 4 * KILO
    assert not save(store, "b", size=1)
    store._cleanup_request_timeout = 0.0
    assert store.cleanup_request("in hand").deferred
    assert store.stats().pending_bytes == 4 * KILO, "cancelled, and still read"
    assert not save(store, "b", size=1)
    for request_id in ("queued", "a", "failed"):
        store.cleanup_request(request_id)
    assert store.stats().pending_bytes == KILO
    gate.set()
    settled(store)
    assert tables(store) == EMPTY
    assert store.stats().peak_pending_bytes == 4 * KILO


def test_a_save_that_replaces_is_charged_for_what_it_adds(store: BoundarySnapshotStore, disk: Disk) -> None:
    store._state.max_pending_bytes = 2 * KILO
    arrived, _ = disk.hold("x")
    save(store, "x", size=125)
    assert arrived.wait(LONG)
    for _ in range(5):
        assert save(store, "a", size=375)
    assert store.stats().pending_bytes == 2 * KILO
    assert not save(store, "x", size=125), "the one in hand is still there"


def test_cancelled_saves_are_not_free(store: BoundarySnapshotStore, disk: Disk) -> None:
    """The zoo's 21: save and clean up while the writer is stuck, over and over."""
    store._state.max_pending_bytes = 2 * KILO
    arrived, _ = disk.hold("stuck")
    save(store, "stuck", size=250)
    assert arrived.wait(LONG)
    for _ in range(50):
        assert save(store, "a", size=250)
        assert store.stats().pending_bytes == 2 * KILO
        store.cleanup_request("a")
        assert store.stats().pending_bytes == KILO


def test_arrays_go_as_soon_as_they_may(
    store: BoundarySnapshotStore, disk: Disk, handles: list[weakref.ref[Any]]
) -> None:
    arrived, gate = disk.hold("a")
    save(store, "a")
    assert arrived.wait(LONG)
    save(store, "queued")
    in_hand, queued = handles
    assert in_hand() is not None and queued() is not None
    store.cleanup_request("queued")
    assert queued() is None
    gate.set()
    settled(store)
    assert in_hand() is None, "on disk, and still referred to by the sleeping writer"


def test_arrays_of_failed_writes_go_with_their_cleanup(
    store: BoundarySnapshotStore, disk: Disk, handles: list[weakref.ref[Any]]
) -> None:
    for error in (OSError(errno.ENOSPC, "no space left on device"), ValueError("a bug")):
        disk.fail("a", error)
        save(store, "a")
        settled(store)
    disk.heal()
    first, second = handles
    assert first() is None and second() is not None
    store.cleanup_request("a")
    assert second() is None


def test_a_cancelled_write_stops_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handles: list[weakref.ref[Any]]
) -> None:
    store = BoundarySnapshotStore(tmp_path)
    arrived, gate = threading.Event(), threading.Event()
    sizes: list[int] = []
    real = os.writev

    def writev(fd: int, buffers: Any) -> int:
        sizes.append(sum(len(buffer) for buffer in buffers))
        arrived.set()
        assert gate.wait(LONG)
        return real(fd, buffers)

    monkeypatch.setattr(os, "writev", writev)
    monkeypatch.setattr(codec, "_CHUNK", 1 << 12)
    save(store, "a", size=1 << 16)
    assert arrived.wait(LONG)
    store._cleanup_request_timeout = 0.0
    assert store.cleanup_request("a").deferred
    gate.set()
    settled(store)
    assert sizes == [1 << 12], "one chunk of 64 was being written when the cleanup came"
    assert handles[0]() is None and files(tmp_path) == []
    store.shutdown()


def test_nothing_leaks_over_many_requests(tmp_path: Path, handles: list[weakref.ref[Any]]) -> None:
    store = BoundarySnapshotStore(tmp_path)
    descriptors, most = None, None
    for number in range(REQUESTS):
        request_id = f"request-{number % 7}-{number}"
        for count in range(1 + (number % 4 == 0)):
            assert save(store, request_id, float(number), count)
        if number % 5 == 0:
            settled(store)
        if number % 3 == 0:
            assert store.load(request_id, 0) is not None
        if number % 2:
            assert store.cleanup_request(request_id)
        if number % 100 == 99:
            assert store.cleanup_all()
            settled(store)
            assert tables(store) == EMPTY and files(tmp_path) == []
            gc.collect()
            assert not any(handle() is not None for handle in handles)
            handles.clear()
            open_now = sorted(os.listdir("/dev/fd"))
            descriptors = descriptors or open_now
            assert open_now == descriptors
            # Fewer are no leak: what other tests of this process left behind may go.
            threads, nbytes = now = threading.active_count(), mx.get_active_memory()
            most = most or now
            assert threads <= most[0] and nbytes <= most[1]
    store.shutdown(cleanup=True)


def test_a_refused_save_leaves_no_trace(
    store: BoundarySnapshotStore, tmp_path: Path, handles: list[weakref.ref[Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    store._state.max_pending_bytes = 10
    assert not store.save("a", 0, [mx.zeros((4,))], extract)
    assert "max_pending_bytes" in caplog.text
    assert tables(store) == EMPTY and handles[0]() is None and files(tmp_path) == []
    assert not store.has("a", 0) and store.stats().refused == 1


@pytest.mark.parametrize("why", ["full", "shut down"])
def test_a_refused_save_evaluates_nothing(
    store: BoundarySnapshotStore, caplog: pytest.LogCaptureFixture, why: str
) -> None:
    view = mx.broadcast_to(mx.ones((1,), dtype=mx.uint8), (64 << 20,))  # to save it would be to copy it
    extracted: list[str] = []

    def extractor(cache: list[Any]) -> Any:
        extracted.append(why)
        return extract(cache)

    if why == "full":
        store._state.max_pending_bytes = 1 << 20
    else:
        assert store.shutdown(timeout=LONG)
    mx.clear_cache()
    mx.reset_peak_memory()
    before = mx.get_active_memory()
    assert not store.save("a", 0, [view], extractor)
    assert mx.get_peak_memory() - before < 1 << 20
    assert store.stats().refused == 1 and store.stats().pending_bytes == 0
    assert ("max_pending_bytes" if why == "full" else "shut down") in caplog.text
    assert bool(extracted) == (why == "full")


def test_a_save_that_seems_to_find_no_room_and_does(store: BoundarySnapshotStore, disk: Disk) -> None:
    """What it replaces goes: that is seen with the lock, and the save is not refused."""
    disk.fail("a", OSError(errno.ENOSPC, "no space left on device"))
    store._state.max_pending_bytes = KILO
    for value in (1.0, 2.0):
        assert save(store, "a", value, size=250)
        settled(store)
    assert store.stats().refused == 0 and store.stats().pending_bytes == KILO


def test_the_log_of_a_save_that_cannot_be_keeps_no_array(
    store: BoundarySnapshotStore, caplog: pytest.LogCaptureFixture
) -> None:
    def nonsense(cache: list[Any]) -> tuple[list[dict[str, Any]], None]:
        array = mx.zeros((4,))
        kept.append(weakref.ref(array))
        return [{"state": (array, object())}], None

    kept: list[weakref.ref[Any]] = []
    assert not store.save("a", 0, [], nonsense)
    assert len(caplog.records) == 1 and kept[0]() is None
