"""The boundary-snapshot store as it was first designed, before and after the fix of its race.

One daemon thread takes snapshots off a bounded queue, writes each to a temporary file and renames it into
``base_dir/_boundary_snapshots/<request_id>/``. A snapshot that waits for the writer is served from memory.
`cleanup_request` and `cleanup_all` drain, forget, and remove directories; a counter for each request tells
the writer how many of its items are cancelled.

Before the fix nothing keeps a cleanup from running while the writer has an item in hand: the writer then
writes into a directory made anew, and a file survives its own cleanup. The fix is a barrier: a lock that the
writer holds for one item and that cleanups wait for, with a bound. Both designs are kept as they were, flaws
and all: they are there to be found. ``zoo.py`` lists them; lines that belong to a bug name its number.
"""

from __future__ import annotations

import logging
import os
import queue
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import snapshots
from .flaws import AFTER_FIX, BEFORE_FIX, Flaws

logger = logging.getLogger(__name__)
Extractor = Callable[[list[Any]], tuple[list[dict[str, Any]], Any]]
_Key = tuple[str, int]


@dataclass(eq=False)
class _Item:
    """What the queue carries to the writer: the bytes of one snapshot, and where they go."""

    key: _Key
    tensors: dict[str, snapshots.Tensor]
    metadata: dict[str, str]
    path: Path

    @property
    def nbytes(self) -> int:
        return sum(len(tensor.data) for tensor in self.tensors.values())


@dataclass(eq=False)
class _Pending:
    """What `load` serves from until the file is there: the caller's own list, not a copy of it."""

    states: list[dict[str, Any]]
    item: _Item


class OriginalStore:
    """The original design.

    Arguments:
        base_dir: the cache directory; the snapshots go below it. A directory left there by a process that
            died is removed, and so is that of a store which is still in use (23).
        max_pending_bytes: a save that would exceed it is refused; None for no bound. Only pending bytes are
            counted (21).
        cleanup_request_timeout: seconds that `cleanup_request` waits for the writer.
        cleanup_all_timeout: seconds that `cleanup_all` waits for the writer.
        queue_size: items that wait for the writer; `QUEUE_SIZE` unless given.
        flaws: what is missing from the fix, or wrong with it.
    """

    QUEUE_SIZE = 128

    def __init__(
        self,
        base_dir: Path | str,
        *,
        max_pending_bytes: int | None = None,
        cleanup_request_timeout: float = 2.0,
        cleanup_all_timeout: float = 5.0,
        queue_size: int | None = None,
        flaws: Flaws = AFTER_FIX,
    ) -> None:
        self._snapshot_dir = Path(base_dir) / "_boundary_snapshots"
        self._max_pending_bytes = max_pending_bytes
        self._cleanup_request_timeout = cleanup_request_timeout
        self._cleanup_all_timeout = cleanup_all_timeout
        self._flaws = flaws
        shutil.rmtree(self._snapshot_dir, ignore_errors=True)
        os.makedirs(self._snapshot_dir, exist_ok=True)
        self._pending_lock = threading.Lock()
        self._pending_writes: dict[_Key, _Pending] = {}
        self._registry_lock = threading.Lock()
        self._file_registry: dict[str, dict[int, Path]] = {}
        self._cancelled_lock = threading.Lock()
        #: items of a request that the writer is still to skip; a key in here cancels, whatever its value
        self._cancelled_requests: dict[str, int] = {}
        self._queue: queue.Queue[_Item | None] = queue.Queue(queue_size or self.QUEUE_SIZE)
        #: the barrier: held by the writer for one item, taken after the queue get
        self._writer_busy = threading.Lock()
        self._shutdown = threading.Event()
        self._writer = threading.Thread(target=self._write_loop, name="snapshot-writer", daemon=True)
        self._writer.start()

    @classmethod
    def before_fix(cls, base_dir: Path | str, **arguments: Any) -> OriginalStore:
        """Make the design that had the race."""
        return cls(base_dir, flaws=BEFORE_FIX, **arguments)

    @classmethod
    def after_fix(cls, base_dir: Path | str, **arguments: Any) -> OriginalStore:
        """Make the design with the barrier."""
        return cls(base_dir, flaws=AFTER_FIX, **arguments)

    # -- calls of the server ---------------------------------------------------------------------

    def save(
        self, request_id: str, token_count: int, snapshot_cache: list[Any], extract_cache_states_fn: Extractor
    ) -> bool:
        """Accept a snapshot for writing; False when it cannot be kept."""
        try:
            states, _ = extract_cache_states_fn(snapshot_cache)
            if not states:
                return False
            tensors, metadata = snapshots.encode(request_id, token_count, states)
        except Exception as error:
            logger.debug("snapshot %s/%s cannot be saved: %s", request_id, token_count, error)
            return False
        key = (request_id, token_count)
        item = _Item(key, tensors, metadata, self._path(request_id, token_count))
        with self._pending_lock:
            if self._over_budget(item):
                return False
            self._pending_writes[key] = _Pending(states, item)
        # 14: a cleanup that runs here leaves a registered snapshot that is nowhere.
        with self._registry_lock:
            self._file_registry.setdefault(request_id, {})[token_count] = item.path
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            return self._queue_is_full(item)
        return True

    def load(self, request_id: str, token_count: int) -> list[dict[str, Any]] | None:
        """Return a snapshot from memory while it is pending, else from its file; None when there is none."""
        with self._pending_lock:
            pending = self._pending_writes.get((request_id, token_count))
        if pending is not None:
            return pending.states
        path = self._path(request_id, token_count)
        if not _exists(path):
            return None
        try:
            return snapshots.read(path)
        except Exception as error:
            if self._flaws.load_raises:  # 29
                raise
            logger.debug("snapshot %s/%s cannot be read: %s", request_id, token_count, error)
            return None

    def has(self, request_id: str, token_count: int) -> bool:
        """Say whether a snapshot is pending or registered."""
        with self._pending_lock:
            if (request_id, token_count) in self._pending_writes:
                return True
        with self._registry_lock:
            return token_count in self._file_registry.get(request_id, {})

    def cleanup_request(self, request_id: str) -> None:
        """Forget one request and remove its directory, after the item that the writer has in hand."""
        with self._pending_lock:
            keys = [key for key in self._pending_writes if key[0] == request_id]
            for key in keys:
                del self._pending_writes[key]
            if keys or self._flaws.zero_counter:  # 4
                with self._cancelled_lock:
                    count = len(keys)
                    if not self._flaws.overwritten_counter:  # 5
                        count += self._cancelled_requests.get(request_id, 0)
                    self._cancelled_requests[request_id] = count
        with self._registry_lock:
            self._file_registry.pop(request_id, None)
        directory = self._snapshot_dir / request_id  # 24: an id is a path
        acquired = self._await_writer(self._cleanup_request_timeout, f"cleanup_request({request_id!r})")
        try:
            shutil.rmtree(directory, ignore_errors=True)
            # Without the barrier the counter must stay: it is what makes the writer remove a file that it
            # renames after this.
            if acquired or self._flaws.popped_on_timeout:  # 6
                with self._cancelled_lock:
                    self._cancelled_requests.pop(request_id, None)
        finally:
            if acquired:
                self._writer_busy.release()
        if self._flaws.tidies_directories:  # 28
            for directory in self._snapshot_dir.glob("*"):
                with suppress(OSError):
                    os.rmdir(directory)

    def cleanup_all(self) -> None:
        """Empty the queue, forget everything, remove the directory and make it anew."""
        if self._shutdown.is_set():
            logger.warning("cleanup_all() after shutdown: the writer is gone")
            if self._flaws.flag_before_cleanup:  # 8
                return
        self._drain()
        acquired = self._await_writer(self._cleanup_all_timeout, "cleanup_all()")
        try:
            with self._pending_lock:
                self._pending_writes.clear()
            with self._registry_lock:
                self._file_registry.clear()
            # 17: without the barrier the counters stay, also those of the items just drained.
            if acquired or self._flaws.no_barrier:
                with self._cancelled_lock:
                    self._cancelled_requests.clear()
            shutil.rmtree(self._snapshot_dir, ignore_errors=True)
            os.makedirs(self._snapshot_dir, exist_ok=True)
        finally:
            if acquired:
                self._writer_busy.release()

    def shutdown(self, *, cleanup: bool = False, timeout: float = 5.0) -> None:
        """Stop the writer after the item that it has in hand; with `cleanup`, remove everything first."""
        first = not self._flaws.flag_before_cleanup  # 8
        if cleanup and first:
            self.cleanup_all()
        self._shutdown.set()
        with suppress(queue.Full):  # The flag stops the writer too.
            self._queue.put_nowait(None)
        if cleanup and not first:
            self.cleanup_all()
        self._writer.join(timeout)

    # -- parts of those calls --------------------------------------------------------------------

    def _over_budget(self, item: _Item) -> bool:
        """Say whether an item is one too many. 21: cancelled items in the queue are not counted."""
        if self._max_pending_bytes is None:
            return False
        pending = sum(pending.item.nbytes for pending in self._pending_writes.values())
        return pending + item.nbytes > self._max_pending_bytes

    def _queue_is_full(self, item: _Item) -> bool:
        request_id, token_count = item.key
        logger.warning("the write queue is full: snapshot %s/%s", request_id, token_count)
        if self._flaws.inline_when_full:  # 20
            with self._writer_busy:
                self._process(item)
            return True
        if self._flaws.full_queue_keeps_entry:  # 16
            return True
        # An entry without a queue item would be counted by a cleanup, and never be counted down.
        with self._pending_lock:
            self._pending_writes.pop(item.key, None)
        with self._registry_lock:
            registered = self._file_registry.get(request_id, {})
            registered.pop(token_count, None)
            if not registered:
                self._file_registry.pop(request_id, None)
        return False

    def _drain(self) -> None:
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return
            if item is None:
                # The writer is still to see the sentinel.
                if self._flaws.blocking_sentinel:  # 9
                    self._queue.put(None)
                    return
                try:
                    self._queue.put_nowait(None)
                except queue.Full:
                    logger.debug("the shutdown sentinel was dropped: the queue is full")
                return

    def _await_writer(self, timeout: float, caller: str) -> bool:
        """Take the barrier; False when there is none, or when the writer did not let it go in time."""
        if self._flaws.no_barrier:  # 1, 2
            return False
        acquired = self._writer_busy.acquire(timeout=timeout)
        if not acquired:
            logger.warning("%s goes on after %.1f s: the writer is busy", caller, timeout)
        return acquired

    def _path(self, request_id: str, token_count: int) -> Path:
        return self._snapshot_dir / request_id / f"{token_count}.safetensors"

    # -- the writer --------------------------------------------------------------------------------

    def _write_loop(self) -> None:
        # 27: between two items `item` is still the last one.
        while not self._shutdown.is_set():
            try:
                item = self._queue.get(timeout=1.0)
            except queue.Empty:
                continue
            if item is None:
                return
            if self._flaws.no_barrier:
                self._process(item)
            else:
                with self._writer_busy:
                    self._process(item)

    def _process(self, item: _Item) -> None:
        """Write one item; not when a cleanup came before, and undone when one comes meanwhile."""
        key, path = item.key, item.path
        request_id = key[0]
        if not self._flaws.no_cleared_check:  # 10
            with self._pending_lock:
                # 11, 12: the entry may be that of a later save of the same key.
                cleared = key not in self._pending_writes
            if cleared:
                if not self._flaws.early_return_keeps_counter:  # 7
                    self._count_down(request_id)
                return
        if self._is_cancelled(request_id):
            self._drop(key)
            shutil.rmtree(path.parent, ignore_errors=True)
            self._count_down(request_id)
            return
        temporary = path.with_suffix(".tmp")
        try:
            os.makedirs(path.parent, exist_ok=True)
            snapshots.write(temporary, item.tensors, item.metadata)
            if self._is_cancelled(request_id):
                _remove_file(temporary)
                self._drop(key)  # 13: also when it is that of a save after the cleanup
                self._count_down(request_id)
                return
            os.rename(temporary, path)
            if self._is_cancelled(request_id):
                _remove_file(path)
                shutil.rmtree(path.parent, ignore_errors=True)
                self._count_down(request_id)
        except Exception as error:
            logger.debug("snapshot %s/%s was not written: %s", *key, error)
            _remove_file(temporary)
            _remove_file(path)  # 19: it may be that of an earlier save
            if not self._flaws.failed_write_keeps_counter:  # 3
                self._count_down(request_id)
        finally:
            # 15: a file operation under the lock. 22: its error ends the thread. 16: an entry whose write
            # failed stays, and no queue item belongs to it.
            with self._pending_lock:
                if _exists(path) or self._flaws.forgets_failed_write:  # 18
                    self._pending_writes.pop(key, None)

    def _drop(self, key: _Key) -> None:
        with self._pending_lock:
            self._pending_writes.pop(key, None)

    def _is_cancelled(self, request_id: str) -> bool:
        with self._cancelled_lock:
            return request_id in self._cancelled_requests

    def _count_down(self, request_id: str) -> None:
        """One cancelled item of this request is dealt with."""
        with self._cancelled_lock:
            left = self._cancelled_requests.get(request_id, 0) - 1
            if left > 0:
                self._cancelled_requests[request_id] = left
            else:
                self._cancelled_requests.pop(request_id, None)


def _exists(path: Path) -> bool:
    """Say whether a file is there; an error other than its absence is raised, as `Path.exists` long did."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    return True


def _remove_file(path: Path) -> None:
    with suppress(OSError, ValueError):
        os.unlink(path)


BoundarySnapshotSSDStore = OriginalStore
