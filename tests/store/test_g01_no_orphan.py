"""G1: when a cleanup returns, nothing of an earlier save is in the live tree, and nothing gets there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from store_support import LONG, Body, Disk, extract, files, later, live, save, settled, values, waiting

from store import BoundarySnapshotStore, layout
from store.generation import Generation

Cleanup = Callable[[BoundarySnapshotStore], Any]
CLEANUPS = [
    pytest.param(lambda store: store.cleanup_all(), id="all"),
    pytest.param(lambda store: store.cleanup_request("a"), id="request"),
]


@pytest.mark.parametrize("cleanup", CLEANUPS)
@pytest.mark.parametrize("after", [False, True])
def test_a_snapshot_in_hand_is_waited_for(
    store: BoundarySnapshotStore, disk: Disk, tmp_path: Path, cleanup: Cleanup, after: bool
) -> None:
    arrived, gate = disk.hold("a", after=after)
    assert save(store, "a")
    assert arrived.wait(LONG)
    outcome = later(lambda: cleanup(store))
    waiting(store)
    assert not store.has("a", 0)
    gate.set()
    assert outcome()
    assert files(tmp_path) == []
    settled(store)
    assert files(tmp_path) == []


@pytest.mark.parametrize("cleanup", CLEANUPS)
def test_queued_snapshots_are_never_written(
    store: BoundarySnapshotStore, disk: Disk, tmp_path: Path, cleanup: Cleanup
) -> None:
    arrived, gate = disk.hold("b")
    save(store, "b")
    assert arrived.wait(LONG)
    for count in range(3):
        save(store, "a", count=count)
    outcome = later(lambda: cleanup(store))
    gate.set()
    assert outcome()
    settled(store)
    assert "a" not in disk.written


@pytest.mark.parametrize("cleanup", CLEANUPS)
def test_files_on_disk_go(store: BoundarySnapshotStore, tmp_path: Path, cleanup: Cleanup) -> None:
    for count in range(3):
        save(store, "a", count=count)
    settled(store)
    assert len(live(store)) == 3
    outcome = cleanup(store)
    assert outcome and outcome.forgotten == 3
    assert files(tmp_path) == []


@pytest.mark.parametrize("cleanup", CLEANUPS)
@pytest.mark.parametrize("published", [False, True], ids=["before the rename", "after the rename"])
def test_a_rename_that_comes_late_finds_nothing(
    store: BoundarySnapshotStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cleanup: Cleanup,
    published: bool,
) -> None:
    arrived, gate = threading.Event(), threading.Event()
    real = layout.publish
    late: list[BaseException] = []

    def publish(place: layout.Place) -> None:
        if published:
            real(place)
        arrived.set()
        assert gate.wait(LONG)
        if not published:
            try:
                real(place)
            except OSError as error:
                late.append(error)
                raise

    monkeypatch.setattr(layout, "publish", publish)
    store._cleanup_request_timeout = store._cleanup_all_timeout = 0.0
    save(store, "a")
    assert arrived.wait(LONG)
    outcome = cleanup(store)
    assert outcome.deferred and not outcome
    assert live(store) == []
    gate.set()
    settled(store)
    assert live(store) == [] and files(tmp_path) == []
    assert [type(error) for error in late] == ([] if published else [FileNotFoundError])


def test_two_cleanups_of_one_snapshot_are_both_exact(
    store: BoundarySnapshotStore, disk: Disk, tmp_path: Path
) -> None:
    arrived, gate = disk.hold("a")
    save(store, "a")
    assert arrived.wait(LONG)
    first = later(lambda: store.cleanup_request("a"))
    waiting(store)
    second = later(store.cleanup_all)
    gate.set()
    assert first() and second()
    assert files(tmp_path) == []


def test_a_file_that_cannot_be_removed_is_told_and_tried_again(
    store: BoundarySnapshotStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(store, "a")
    settled(store)
    with monkeypatch.context() as patch:

        def refuse(path: str) -> None:
            raise PermissionError(13, "no", path)

        patch.setattr(layout, "remove_file", refuse)
        outcome = store.cleanup_request("a")
    assert not outcome and not outcome.deferred and "PermissionError" in outcome.errors[0]
    assert not store.has("a", 0)
    assert store.cleanup_request("a")
    assert files(tmp_path) == []


def test_a_snapshot_that_was_replaced_leaves_no_file(store: BoundarySnapshotStore, tmp_path: Path) -> None:
    for value in range(5):
        save(store, "a", value)
        settled(store)
    assert len(files(tmp_path)) == 1
    assert store.cleanup_request("a")
    assert files(tmp_path) == []


@pytest.mark.parametrize("cleanup", ["cleanup_request", "cleanup_all", "shutdown"])
def test_a_save_that_had_begun_leaves_nothing(store: BoundarySnapshotStore, cleanup: str) -> None:
    """It was called before the cleanup: as if it had been saved, and removed by that."""

    def overtaken(snapshot: list[Any]) -> Body:
        if cleanup == "cleanup_request":
            assert store.cleanup_request("a").forgotten == 0
        elif cleanup == "cleanup_all":
            assert store.cleanup_all().forgotten == 0
        else:
            store.shutdown(cleanup=True)
        return extract(snapshot)

    assert store.save("a", 0, [mx.ones((4,))], overtaken) is (cleanup != "shutdown")
    assert not store.has("a", 0) and store._saving == {}
    stats = store.stats()
    assert (stats.pending_bytes, stats.pending, stats.on_disk) == (0, 0, 0)
    if cleanup != "shutdown":
        assert stats.discarded == 1 and live(store) == []
        assert save(store, "a", 2.0) and values(store.load("a", 0)) == [2.0] * 4, "a later one is another"


def test_what_a_save_that_had_begun_took_is_let_go_with_it(store: BoundarySnapshotStore) -> None:
    """Also as long as a cleanup knows that save."""
    known: list[Generation] = []

    def overtaken(snapshot: list[Any]) -> Body:
        known.extend(store._saving)
        store.cleanup_request("a")
        return extract(snapshot)

    assert store.save("a", 0, [mx.ones((4,))], overtaken)
    assert [one.payload for one in known] == [None]


def test_a_save_that_had_begun_stays_when_another_request_goes(store: BoundarySnapshotStore) -> None:
    def other(snapshot: list[Any]) -> Body:
        store.cleanup_request("b")
        return extract(snapshot)

    assert store.save("a", 0, [mx.ones((4,))], other) and store.has("a", 0)


def test_a_save_that_did_not_end_well_is_not_kept_among_those_that_have_begun(
    store: BoundarySnapshotStore,
) -> None:
    for error in (KeyboardInterrupt, ValueError):
        def raising(snapshot: list[Any], raised: type[BaseException] = error) -> Body:
            assert len(store._saving) == 1
            raise raised

        try:
            assert not store.save("a", 0, [], raising)
        except KeyboardInterrupt:
            pass
        assert store._saving == {}
