"""The bugs of the zoo that the fix left, on the store after its fix: they must not be fixed in passing."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest
import safetensors
from real_threads import WRITER, Threads, eventually, fail_writes_of, files, loaded, save, settle

from schedule_explorer.targets.original_store import store as store_module


def test_11_aba_serves_what_was_forgotten(threads: Threads, tmp_path: Path) -> None:
    store = threads.store(tmp_path)
    gate = threads.park(store)
    save(store, "r", 1, b"forgotten")
    store.cleanup_request("r")
    assert save(store, "r", 1, b"next")
    gate.open()
    settle(store)
    assert loaded(store, "r") == b"forgotten"


def test_12_resave_during_the_write_is_lost(threads: Threads, tmp_path: Path) -> None:
    store = threads.store(tmp_path)
    gate = threads.hold(safetensors, "serialize_file")
    save(store, "r", 1, b"first")
    gate.wait()
    assert save(store, "r", 1, b"second")
    gate.open()
    settle(store)
    assert loaded(store, "r") == b"first"


def test_13_resave_after_a_cleanup_that_waited_in_vain_is_lost(threads: Threads, tmp_path: Path) -> None:
    store = threads.store(tmp_path)
    gate = threads.hold(os, "makedirs")
    save(store, "r", 1, b"forgotten")
    gate.wait()
    store.cleanup_request("r")
    assert save(store, "r", 1, b"next")
    gate.open()
    settle(store)
    assert loaded(store, "r") is None


class CleanupFirst:
    """The registry lock, with a cleanup just before it is taken the first time."""

    def __init__(self, lock: threading.Lock, cleanup: Any) -> None:
        self._lock = lock
        self._cleanup = cleanup

    def __enter__(self) -> None:
        cleanup, self._cleanup = self._cleanup, lambda: None
        cleanup()
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()


def test_14_half_published_save_is_registered_and_nowhere(threads: Threads, tmp_path: Path) -> None:
    store = threads.store(tmp_path)
    store._registry_lock = CleanupFirst(store._registry_lock, lambda: store.cleanup_request("r"))  # type: ignore
    assert save(store, "r")
    settle(store)
    assert (store.has("r", 1), store.load("r", 1)) == (True, None)


def test_15_stat_that_hangs_blocks_has(threads: Threads, tmp_path: Path) -> None:
    store = threads.store(tmp_path)
    save(store, "earlier")
    settle(store)
    hung = threads.hold(store_module, "_exists")
    save(store, "r")
    hung.wait()
    asking = threads.started(lambda: store.has("earlier", 1))
    asking.join(0.2)
    assert asking.is_alive()
    hung.open()
    asking.join(10)
    assert not asking.is_alive()


def test_16_ghost_of_a_failed_write_loses_the_next_save(
    threads: Threads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = threads.store(tmp_path)
    fail_writes_of("r", monkeypatch)
    save(store, "r")
    settle(store)
    monkeypatch.undo()
    gate = threads.hold(safetensors, "serialize_file")
    save(store, "busy")
    gate.wait()
    store.cleanup_request("r")
    gate.open()
    assert save(store, "r", 2)
    settle(store)
    assert loaded(store, "r", 2) is None


def test_17_counter_pinned_by_cleanup_all(threads: Threads, tmp_path: Path) -> None:
    store = threads.store(tmp_path)
    gate = threads.hold(safetensors, "serialize_file")
    save(store, "busy")
    gate.wait()
    save(store, "r")
    store.cleanup_request("r")
    store.cleanup_all()
    gate.open()
    assert save(store, "r", 2)
    settle(store)
    assert loaded(store, "r", 2) is None


def test_19_failed_resave_unlinks_the_good_file(
    threads: Threads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = threads.store(tmp_path)
    save(store, "r")
    settle(store)
    assert files(tmp_path / "_boundary_snapshots" / "r") == ["1.safetensors"]
    fail_writes_of("r", monkeypatch)
    save(store, "r")
    settle(store)
    assert files(tmp_path / "_boundary_snapshots" / "r") == []


def test_21_cancelled_items_are_free(threads: Threads, tmp_path: Path) -> None:
    store = threads.store(tmp_path, max_pending_bytes=10)
    gate = threads.park(store)
    for _ in range(18):
        assert save(store, "r", 1, b"x" * 10)
        store.cleanup_request("r")
    assert sum(item.nbytes for item in store._queue.queue if item is not None) == 18 * 10
    gate.open()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_22_writer_dies_and_saves_go_on(threads: Threads, tmp_path: Path) -> None:
    store = threads.store(tmp_path)
    # No fault is needed: the name is too long for the disk, and stat says so with an error of its own.
    assert save(store, "r" * 10_000)
    store._writer.join(10)
    assert not store._writer.is_alive()
    assert save(store, "r")


def test_23_second_store_sweeps_the_first(threads: Threads, tmp_path: Path) -> None:
    store = threads.store(tmp_path)
    save(store, "r")
    settle(store)
    threads.store(tmp_path)
    assert (store.has("r", 1), store.load("r", 1)) == (True, None)


@pytest.mark.parametrize(("cleaned", "lost"), [("..", "cache"), ("", "r"), ("a", "a/b")])
def test_24_id_is_a_path(threads: Threads, tmp_path: Path, cleaned: str, lost: str) -> None:
    store = threads.store(tmp_path)
    (tmp_path / "cache").write_text("of someone else")
    for request_id in ("r", "a/b"):
        save(store, request_id)
    settle(store)
    store.cleanup_request(cleaned)
    gone = tmp_path / "cache" if lost == "cache" else tmp_path / "_boundary_snapshots" / lost
    assert not gone.exists()


def test_24_link_is_followed(threads: Threads, tmp_path: Path) -> None:
    store = threads.store(tmp_path / "cache")
    (tmp_path / "outside").mkdir()
    (tmp_path / "cache" / "_boundary_snapshots" / "r").symlink_to(tmp_path / "outside")
    save(store, "r")
    settle(store)
    assert files(tmp_path / "outside") == ["1.safetensors"]


def test_25_save_after_shutdown_is_accepted(threads: Threads, tmp_path: Path) -> None:
    store = threads.store(tmp_path)
    store.shutdown()
    assert save(store, "r")
    assert store.has("r", 1) and not files(tmp_path)


def test_26_store_dropped_without_shutdown_stays(threads: Threads, tmp_path: Path) -> None:
    store = threads.store(tmp_path)
    dropped = weakref.ref(store)
    threads.forget(store)
    del store
    gc.collect()
    kept = dropped()
    assert kept is not None and kept._writer.is_alive() and kept._writer.name == WRITER
    kept.shutdown()


def test_27_last_item_is_pinned(threads: Threads, tmp_path: Path) -> None:
    store = threads.store(tmp_path)
    gate = threads.park(store)
    save(store, "r")
    item = weakref.ref(store._pending_writes["r", 1].item)
    gate.open()
    eventually(lambda: not store._pending_writes)
    store.cleanup_request("r")
    gc.collect()
    assert item() is not None
    settle(store)
    gc.collect()
    assert item() is None
