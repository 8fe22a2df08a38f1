"""G5: a save after a cleanup is never discarded, and meets nothing from before it."""

from __future__ import annotations

import errno

import pytest
from store_support import LONG, Disk, live, save, settled, values

from store import BoundarySnapshotStore


@pytest.mark.parametrize("timeout", [0.0, LONG])
def test_the_id_is_used_again_at_once(store: BoundarySnapshotStore, disk: Disk, timeout: float) -> None:
    """The zoo's 3 to 7, 11, 13 and 17: whatever the cleanup met, the next save of the id is a new one."""
    store._cleanup_request_timeout = store._cleanup_all_timeout = timeout
    for step in range(6):
        value = float(10 * step)
        save(store, "a", value)
        if step % 2:
            settled(store)
        (store.cleanup_all if step % 3 else lambda: store.cleanup_request("a"))()
        assert store.load("a", 0) is None and not store.has("a", 0)
        assert save(store, "a", value + 1)
        assert values(store.load("a", 0)) == [value + 1] * 4
        settled(store)
        assert values(store.load("a", 0)) == [value + 1] * 4
        assert len(live(store)) == 1 and store.stats().failed_writes == 0


def test_a_queued_old_one_is_not_written_in_its_place(store: BoundarySnapshotStore, disk: Disk) -> None:
    arrived, gate = disk.hold("other")
    save(store, "other")
    assert arrived.wait(LONG)
    save(store, "a", 1.0)
    store.cleanup_request("a")
    save(store, "a", 2.0)
    gate.set()
    settled(store)
    assert values(store.load("a", 0)) == [2.0] * 4 and len(live(store)) == 2
    assert disk.written.count("a") == 1 and store.stats().failed_writes == 0


def test_nor_after_a_cleanup_with_nothing_to_do(store: BoundarySnapshotStore) -> None:
    assert store.cleanup_request("a") and store.cleanup_all()
    assert save(store, "a", 1.0)
    settled(store)
    assert values(store.load("a", 0)) == [1.0] * 4 and live(store)


def test_nor_after_a_failed_write(store: BoundarySnapshotStore, disk: Disk) -> None:
    disk.fail("a", OSError(errno.ENOSPC, "no space left on device"))
    save(store, "a", 1.0)
    settled(store)
    store.cleanup_request("a")
    disk.heal()
    assert save(store, "a", 2.0)
    settled(store)
    assert values(store.load("a", 0)) == [2.0] * 4 and live(store)


def test_stuck_with_the_old_one(store: BoundarySnapshotStore, disk: Disk) -> None:
    arrived, gate = disk.hold("a", after=True)
    save(store, "a", 1.0)
    assert arrived.wait(LONG)
    store._cleanup_request_timeout = 0.0
    assert store.cleanup_request("a").deferred
    assert store.load("a", 0) is None
    assert save(store, "a", 2.0)
    assert values(store.load("a", 0)) == [2.0] * 4
    gate.set()
    settled(store)
    assert values(store.load("a", 0)) == [2.0] * 4 and len(live(store)) == 1
