"""The boundary-snapshot store as it was first designed, before and after the fix of its race.

One daemon thread takes snapshots off a bounded queue, writes each to a temporary file and renames it into
``base_dir/<request_id>/``. `cleanup_request` and `cleanup_all` drain the queue, forget, and remove
directories.

Before the fix nothing keeps a cleanup from running while the writer has an item in hand: the writer then
writes into a directory made anew, and a file survives its own cleanup. The fix is a barrier: a lock that the
writer holds for one item and that cleanups wait for, with a bound. Both designs are kept as they were, flaws
and all: the explorer is to find them.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import queue
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors

logger = logging.getLogger(__name__)
_deserialize: Any = safetensors.deserialize
Extractor = Callable[[list[Any]], tuple[list[dict[str, Any]], Any]]
_Item = tuple[str, int, dict[str, bytes], dict[str, str]]
_Key = tuple[str, int]


class OriginalStore:
    """The original design.

    Arguments:
        base_dir: directory of all snapshot files; made when missing.
        barrier: False is the design before the fix.
    """

    QUEUE_SIZE = 128

    def __init__(self, base_dir: Path | str, *, barrier: bool = True) -> None:
        self._base_dir = Path(base_dir)
        os.makedirs(self._base_dir, exist_ok=True)
        self._barrier = barrier
        self._queue: queue.Queue[_Item | None] = queue.Queue(maxsize=self.QUEUE_SIZE)
        self._lock = threading.Lock()
        self._pending_writes: dict[_Key, list[dict[str, Any]]] = {}
        self._file_registry: dict[_Key, Path] = {}
        self._cancelled: dict[str, int] = {}
        #: held by the writer for one item, taken after the queue get
        self._writer_busy = threading.Lock()
        self._shutdown = threading.Event()
        self._writer = threading.Thread(target=self._write_loop, name="snapshot-writer", daemon=True)
        self._writer.start()

    @classmethod
    def before_fix(cls, base_dir: Path | str) -> OriginalStore:
        """Make the design that had the race."""
        return cls(base_dir, barrier=False)

    @classmethod
    def after_fix(cls, base_dir: Path | str) -> OriginalStore:
        """Make the design with the barrier."""
        return cls(base_dir, barrier=True)

    # -- calls of the server ---------------------------------------------------------------------

    def save(
        self, request_id: str, token_count: int, snapshot_cache: list[Any], extract_cache_states_fn: Extractor
    ) -> bool:
        """Accept a snapshot for writing; False when the queue is full."""
        states, _ = extract_cache_states_fn(snapshot_cache)
        tensors, metadata = _encode(request_id, token_count, states)
        key = (request_id, token_count)
        with self._lock:
            self._pending_writes[key] = states
            self._file_registry[key] = self._path(request_id, token_count)
        try:
            self._queue.put_nowait((request_id, token_count, tensors, metadata))
        except queue.Full:
            with self._lock:
                self._pending_writes.pop(key, None)
                self._file_registry.pop(key, None)
            return False
        return True

    def load(self, request_id: str, token_count: int) -> list[dict[str, Any]] | None:
        """Return a snapshot from memory while it is pending, else from its file; None when unknown."""
        key = (request_id, token_count)
        with self._lock:
            pending = self._pending_writes.get(key)
            path = self._file_registry.get(key)
        if pending is not None:
            return pending
        if path is None or not path.exists():
            return None
        data = path.read_bytes()
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        layers: list[dict[str, Any]] = json.loads(header["__metadata__"]["layer_info"])
        tensors = {name: bytes(tensor["data"]) for name, tensor in _deserialize(data)}
        for i, layer in enumerate(layers):
            layer["state"] = tuple(tensors[f"layer_{i}_state_{k}"] for k in range(layer.pop("num_states")))
        return layers

    def has(self, request_id: str, token_count: int) -> bool:
        """Say whether a snapshot is known."""
        with self._lock:
            return (request_id, token_count) in self._file_registry

    def cleanup_request(self, request_id: str) -> None:
        """Forget one request and remove its directory."""
        with self._lock:
            pending = [key for key in self._pending_writes if key[0] == request_id]
            for key in pending:
                del self._pending_writes[key]
            for key in [key for key in self._file_registry if key[0] == request_id]:
                del self._file_registry[key]
            if pending:
                self._cancelled[request_id] = self._cancelled.get(request_id, 0) + len(pending)
        if self._barrier:
            if self._writer_busy.acquire(timeout=2.0):
                self._writer_busy.release()
            else:
                logger.warning("cleanup of %r goes on while the writer is busy", request_id)
        shutil.rmtree(self._base_dir / request_id, ignore_errors=True)

    def cleanup_all(self) -> None:
        """Forget everything, empty the queue, remove the directory and make it anew."""
        if self._shutdown.is_set():
            logger.warning("cleanup_all() after shutdown")
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None:
                self._queue.put(None)
                break
        with self._lock:
            self._pending_writes.clear()
            self._file_registry.clear()
        locked = False
        if self._barrier:
            locked = self._writer_busy.acquire(timeout=5.0)
            if not locked:
                logger.warning("cleanup_all() goes on while the writer is busy")
        try:
            if locked:
                with self._lock:
                    self._cancelled.clear()
            shutil.rmtree(self._base_dir, ignore_errors=True)
            os.makedirs(self._base_dir, exist_ok=True)
        finally:
            if locked:
                self._writer_busy.release()

    def shutdown(self, *, cleanup: bool = False, timeout: float = 5.0) -> None:
        """Stop the writer; with `cleanup`, remove everything first."""
        if cleanup:
            self.cleanup_all()
        self._shutdown.set()
        self._queue.put(None)
        self._writer.join(timeout)

    # -- the writer --------------------------------------------------------------------------------

    def _write_loop(self) -> None:
        while True:
            try:
                item = self._queue.get(timeout=1.0)
            except queue.Empty:
                if self._shutdown.is_set():
                    return
                continue
            if item is None:
                return
            if self._barrier:
                with self._writer_busy:
                    self._write(item)
            else:
                self._write(item)

    def _write(self, item: _Item) -> None:
        request_id, token_count, tensors, metadata = item
        key = (request_id, token_count)
        final = self._path(request_id, token_count)
        temporary = final.with_suffix(".tmp")
        if self._barrier:
            with self._lock:
                if key not in self._pending_writes:
                    self._count_down(request_id)
                    return
        try:
            os.makedirs(final.parent, exist_ok=True)
            specs = {name: _spec(data) for name, data in tensors.items()}
            safetensors.serialize_file(specs, temporary, metadata)
            os.rename(temporary, final)
        except Exception as error:
            logger.debug("snapshot %s/%s was not written: %s", request_id, token_count, error)
            return
        with self._lock:
            cancelled = request_id in self._cancelled
            if cancelled:
                self._count_down(request_id)
            self._pending_writes.pop(key, None)
        if cancelled:
            final.unlink(missing_ok=True)

    def _count_down(self, request_id: str) -> None:
        left = self._cancelled.get(request_id, 0) - 1
        if left > 0:
            self._cancelled[request_id] = left
        else:
            self._cancelled.pop(request_id, None)

    def _path(self, request_id: str, token_count: int) -> Path:
        return self._base_dir / request_id / f"{token_count}.safetensors"


def _spec(data: bytes) -> Any:
    """Point safetensors at bytes, which the caller keeps alive during the call."""
    address = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0
    return safetensors.TensorSpec(dtype="uint8", shape=[len(data)], data_ptr=address, data_len=len(data))


BoundarySnapshotSSDStore = OriginalStore


def _encode(
    request_id: str, token_count: int, states: list[dict[str, Any]]
) -> tuple[dict[str, bytes], dict[str, str]]:
    """Return the bytes of every tensor by its name in the file, and the file's metadata."""
    tensors: dict[str, bytes] = {}
    layers = []
    for i, layer in enumerate(states):
        for k, value in enumerate(layer["state"]):
            data = bytes(memoryview(value).cast("B"))
            tensors[f"layer_{i}_state_{k}"] = data
        rest = {name: value for name, value in layer.items() if name != "state"}
        layers.append({**rest, "num_states": len(layer["state"])})
    return tensors, {
        "request_id": request_id,
        "token_count": str(token_count),
        "num_layers": str(len(states)),
        "layer_info": json.dumps(layers),
    }
