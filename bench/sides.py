"""The two stores side by side: the same calls, the same arrays, and a look at what the writers do."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import mlx.core as mx

from bench.measure import NotMeasuredError
from schedule_explorer.targets.original_store import OriginalStore, snapshots
from store import BoundarySnapshotStore, writer

#: seconds after which something that is waited for will not come any more
_LIMIT = 120.0
#: arrays of one snapshot, whatever its size: the keys and the values of 16 layers
ARRAYS = 32
Cache = list[Any]


def cache_of(size: int) -> Cache:
    """Return new arrays of `size` bytes in all, evaluated."""
    arrays = [mx.full((size // ARRAYS // 4,), float(number)) for number in range(ARRAYS)]
    mx.eval(arrays)
    return arrays


def extract(cache: Cache) -> tuple[list[dict[str, Any]], None]:
    """Give two arrays as the state of a layer."""
    return [
        {"state": (cache[i], cache[i + 1]), "meta_state": "", "class_name": "KVCache", "cache_type": "kv"}
        for i in range(0, len(cache), 2)
    ], None


class Watch:
    """Knows when a write begins and when a file gets its final name; can keep a write from beginning."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self._published = threading.Event()
        self._at = 0.0

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Stand between both writers and their disk: an event and a look at the clock for each file."""
        rename = os.rename

        def renamed(source: Any, target: Any, **options: Any) -> None:
            rename(source, target, **options)
            if str(target).endswith(".safetensors"):
                self._at = time.perf_counter()
                self._published.set()

        def watched(write: Callable[..., Any]) -> Callable[..., Any]:
            def watching(*arguments: Any) -> Any:
                self.began.set()
                self.gate.wait(_LIMIT)
                return write(*arguments)

            return watching

        with (
            patch.object(os, "rename", renamed),
            patch.object(writer, "write_snapshot", watched(writer.write_snapshot)),
            patch.object(snapshots, "write", watched(snapshots.write)),
        ):
            yield

    def arm(self) -> None:
        """Forget what was seen."""
        self.began.clear()
        self._published.clear()

    def begin(self) -> None:
        """Wait until a write has begun, and is in the middle of its data."""
        self._wait(self.began)
        time.sleep(0.005)

    def published(self) -> float:
        """Wait until a file has its final name. Return when that was, on the clock of `perf_counter`."""
        self._wait(self._published)
        return self._at

    def _wait(self, event: threading.Event) -> None:
        if not event.wait(_LIMIT):
            raise NotMeasuredError("the writer did not write")


class Side:
    """One of the stores, on a directory of its own."""

    def __init__(self, store: Any) -> None:
        self.store = store

    def save(self, request_id: str, cache: Cache) -> None:
        """Save, and be sure that it was accepted.

        Raises:
            NotMeasuredError: it was not.
        """
        if not self.store.save(request_id, 0, cache, extract):
            raise NotMeasuredError("a save was refused")

    def settle(self) -> None:
        """Wait until the writer has nothing to do."""
        deadline = time.perf_counter() + _LIMIT
        while self._busy():
            if time.perf_counter() > deadline:
                raise NotMeasuredError("the writer does not come to rest")
            time.sleep(0.001)

    def clear(self) -> None:
        """Forget everything, and come to rest."""
        self.store.cleanup_all()
        self.settle()

    def _busy(self) -> bool:
        store = self.store
        if isinstance(store, BoundarySnapshotStore):
            return not store._writer._idle
        return bool(store._pending_writes or store._queue.qsize() or store._writer_busy.locked())


@contextmanager
def sides(directory: Path) -> Iterator[tuple[Side, Side]]:
    """Open the store and the original one, after its fix, below a directory."""
    ours = BoundarySnapshotStore(directory / "store", max_pending_bytes=None)
    original = OriginalStore.after_fix(directory / "original")
    try:
        yield Side(ours), Side(original)
    finally:
        original.shutdown(cleanup=True)
        ours.shutdown(cleanup=True)


def filesystem_of(directory: Path) -> str:
    """Return the type of the file system that a directory is on."""
    if sys.platform == "linux":
        device = os.stat(directory).st_dev
        wanted = f"{os.major(device)}:{os.minor(device)}"
        for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
            before, _, after = line.partition(" - ")
            if before.split()[2] == wanted:
                return after.split()[0]
    else:
        done = subprocess.run(
            ["stat", "-f", "%T", os.fspath(directory)], capture_output=True, text=True, check=False
        )
        if done.returncode == 0 and done.stdout.strip():
            return done.stdout.strip()
    return "an unknown file system"
