"""Real threads, brought into the order that a test needs."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors

from schedule_explorer.campaigns.stress.runs import wait_until
from schedule_explorer.targets.original_store import OriginalStore

WRITER = "snapshot-writer"


class Gate:
    """A call in which the writer of the store stops until `open` is called."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._opened = threading.Event()

    def wait(self) -> None:
        """Wait until the writer stands in the call."""
        assert self._reached.wait(10), "the writer did not come"

    def open(self) -> None:
        """Let it go on, now and later."""
        self._opened.set()

    def pass_through(self) -> None:
        """Stop here, when it is the writer that calls."""
        if threading.current_thread().name == WRITER and not self._opened.is_set():
            self._reached.set()
            assert self._opened.wait(10), "the gate was not opened"


class Threads:
    """What the tests do with the store's writer, and with threads of their own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._gates: list[Gate] = []
        self._stores: list[OriginalStore] = []

    def store(self, directory: Path, **arguments: Any) -> OriginalStore:
        """Make a store, by default one that waits for its writer a moment only."""
        arguments = {"cleanup_request_timeout": 0.05, "cleanup_all_timeout": 0.05, **arguments}
        store = OriginalStore(directory, **arguments)
        self._stores.append(store)
        return store

    def hold(self, owner: Any, name: str) -> Gate:
        """Make ``owner.name`` a gate."""
        gate, real = Gate(), getattr(owner, name)
        self._gates.append(gate)

        def gated(*arguments: Any, **keywords: Any) -> Any:
            gate.pass_through()
            return real(*arguments, **keywords)

        self._monkeypatch.setattr(owner, name, gated)
        return gate

    def park(self, store: OriginalStore) -> Gate:
        """Stop the writer where it takes the next item: it holds no item and no lock."""
        gate = self.hold(store._queue, "get")
        save(store, "park")
        gate.wait()
        return gate

    def forget(self, store: OriginalStore) -> None:
        """Let the test drop a store, which it then shuts down itself."""
        self._stores.remove(store)

    def started(self, function: Callable[[], object]) -> threading.Thread:
        """Run a call in a thread of its own."""
        thread = threading.Thread(target=function, daemon=True)
        thread.start()
        return thread

    def finish(self) -> None:
        """Let every writer go, and end it."""
        for gate in self._gates:
            gate.open()
        for store in self._stores:
            store.shutdown()


def states(snapshot: list[Any]) -> tuple[list[dict[str, Any]], None]:
    """Be the extractor of a server whose snapshot is the tensors of one layer."""
    return [{"state": tuple(snapshot), "meta_state": "", "class_name": "KVCache", "cache_type": "kv"}], None


def save(store: OriginalStore, request_id: str, count: int = 1, data: Any = b"data") -> bool:
    """Save a snapshot of one tensor."""
    return store.save(request_id, count, [data], states)


def loaded(store: OriginalStore, request_id: str, count: int = 1) -> Any:
    """Return that tensor; None when the snapshot is not there."""
    layers = store.load(request_id, count)
    return None if layers is None else layers[0]["state"][0]


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    assert wait_until(condition, 10), "it did not come true"


def settle(store: OriginalStore) -> None:
    """Wait until the writer has dealt with everything saved so far."""
    assert save(store, "settled")
    eventually(lambda: ("settled", 1) not in store._pending_writes)


def files(directory: Path) -> list[str]:
    """Return the names of the snapshot files below a directory."""
    return sorted(path.name for path in directory.rglob("*.safetensors"))


def fail_writes_of(request_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the disk be full whenever this request is written."""
    real: Any = safetensors.serialize_file

    def write(tensors: Any, path: Path, metadata: Any) -> None:
        if path.parent.name == request_id:
            raise OSError(errno.ENOSPC, "no space left on device")
        real(tensors, path, metadata)

    monkeypatch.setattr(safetensors, "serialize_file", write)
