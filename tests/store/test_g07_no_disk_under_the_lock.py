"""G7: no file operation runs under the lock, and a hung disk blocks nobody but those who need it."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from store_support import LONG, Disk, later, save, settled, values

from store import BoundarySnapshotStore

CALLS = ["open", "close", "writev", "rename", "unlink", "rmdir", "mkdir", "lstat", "stat", "scandir"]


class OwnedLock:
    """A lock that knows who holds it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.owner: int | None = None

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As the real one."""
        got = self._lock.acquire(blocking, timeout)
        if got:
            self.owner = threading.get_ident()
        return got

    def release(self) -> None:
        """As the real one."""
        self.owner = None
        self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc: object) -> None:
        self.release()


def test_no_file_operation_is_made_by_who_holds_the_lock(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = OwnedLock()
    real_lock = threading.Lock
    locks: list[Any] = [lock]
    with monkeypatch.context() as patch:
        patch.setattr(threading, "Lock", lambda: locks.pop() if locks else real_lock())
        store = BoundarySnapshotStore(tmp_path)
    assert store._lock is lock  # type: ignore[comparison-overlap]
    calls: set[str] = set()
    guilty: list[str] = []

    def watched(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            calls.add(name)
            if lock.owner == threading.get_ident():
                guilty.append(name)
            return real(*arguments, **options)

        monkeypatch.setattr(owner, name, call)

    for name in CALLS:
        watched(os, name)
    watched(fcntl, "flock")
    watched(mx, "load")
    arrived, gate = disk.hold("stuck")
    disk.fail("broken", OSError(28, "no space left on device"))
    save(store, "a")
    save(store, "a")
    save(store, "broken")
    settled(store)
    assert values(store.load("a", 0)) == [1.0] * 4
    store.cleanup_request("a")
    save(store, "stuck")
    assert arrived.wait(LONG)
    store._cleanup_all_timeout = 0.0
    store.cleanup_all()
    gate.set()
    settled(store)
    store.shutdown(cleanup=True)
    assert guilty == []
    assert {"open", "writev", "rename", "unlink", "load"} <= calls


def test_a_hung_disk_blocks_neither_saves_nor_looks(store: BoundarySnapshotStore, disk: Disk) -> None:
    save(store, "old", 5.0)
    settled(store)
    arrived, gate = disk.hold("a")
    save(store, "a", 1.0)
    assert arrived.wait(LONG)

    def client() -> Any:
        accepted = [save(store, request_id, 2.0) for request_id in ("a", "b", "c") for _ in range(50)]
        assert all(accepted)
        assert store.has("a", 0) and store.has("c", 0) and not store.has("d", 0)
        store.stats()
        assert store.cleanup_request("c")
        return values(store.load("a", 0)), values(store.load("b", 0)), values(store.load("old", 0))

    assert later(client)() == ([2.0] * 4, [2.0] * 4, [5.0] * 4)
    assert not gate.is_set()
