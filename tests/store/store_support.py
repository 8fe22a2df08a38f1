"""What the tests of the store share: snapshots, a disk that can be stopped, and a look at the tree."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
from safetensors import deserialize

from store import BoundarySnapshotStore, writer

#: seconds after which a test that waits for an event has failed
LONG = 20.0
Body = tuple[list[dict[str, Any]], None]


def extract(snapshot: list[Any]) -> Body:
    """Give every element of a snapshot as the state of one layer."""
    return [
        {"state": tuple(state) if isinstance(state, list | tuple) else (state,), "meta_state": ("8", None),
         "class_name": "KVCache", "cache_type": "kv"}
        for state in snapshot
    ], None  # fmt: skip


def values(loaded: list[dict[str, Any]] | None) -> Any:
    """Give the first array of a loaded snapshot as a list; None for None."""
    return None if loaded is None else loaded[0]["state"][0].tolist()


class Disk:
    """Stands before the writer's disk: a write can be held, before or after it wrote, and can fail.

    Attributes:
        written: request ids in the order in which their writes were begun.
    """

    def __init__(self) -> None:
        self.written: list[str] = []
        self._real = writer.write_snapshot
        self._gates: dict[str, tuple[threading.Event, threading.Event, bool]] = {}
        self._errors: dict[str, BaseException] = {}

    def hold(self, request_id: str, *, after: bool = False) -> tuple[threading.Event, threading.Event]:
        """Return two events: the write of this request has come to the gate; the gate is open."""
        gate = threading.Event(), threading.Event()
        self._gates[request_id] = (*gate, after)
        return gate

    def fail(self, request_id: str, error: BaseException) -> None:
        """Let every write of this request fail after half of the data."""
        self._errors[request_id] = error

    def heal(self) -> None:
        """Let no write fail any more."""
        self._errors.clear()

    def open(self) -> None:
        """Open all gates."""
        for _, gate, _ in self._gates.values():
            gate.set()

    def write(self, fd: int, snapshot: Any, wanted: Callable[[], bool]) -> bool:
        """Take the place of the real write."""
        request_id = snapshot.request_id
        self.written.append(request_id)
        arrived, gate, after = self._gates.get(request_id, (None, None, False))
        if arrived is not None and gate is not None and not after:
            arrived.set()
            assert gate.wait(LONG)
        error = self._errors.get(request_id)
        if error is not None:
            os.write(fd, b"half of it")
            # A new one: its traceback refers to the frames of the failed write.
            raise type(error)(*error.args)
        result = self._real(fd, snapshot, wanted)
        if arrived is not None and gate is not None and after:
            arrived.set()
            assert gate.wait(LONG)
        return result


def files(base: Path) -> list[str]:
    """Return the files below a directory."""
    return sorted(
        os.path.relpath(os.path.join(directory, name), base)
        for directory, _, names in os.walk(base) for name in names
    )  # fmt: skip


def metadata_of(path: Path) -> dict[str, str]:
    """Return the metadata of a file that safetensors itself accepts."""
    data = path.read_bytes()
    deserialize(data)
    metadata: dict[str, str] = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    return metadata


def live(store: BoundarySnapshotStore) -> list[str]:
    """Return the names in the live tree of a store."""
    return sorted(os.listdir(os.path.join(store._layout.session, "live")))


def settled(store: BoundarySnapshotStore) -> None:
    """Wait until the writer has nothing to do: it goes to sleep in the section that says so."""
    done = threading.Event()
    writer_ = store._writer
    real = writer_._next

    def looked() -> str | None:
        warning = real()
        if writer_._task is None and warning is None:
            done.set()
        return warning

    with store._lock:
        if writer_._idle:
            return
        writer_._next = looked  # type: ignore[method-assign]
    assert done.wait(LONG)
    writer_._next = real  # type: ignore[method-assign]


def save(
    store: BoundarySnapshotStore, request_id: str, value: float = 1.0, count: int = 0, size: int = 4
) -> bool:
    """Save one layer of one array of `size` times `value`."""
    return store.save(request_id, count, [mx.full((size,), value)], extract)


def later(call: Callable[[], Any]) -> Callable[[], Any]:
    """Begin a call on a thread of its own; what is returned waits for it and gives its result."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(call()), daemon=True)
    thread.start()

    def result() -> Any:
        thread.join(LONG)
        assert results, "the call did not return"
        return results[0]

    return result


def waiting(store: BoundarySnapshotStore) -> None:
    """Return when a cleanup waits for the writer."""
    _until(store, lambda: store._writer._waiting)


def waiting_for_end(store: BoundarySnapshotStore) -> None:
    """Return when a shutdown waits for the writer."""
    _until(store, lambda: store._writer._waiting_for_end)


def _until(store: BoundarySnapshotStore, holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline:
        with store._lock:
            if holds():
                return
        threading.Event().wait(0.001)
    raise AssertionError("nobody waits")
