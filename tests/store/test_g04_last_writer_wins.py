"""G4: the last accepted save of a key is the one that is loaded; one that fails destroys nothing."""

from __future__ import annotations

import errno
from pathlib import Path

from store_support import LONG, Disk, files, live, save, settled, values

from store import BoundarySnapshotStore


def test_over_a_queued_one(store: BoundarySnapshotStore, disk: Disk) -> None:
    arrived, gate = disk.hold("other")
    save(store, "other")
    assert arrived.wait(LONG)
    save(store, "a", 1.0)
    save(store, "a", 2.0)
    assert values(store.load("a", 0)) == [2.0] * 4
    gate.set()
    settled(store)
    assert values(store.load("a", 0)) == [2.0] * 4
    assert disk.written == ["other", "a"]


def test_over_one_in_hand(store: BoundarySnapshotStore, disk: Disk, tmp_path: Path) -> None:
    for after in (False, True):
        arrived, gate = disk.hold("a", after=after)
        save(store, "a", 1.0)
        assert arrived.wait(LONG)
        assert save(store, "a", 2.0)
        assert values(store.load("a", 0)) == [2.0] * 4
        gate.set()
        settled(store)
        assert values(store.load("a", 0)) == [2.0] * 4
        assert len(files(tmp_path)) == len(live(store)) == 1


def test_over_a_file(store: BoundarySnapshotStore, disk: Disk, tmp_path: Path) -> None:
    save(store, "a", 1.0)
    settled(store)
    (old,) = live(store)
    arrived, gate = disk.hold("a")
    save(store, "a", 2.0)
    assert arrived.wait(LONG)
    assert live(store) == [old], "the older file stays until the newer one is there"
    gate.set()
    settled(store)
    assert len(live(store)) == 1 and live(store) != [old]
    assert values(store.load("a", 0)) == [2.0] * 4


def test_a_failed_one_leaves_the_older_file(store: BoundarySnapshotStore, disk: Disk, tmp_path: Path) -> None:
    save(store, "a", 1.0)
    settled(store)
    good = live(store)
    disk.fail("a", OSError(errno.ENOSPC, "no space left on device"))
    save(store, "a", 2.0)
    settled(store)
    assert live(store) == good
    assert values(store.load("a", 0)) == [2.0] * 4, "what was accepted is served from memory"
    disk.heal()
    save(store, "a", 3.0)
    settled(store)
    assert values(store.load("a", 0)) == [3.0] * 4
    assert len(files(tmp_path)) == 1 and live(store) != good


def test_a_refused_one_changes_nothing(store: BoundarySnapshotStore) -> None:
    save(store, "a", 1.0)
    settled(store)
    store._state.max_pending_bytes = 100
    assert not save(store, "a", 2.0, size=1000)
    assert values(store.load("a", 0)) == [1.0] * 4


def test_older_files_go_with_a_cleanup_however_many_failed(
    store: BoundarySnapshotStore, disk: Disk, tmp_path: Path
) -> None:
    save(store, "a", 1.0)
    settled(store)
    disk.fail("a", OSError(errno.ENOSPC, "no space left on device"))
    for value in (2.0, 3.0):
        save(store, "a", value)
        settled(store)
    assert len(files(tmp_path)) == 1
    assert store.cleanup_request("a")
    assert files(tmp_path) == [] and store.stats().pending_bytes == 0
