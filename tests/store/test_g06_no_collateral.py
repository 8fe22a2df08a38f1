"""G6: cleaning up X never touches Y and never waits for Y's write."""

from __future__ import annotations

import pytest
from store_support import LONG, Disk, later, live, save, settled, values

from store import BoundarySnapshotStore


def test_it_does_not_wait_for_another_write(store: BoundarySnapshotStore, disk: Disk) -> None:
    save(store, "x", 1.0)
    settled(store)
    arrived, gate = disk.hold("y")
    save(store, "y", 2.0)
    save(store, "x", 3.0, count=1)
    assert arrived.wait(LONG)
    assert later(lambda: store.cleanup_request("x"))(), "it waited for the write of y"
    assert not store.has("x", 0) and not store.has("x", 1)
    assert values(store.load("y", 0)) == [2.0] * 4
    gate.set()
    settled(store)
    assert values(store.load("y", 0)) == [2.0] * 4 and len(live(store)) == 1


@pytest.mark.parametrize(
    "ids", [("a", "a/b"), ("a", "A"), ("", "."), ("x", "x\0"), ("a" * 10000, "a" * 9999)],
    ids=["prefix", "case", "dot", "nul", "long"],
)
def test_nor_touches_what_is_called_alike(store: BoundarySnapshotStore, ids: tuple[str, str]) -> None:
    for position, request_id in enumerate(ids):
        save(store, request_id, float(position))
    settled(store)
    store.cleanup_request(ids[0])
    assert store.load(ids[0], 0) is None
    assert values(store.load(ids[1], 0)) == [1.0] * 4


def test_two_requests_are_cleaned_up_while_a_third_is_stuck(store: BoundarySnapshotStore, disk: Disk) -> None:
    arrived, gate = disk.hold("z")
    for request_id in "zxy":
        save(store, request_id)
    assert arrived.wait(LONG)
    first, second = later(lambda: store.cleanup_request("x")), later(lambda: store.cleanup_request("y"))
    assert first() and second()
    gate.set()
    settled(store)
    assert disk.written == ["z"] and store.has("z", 0)
