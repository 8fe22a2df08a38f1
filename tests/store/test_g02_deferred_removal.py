"""G2: what a timed-out cleanup leaves is removed as soon as the stuck operation returns."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from store_support import LONG, Disk, files, later, live, save, settled, values, waiting

from store import BoundarySnapshotStore, codec, layout


@pytest.mark.parametrize("after", [False, True])
def test_the_writer_removes_it(
    store: BoundarySnapshotStore, disk: Disk, tmp_path: Path, caplog: pytest.LogCaptureFixture, after: bool
) -> None:
    arrived, gate = disk.hold("a", after=after)
    store._cleanup_request_timeout = 0.0
    save(store, "a")
    assert arrived.wait(LONG)
    with caplog.at_level(logging.WARNING, "store"):
        outcome = store.cleanup_request("a")
    assert outcome.deferred and "stuck" in caplog.text
    assert store.stats().deferred_cleanups == 1
    assert live(store) == []
    assert [Path(name).parent.name for name in files(tmp_path)] == ["trash-0"]
    gate.set()
    settled(store)
    assert files(tmp_path) == []
    left = sorted(path.name for path in Path(store._layout.session).iterdir())
    assert left == ["live", "staging-1"]


def test_the_next_snapshot_is_not_touched(store: BoundarySnapshotStore, disk: Disk, tmp_path: Path) -> None:
    arrived, gate = disk.hold("a")
    store._cleanup_all_timeout = 0.0
    save(store, "a", 1.0)
    assert arrived.wait(LONG)
    assert store.cleanup_all().deferred
    assert save(store, "a", 2.0)
    gate.set()
    settled(store)
    assert values(store.load("a", 0)) == [2.0] * 4
    assert len(live(store)) == len(files(tmp_path)) == 1


def test_a_stuck_open_is_covered_too(
    store: BoundarySnapshotStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived, gate = threading.Event(), threading.Event()
    real = layout.create

    def create(place: layout.Place) -> int:
        arrived.set()
        assert gate.wait(LONG)
        return real(place)

    monkeypatch.setattr(layout, "create", create)
    store._cleanup_request_timeout = 0.0
    save(store, "a")
    assert arrived.wait(LONG)
    assert store.cleanup_request("a").deferred
    gate.set()
    settled(store)
    assert files(tmp_path) == []


def test_giving_up_while_the_writer_is_removing(
    store: BoundarySnapshotStore, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived, gate = disk.hold("a")
    removing, go_on = threading.Event(), threading.Event()
    real = layout.remove_file

    def remove_file(path: str) -> None:
        if threading.current_thread() is store._writer.thread and not go_on.is_set():
            removing.set()
            assert go_on.wait(LONG)
        real(path)

    # A write of several chunks, so that it stops in the middle and leaves a part to remove.
    monkeypatch.setattr(codec, "_CHUNK", 1 << 12)
    save(store, "a", size=1 << 16)
    assert arrived.wait(LONG)
    patient = later(lambda: store.cleanup_request("a"))
    waiting(store)
    monkeypatch.setattr(layout, "remove_file", remove_file)
    gate.set()
    assert removing.wait(LONG)
    store._cleanup_request_timeout = 0.0
    assert store.cleanup_request("a").deferred
    go_on.set()
    assert patient()
    settled(store)
    assert files(tmp_path) == [] and store._state.leaving == {}


def test_the_writer_is_told_between_two_system_calls(
    store: BoundarySnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    arrived, gate = threading.Event(), threading.Event()

    def write(fd: int, snapshot: Any, wanted: Callable[[], bool]) -> bool:
        arrived.set()
        assert gate.wait(LONG)
        asked.append(wanted())
        return asked[-1]

    monkeypatch.setattr("store.writer.write_snapshot", write)
    assert save(store, "a", 1.0)
    assert arrived.wait(LONG)
    assert save(store, "a", 2.0)
    gate.set()
    settled(store)
    assert asked == [False, True] and len(live(store)) == 1
