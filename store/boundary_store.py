"""The store as a server sees it: arguments, answers, and which lock section does what."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from numbers import Real
from pathlib import Path
from types import TracebackType
from typing import Any

from store import codec, layout
from store.generation import Generation
from store.layout import Layout
from store.outcomes import CleanupOutcome, StoreStats
from store.state import StoreState
from store.texts import said, shown
from store.writer import Writer, held, remove_files

logger = logging.getLogger("store")
_FORKED = "this process is a child of the one that made the store, which alone may clean up"
Extractor = Callable[[list[Any]], tuple[list[dict[str, Any]], Any]]


class BoundarySnapshotStore:
    """Keeps snapshots of prompt caches in memory until they are on disk, and forgets them on demand.

    The package docstring says why it keeps its promises.

    Arguments:
        base_dir: a directory, made when it is not there. What dead sessions left in it is removed; stores
            that are alive, in this process or another, share it without touching each other's files.
        max_pending_bytes: a save is refused when more bytes than this would be kept in memory; None for no
            bound.
        cleanup_request_timeout: seconds that `cleanup_request` waits for the writer, when the writer is busy
            with a snapshot of that very request.
        cleanup_all_timeout: the same for `cleanup_all`.

    Raises:
        OSError: `base_dir` is no directory, or cannot be written, or its part for stores is another user's.
        TypeError: `base_dir` is no path.
        ValueError: another argument is out of range.
    """

    def __init__(
        self,
        base_dir: str | os.PathLike[str],
        *,
        max_pending_bytes: int | None = 2 << 30,
        cleanup_request_timeout: float = 2.0,
        cleanup_all_timeout: float = 5.0,
    ) -> None:
        if max_pending_bytes is not None and not (_is_number(max_pending_bytes) and max_pending_bytes >= 0):
            given = shown(max_pending_bytes)
            raise ValueError(f"max_pending_bytes is {given}: give a number, 0 or more, or None for no bound")
        self._cleanup_request_timeout = _seconds("cleanup_request_timeout", cleanup_request_timeout)
        self._cleanup_all_timeout = _seconds("cleanup_all_timeout", cleanup_all_timeout)
        self._layout = Layout(base_dir)
        self._state = StoreState(max_pending_bytes)
        self._writer = Writer(self._state, self._layout)
        self._lock = self._writer.lock
        #: The generations of saves that have begun and not ended: a cleanup forgets them too. Not guarded by
        #: `_lock`, which the writer takes so often; and one that leaves leaves without any.
        self._saving: dict[Generation, None] = {}
        self._saving_lock = threading.Lock()
        # First, so that no interrupt leaves a thread that is never told of the end.
        self._finalizer = weakref.finalize(self, self._writer.abandon)
        # At the exit of the process, the lock of the session goes, and the next start sweeps.
        self._finalizer.atexit = False
        try:
            self._writer.thread.start()
        except BaseException:
            # An interrupt may come when the thread runs already: it is told to end.
            self._finalizer()
            self._layout.destroy()
            raise

    @property
    def root(self) -> Path:
        """The directory below `base_dir` that holds everything this store and its siblings make."""
        return Path(self._layout.root)

    # -- snapshots ---------------------------------------------------------------------------------

    def save(
        self, request_id: str, token_count: int, snapshot_cache: list[Any],
        extract_cache_states_fn: Extractor,
    ) -> bool:
        """Accept a snapshot; False when it cannot be, which is logged with the reason and leaves no trace.

        The arrays are evaluated on the calling thread. No bytes are copied but those of arrays that are not
        contiguous, and nothing is written before this returns. A store that has ended does not call the
        extractor, and one that is full evaluates nothing. One that a cleanup overtakes is accepted, and gone.
        """
        refusal = self._state.ended()
        if refusal is not None:
            with self._lock:
                self._state.refused += 1
            return _refused(request_id, token_count, refusal)
        generation = Generation()
        try:
            try:
                generation.request_id, generation.token_count = _checked(request_id, token_count)
                with self._saving_lock:
                    self._saving[generation] = None
                layers, _ = extract_cache_states_fn(snapshot_cache)
                snapshot, handles = codec.encode(generation.request_id, generation.token_count, layers)
                generation.nbytes = snapshot.nbytes
                refusal = self._no_room(generation)
                if refusal is None:
                    codec.evaluate(handles)
            except Exception as error:
                key = shown(request_id), shown(token_count, 20)
                logger.warning("the snapshot %s/%s cannot be saved: %s", *key, said(error))
                return False
            if refusal is not None:
                return _refused(request_id, token_count, refusal)
            with self._lock:
                refusal = self._state.accept(generation, snapshot)
                if refusal is None:
                    self._writer.wake()
                released = self._state.drain()
            del released
        finally:
            self._saving.pop(generation, None)
        if refusal is None:
            return True
        return _refused(request_id, token_count, refusal)

    def _no_room(self, generation: Generation) -> str | None:
        """Say why there is no room for a save, before its arrays take any.

        Without the lock where the numbers of now leave no doubt: `accept` asks again.
        """
        most = self._state.max_pending_bytes
        if most is None or self._state.pending_bytes + generation.nbytes <= most:
            return None
        with self._lock:
            refusal = self._state.refuse(generation)
            released = self._state.drain()
        del released
        return refusal

    def load(self, request_id: str, token_count: int) -> list[dict[str, Any]] | None:
        """Return a snapshot, evaluated, in containers of its own; None when there is none.

        MLX opens the file so that a program which is started meanwhile, by `os.posix_spawn` or with
        ``close_fds=False``, has it open too: its blocks are free when that program has ended.
        """
        key = _key(request_id, token_count)
        if key is None:
            return None
        while True:
            with self._lock:
                generation = self._state.find(*key)
                snapshot = None if generation is None else generation.payload
            if generation is None:
                return None
            if snapshot is not None:
                return codec.decode(snapshot)
            try:
                return codec.read(generation.place.final)
            except Exception as error:
                reason = said(error)
            # A cleanup or a newer save may have removed the file since; if so, what they left is the answer.
            gone = layout.gone(generation.place.final)
            with self._lock:
                current = self._state.find(*key) is generation
                if current and gone:
                    self._state.vanished(generation)
                    self._state.removed([generation])
            if current:
                logger.warning("the snapshot %s/%s cannot be read: %s", shown(key[0]), key[1], reason)
                return None

    def has(self, request_id: str, token_count: int) -> bool:
        """Say whether `load` would return a snapshot."""
        key = _key(request_id, token_count)
        if key is None:
            return False
        with self._lock:
            return self._state.find(*key) is not None

    # -- forgetting --------------------------------------------------------------------------------

    def cleanup_request(self, request_id: str) -> CleanupOutcome:
        """Forget all snapshots of one request, and remove their files.

        Returns:
            What was done. In a child that was forked it does nothing, and is not complete.
        """
        if not isinstance(request_id, str):
            logger.warning("cleanup_request() of %s: a request id is a string", shown(request_id))
            return CleanupOutcome()
        return self._cleanup(str.__str__(request_id), self._cleanup_request_timeout)

    def cleanup_all(self) -> CleanupOutcome:
        """Forget all snapshots of this store, and remove their files; see `cleanup_request`."""
        return self._cleanup(None, self._cleanup_all_timeout)

    def shutdown(self, *, cleanup: bool = False, timeout: float = 5.0) -> bool:
        """Stop: refuse saves, serve nothing, let accepted writes finish, and end the writer.

        Arguments:
            cleanup: forget everything instead, and remove the session from the disk.
            timeout: seconds to wait. What is queued then is dropped; what is stuck is finished, or removed
                after `cleanup`, when its operation returns.

        Returns:
            Whether the writer has ended, and with `cleanup`, whether nothing is left on disk. False in a
            child that was forked, where nothing is done.

        Raises:
            ValueError: the timeout is no number.
        """
        if not _is_number(timeout):
            raise ValueError(f"timeout is {shown(timeout)}: give a number of seconds")
        if self._layout.inherited:
            logger.warning("shutdown() does nothing: %s", _FORKED)
            return False
        timeout = min(max(0.0, timeout), threading.TIMEOUT_MAX)
        deadline = time.monotonic() + timeout
        complete = True
        end = held()
        if cleanup:
            complete = self._cleanup(None, timeout, end).complete
        else:
            with self._lock:
                self._close(end)
                released = self._state.drain()
            del released
        self._writer.wait_for_end(end, max(0.0, deadline - time.monotonic()))
        with self._lock:
            self._writer.stop_waiting(end)
            ended = not self._writer.running
            if not ended:
                self._state.give_up()
                # Who is last removes it: the writer, unless there is another shutdown after it.
                self._writer.removes_session |= cleanup
            elif self._state.death is not None and not cleanup:
                complete = False
            released = self._state.drain()
        del released
        if cleanup and ended and complete:
            complete = self._layout.destroy()
        return ended and complete

    def _close(self, end: threading.Lock) -> None:
        self._state.close()
        self._writer.tell_end(end)
        self._writer.wake()

    def _cleanup(
        self, request_id: str | None, timeout: float, end: threading.Lock | None = None
    ) -> CleanupOutcome:
        """Forget, remove and wait. With a lock, which the end of the writer lets go, close the store too."""
        if self._layout.inherited:
            # Its files are the parent's, and the lock may have been held by a thread that is not here.
            logger.warning("a cleanup does nothing: %s", _FORKED)
            return CleanupOutcome(errors=(_FORKED,))
        deadline = time.monotonic() + timeout
        let_go = stuck = None
        with self._saving_lock:
            saving = list(self._saving)
        with self._lock:
            found = self._state.forget(request_id, saving)
            if end is not None:
                self._close(end)
            if found.in_hand is not None:
                let_go = self._writer.letting_go()
            released = self._state.drain()
        # Files and arrays go without the lock, and nobody waits with it.
        del released
        errors = remove_files(found.files)
        if let_go is not None:
            let_go.acquire(timeout=max(0.0, deadline - time.monotonic()))
        if found.files or found.in_hand is not None:
            with self._lock:
                if let_go is not None:
                    self._writer.stop_waiting(let_go)
                if errors:
                    self._state.last_error = errors[-1]
                else:
                    self._state.removed(found.files)
                stuck = self._left_by_writer(found.in_hand, errors)
        if stuck is not None:
            logger.warning(
                "the writer is stuck with the snapshot %s/%s: it is removed when the writer returns",
                shown(stuck.request_id), stuck.token_count,
            )
            try:
                layout.steal(stuck.place)
            except OSError as error:
                errors.append(said(error))
        if errors:
            logger.warning("files of a cleanup were not removed: %s", "; ".join(errors))
        return CleanupOutcome(found.count, stuck is not None, tuple(errors))

    def _left_by_writer(self, generation: Generation | None, errors: list[str]) -> Generation | None:
        """Say, with the lock, what became of the one that was in hand. Return it when it still is."""
        if generation is None:
            return None
        if self._state.in_hand is not generation:
            if generation in self._state.leaving:
                errors.append(self._state.last_error or "")
            return None
        generation.stolen = True
        self._state.deferred_cleanups += 1
        return generation

    # -- the rest ----------------------------------------------------------------------------------

    def stats(self) -> StoreStats:
        """Return the numbers of this store."""
        with self._lock:
            return self._state.stats()

    def __enter__(self) -> BoundarySnapshotStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Shut down and remove everything: nothing could load it any more."""
        self.shutdown(cleanup=True)


def _key(request_id: object, token_count: object) -> tuple[str, int] | None:
    """Return a key as plain values, for under the lock runs no code of a caller's class; None: it is none."""
    if type(request_id) is str and type(token_count) is int:
        return request_id, token_count
    if isinstance(request_id, str) and isinstance(token_count, int) and not isinstance(token_count, bool):
        return str.__str__(request_id), int.__int__(token_count)
    return None


def _checked(request_id: object, token_count: object) -> tuple[str, int]:
    """Return the key of a save."""
    if not isinstance(request_id, str):
        raise TypeError(f"a request id is a string, not {type(request_id).__name__}")
    key = _key(request_id, token_count)
    if key is None:
        raise TypeError(f"a token count is an int, not {type(token_count).__name__}")
    if key[1] < 0:
        raise ValueError(f"a token count is not negative: {shown(key[1], 20)}")
    if key[1].bit_length() > 63:
        raise ValueError(f"a token count has 63 bits at most, not {key[1].bit_length()}")
    return key


def _refused(request_id: object, token_count: object, refusal: str) -> bool:
    """Log why a save is refused; the answer to it."""
    logger.warning("the snapshot %s/%s is refused: %s", shown(request_id), shown(token_count, 20), refusal)
    return False


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _seconds(option: str, value: Any) -> float:
    if _is_number(value) and 0 <= value <= threading.TIMEOUT_MAX:
        return float(value)
    most = int(threading.TIMEOUT_MAX)
    raise ValueError(f"{option} is {shown(value)}: give a number of seconds, 0 or more and {most} at most")
