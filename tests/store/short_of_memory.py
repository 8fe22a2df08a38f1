"""A store in which one allocation fails, at every point of a call or of the writer.

For `test_short_of_memory`. Prints what is wrong afterwards, when there is memory enough; and at last, how
many calls failed.
"""

from __future__ import annotations

import _testcapi
import gc
import itertools
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

import mlx.core as mx

from store import BoundarySnapshotStore, writer

COUNTS = range(2)
#: the last allocation of a call is the first of so many that do not fail it
ENOUGH = 8
Call = Callable[[BoundarySnapshotStore], object]
CALLS: dict[str, Call] = {
    "new": lambda store: store.save("z", 0, [], extract),
    "again": lambda store: store.save("a", 1, [], extract),
    "cleanup_request": lambda store: store.cleanup_request("a"),
    "cleanup_all": lambda store: store.cleanup_all(),
    "shutdown": lambda store: [store.shutdown(timeout=0.0)],
}
real = writer.write_snapshot
array = mx.ones((4,))
mx.eval(array)
layers = [{"state": (array,)}]


def extract(snapshot: list[Any]) -> tuple[list[dict[str, Any]], None]:
    """Allocate nothing."""
    return layers, None


def fill(store: BoundarySnapshotStore) -> None:
    """Save some, and wait until the writer is idle or has ended."""
    for count in COUNTS:
        store.save("a", count, [], extract)
    idle(store)


def idle(store: BoundarySnapshotStore) -> None:
    """Wait until the writer is idle, or has ended."""
    while not store._writer._idle and store._writer.running:
        time.sleep(0.0005)


def full(*arguments: Any) -> bool:
    """Take the place of a write."""
    raise OSError(28, "no space left on device")


def short(number: int, call: Callable[[], object]) -> bool:
    """Make a call in which one allocation fails; say whether the call did."""
    _testcapi.set_nomemory(number, number + 1)
    try:
        return call() is False  # a save, which then has told why
    except (MemoryError, RuntimeError):  # "can't allocate lock"
        return True
    finally:
        _testcapi.remove_mem_hooks()


def check(what: object, base: str, store: BoundarySnapshotStore) -> None:
    """Say what is wrong."""
    idle(store)
    if not store._state.closed:
        for key in itertools.product("az", COUNTS):
            if store.has(*key) and store.load(*key) is None:
                print(what, key, "cannot be loaded")
    store.cleanup_all()
    idle(store)
    state = store._state
    left = [name for _, _, names in os.walk(base) for name in names]
    kept = state.current, dict(state.queue), state.leaving, state.in_hand, state.pending_bytes
    if left or kept != ({}, {}, {}, None, 0):
        print(what, "left", left, kept)
    store.shutdown(cleanup=True)


def in_a_call(prepared: str, call: Call) -> int:
    """Let an allocation of a call fail. Return how many times the call failed."""
    failed, well = 0, 0
    for number in itertools.count(1):
        gate = threading.Event()
        with tempfile.TemporaryDirectory() as base:
            store = BoundarySnapshotStore(base, cleanup_request_timeout=0.0, cleanup_all_timeout=0.0)
            fill(store)
            if prepared == "failed":
                writer.write_snapshot = full  # type: ignore[assignment]
                fill(store)
            elif prepared == "queued":
                arrived = threading.Event()

                def held(*arguments: Any, at: Any = arrived, opened: Any = gate) -> bool:
                    at.set()
                    opened.wait()
                    return real(*arguments)

                writer.write_snapshot = held
                store.save("b", 0, [], extract)
                arrived.wait()
                for count in COUNTS:
                    store.save("a", count, [], extract)
            writer.write_snapshot = real if prepared == "on disk" else writer.write_snapshot
            well = 0 if short(number, lambda made=store: call(made)) else well + 1  # type: ignore[misc]
            failed += not well
            writer.write_snapshot = real
            gate.set()
            store._cleanup_all_timeout = 20.0
            check((prepared, number), base, store)
        if well == ENOUGH:
            return failed
    raise AssertionError


def in_the_writer(prepared: str) -> int:
    """Let an allocation of the writer fail, after a write that went well, failed, or is not wanted."""
    for number in range(1, 40):
        with tempfile.TemporaryDirectory() as base:
            store = BoundarySnapshotStore(base)
            fill(store)

            def write(*arguments: Any, made: Any = store, at: int = number) -> bool:
                if prepared == "cancelled":
                    with made._lock:
                        made._state.forget("a")
                written = real(*arguments)
                _testcapi.set_nomemory(at, at + 1)
                return full() if prepared == "failed" else written

            writer.write_snapshot = write
            store.save("a", 0, [], extract)
            idle(store)
            _testcapi.remove_mem_hooks()
            writer.write_snapshot = real
            check((prepared, number), base, store)
    return number


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    gc.disable()
    threading.excepthook = lambda raised: None
    where, prepared = sys.argv[1:]
    print(in_the_writer(prepared) if where == "writer" else in_a_call(prepared, CALLS[where]))
