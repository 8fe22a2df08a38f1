"""Each switch of the original store, against the same calls without it, on real threads in a forced order.

The expectation of a test is the pair (without the switch, with it).
"""

from __future__ import annotations

import os
import queue
from pathlib import Path
from typing import Any

import pytest
import safetensors
from real_threads import Threads, eventually, fail_writes_of, files, loaded, save, settle

from schedule_explorer.targets.original_store import Flaws
from schedule_explorer.targets.original_store import store as store_module


def switch(name: str) -> pytest.MarkDecorator:
    """Run a test with everything fixed, and with one switch on."""
    cases = [Flaws(), Flaws(**{name: True})]
    return pytest.mark.parametrize("flaws", cases, ids=["fixed", name])


@switch("no_barrier")
def test_1_in_hand_orphan(threads: Threads, tmp_path: Path, flaws: Flaws) -> None:
    store = threads.store(tmp_path, flaws=flaws, cleanup_all_timeout=10)
    gate = threads.hold(os, "makedirs")
    save(store, "r")
    gate.wait()
    cleanup = threads.started(store.cleanup_all)
    cleanup.join(0.2)
    assert cleanup.is_alive() is not flaws.no_barrier
    gate.open()
    cleanup.join()
    settle(store)
    assert files(tmp_path / "_boundary_snapshots" / "r") == (["1.safetensors"] if flaws.no_barrier else [])


@switch("no_barrier")
def test_2_in_hand_orphan_of_one_request(threads: Threads, tmp_path: Path, flaws: Flaws) -> None:
    store = threads.store(tmp_path, flaws=flaws, cleanup_request_timeout=10)
    gate = threads.hold(os, "makedirs")
    save(store, "r")
    gate.wait()
    cleanup = threads.started(lambda: store.cleanup_request("r"))
    cleanup.join(0.2)
    assert cleanup.is_alive() is not flaws.no_barrier
    gate.open()
    cleanup.join()
    settle(store)
    # The counter has the file removed in either case; it is the directory that stays.
    assert files(tmp_path / "_boundary_snapshots" / "r") == []
    assert (tmp_path / "_boundary_snapshots" / "r").exists() is flaws.no_barrier


@switch("failed_write_keeps_counter")
def test_3_failed_rename_pins_the_id(threads: Threads, tmp_path: Path, flaws: Flaws) -> None:
    store = threads.store(tmp_path, flaws=flaws)
    gate = threads.hold(os, "rename")
    save(store, "r")
    gate.wait()
    store.cleanup_request("r")
    gate.open()
    settle(store)
    assert store._cancelled_requests == ({"r": 1} if flaws.failed_write_keeps_counter else {})
    save(store, "r", 2, b"next")
    settle(store)
    assert loaded(store, "r", 2) == (None if flaws.failed_write_keeps_counter else b"next")


@switch("zero_counter")
def test_4_zero_counter_cancels_the_next_save(threads: Threads, tmp_path: Path, flaws: Flaws) -> None:
    store = threads.store(tmp_path, flaws=flaws)
    gate = threads.hold(safetensors, "serialize_file")
    save(store, "busy")
    gate.wait()
    store.cleanup_request("r")
    assert store._cancelled_requests == ({"r": 0} if flaws.zero_counter else {})
    gate.open()
    save(store, "r", 1, b"next")
    settle(store)
    assert loaded(store, "r") == (None if flaws.zero_counter else b"next")


@switch("overwritten_counter")
def test_5_overwritten_counter_ends_too_early(threads: Threads, tmp_path: Path, flaws: Flaws) -> None:
    store = threads.store(tmp_path, flaws=flaws)
    gate = threads.hold(safetensors, "serialize_file")
    save(store, "busy")
    gate.wait()
    save(store, "r", 1)
    save(store, "r", 2, b"forgotten")
    store.cleanup_request("r")
    save(store, "r", 3)
    store.cleanup_request("r")
    assert store._cancelled_requests == ({"r": 1} if flaws.overwritten_counter else {"r": 3})
    save(store, "r", 2, b"next")
    gate.open()
    settle(store)
    # Without the switch the next save is lost as well (13), but nothing forgotten is served.
    assert loaded(store, "r", 2) == (b"forgotten" if flaws.overwritten_counter else None)


@switch("popped_on_timeout")
def test_6_counter_popped_on_timeout(threads: Threads, tmp_path: Path, flaws: Flaws) -> None:
    store = threads.store(tmp_path, flaws=flaws)
    gate = threads.hold(os, "makedirs")
    save(store, "r")
    gate.wait()
    store.cleanup_request("r")
    assert store._cancelled_requests == ({} if flaws.popped_on_timeout else {"r": 1})
    gate.open()
    settle(store)
    assert files(tmp_path / "_boundary_snapshots" / "r") == (
        ["1.safetensors"] if flaws.popped_on_timeout else []
    )


@switch("early_return_keeps_counter")
def test_7_early_return_without_countdown(threads: Threads, tmp_path: Path, flaws: Flaws) -> None:
    store = threads.store(tmp_path, flaws=flaws)
    gate = threads.hold(safetensors, "serialize_file")
    save(store, "busy")
    gate.wait()
    save(store, "r")
    store.cleanup_request("r")
    gate.open()
    settle(store)
    assert store._cancelled_requests == ({"r": 1} if flaws.early_return_keeps_counter else {})
    save(store, "r", 2, b"next")
    settle(store)
    assert loaded(store, "r", 2) == (None if flaws.early_return_keeps_counter else b"next")


@switch("flag_before_cleanup")
def test_8_flag_before_cleanup(
    threads: Threads, tmp_path: Path, flaws: Flaws, caplog: pytest.LogCaptureFixture
) -> None:
    store = threads.store(tmp_path, flaws=flaws)
    save(store, "r")
    settle(store)
    store.shutdown(cleanup=True)
    assert store.has("r", 1) is flaws.flag_before_cleanup
    assert bool(files(tmp_path)) is flaws.flag_before_cleanup
    assert ("after shutdown" in caplog.text) is flaws.flag_before_cleanup


@switch("blocking_sentinel")
def test_9_sentinel_on_a_full_queue(
    threads: Threads, tmp_path: Path, flaws: Flaws, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = threads.store(tmp_path, flaws=flaws, queue_size=1)
    store.shutdown()
    real = store._queue.get_nowait
    if store._queue.empty():
        store._queue.put(None)

    def drained() -> Any:
        item = real()
        monkeypatch.undo()
        assert item is None and save(store, "r"), "a save takes the sentinel's place"
        return item

    monkeypatch.setattr(store._queue, "get_nowait", drained)
    cleanup = threads.started(store.cleanup_all)
    cleanup.join(0.5)
    assert cleanup.is_alive() is flaws.blocking_sentinel
    if flaws.blocking_sentinel:
        store._queue.get()
        cleanup.join()


@switch("no_cleared_check")
def test_10_cleanup_between_get_and_barrier(threads: Threads, tmp_path: Path, flaws: Flaws) -> None:
    store = threads.store(tmp_path, flaws=flaws)
    with store._writer_busy:
        save(store, "r")
        eventually(store._queue.empty)
        store.cleanup_all()
    settle(store)
    assert files(tmp_path / "_boundary_snapshots" / "r") == (
        ["1.safetensors"] if flaws.no_cleared_check else []
    )


@switch("full_queue_keeps_entry")
def test_16_entry_without_queue_item(threads: Threads, tmp_path: Path, flaws: Flaws) -> None:
    store = threads.store(tmp_path, flaws=flaws, queue_size=1)
    gate = threads.park(store)
    save(store, "busy")
    assert save(store, "r") is flaws.full_queue_keeps_entry
    assert store.has("r", 1) is flaws.full_queue_keeps_entry
    gate.open()
    eventually(lambda: ("busy", 1) not in store._pending_writes)
    settle(store)
    assert files(tmp_path / "_boundary_snapshots" / "r") == []
    assert loaded(store, "r") == (b"data" if flaws.full_queue_keeps_entry else None)


@switch("forgets_failed_write")
def test_18_accepted_then_lost(
    threads: Threads, tmp_path: Path, flaws: Flaws, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_writes_of("r", monkeypatch)
    store = threads.store(tmp_path, flaws=flaws)
    assert save(store, "r")
    settle(store)
    assert loaded(store, "r") == (None if flaws.forgets_failed_write else b"data")


@switch("inline_when_full")
def test_20_inline_save_waits_for_the_writer(threads: Threads, tmp_path: Path, flaws: Flaws) -> None:
    store = threads.store(tmp_path, flaws=flaws, queue_size=1)
    gate = threads.hold(safetensors, "serialize_file")
    save(store, "busy")
    gate.wait()
    save(store, "queued")
    answers: queue.Queue[bool] = queue.Queue()
    caller = threads.started(lambda: answers.put(save(store, "r")))
    caller.join(0.3)
    assert caller.is_alive() is flaws.inline_when_full
    gate.open()
    assert answers.get(timeout=10) is flaws.inline_when_full
    assert files(tmp_path / "_boundary_snapshots" / "r") == (
        ["1.safetensors"] if flaws.inline_when_full else []
    )


@switch("tidies_directories")
def test_28_rmdir_before_the_open(threads: Threads, tmp_path: Path, flaws: Flaws) -> None:
    store = threads.store(tmp_path, flaws=flaws)
    gate = threads.hold(safetensors, "serialize_file")
    save(store, "r")
    gate.wait()
    store.cleanup_request("other")
    gate.open()
    settle(store)
    assert files(tmp_path / "_boundary_snapshots" / "r") == (
        [] if flaws.tidies_directories else ["1.safetensors"]
    )


@switch("load_raises")
def test_29_load_meets_a_removal(
    threads: Threads, tmp_path: Path, flaws: Flaws, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = threads.store(tmp_path, flaws=flaws)
    save(store, "r")
    settle(store)
    real = store_module._exists

    def seen_then_removed(path: Path) -> bool:
        there = real(path)
        store.cleanup_request("r")
        return there

    monkeypatch.setattr(store_module, "_exists", seen_then_removed)
    if flaws.load_raises:
        with pytest.raises(FileNotFoundError):
            store.load("r", 1)
    else:
        assert store.load("r", 1) is None
    monkeypatch.undo()
