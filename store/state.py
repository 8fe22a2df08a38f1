"""What the store knows, and every change of it: no lock, no thread, no file in here.

One `StoreState` belongs to one store; all of its methods are called with the store's lock held, take constant
time (or time that grows with what they forget) and never block.

    accept -> QUEUED -> take -> IN_HAND -> wrote  -> ON_DISK
                                        -> failed -> FAILED            (served from memory)
    forget, or a newer accept of the key:
        QUEUED, FAILED -> RELEASED                                     (at once, with the payload)
        IN_HAND        -> CANCELLED -> finished -> let_go -> RELEASED  (the writer still reads the payload)
        ON_DISK        -> LEAVING   -> removed  -> RELEASED            (a file is to be removed)
"""

from __future__ import annotations

import enum
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from store.outcomes import StoreStats


class Payload(Protocol):
    """What a generation keeps alive until it is on disk."""

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        ...


class Phase(enum.Enum):
    """Where a generation is in its life."""

    QUEUED = "queued"
    IN_HAND = "in hand"
    ON_DISK = "on disk"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LEAVING = "leaving"
    RELEASED = "released"


@dataclass(eq=False, slots=True)
class Generation:
    """One accepted save. A later save of the same key, or of the same id after a cleanup, is another one.

    That is what makes cancelling exact: a cleanup marks the generations it found, and nothing it does can
    reach one that was made later.
    """

    request_id: str
    token_count: int
    payload: Any
    """The arrays; None as soon as nobody may need them. `release` alone clears it."""
    nbytes: int
    sequence: int = -1
    phase: Phase = Phase.QUEUED
    place: Any = None
    """The names on disk that belong to this generation and to no other; set when the writer takes it."""
    stolen: bool = False
    """Something of it may be in a staging directory that the writer will not use again: a cleanup gave up
    waiting for the writer, or a part could not be removed."""
    replaces: Generation | None = None
    """The older file of the same key, kept until this one is on disk."""


@dataclass
class Forgotten:
    """What one cleanup has to deal with, out of the lock."""

    count: int = 0
    files: list[Generation] = field(default_factory=list)
    """Generations whose files are to be removed by the caller; an earlier cleanup may be at it too."""
    in_hand: Generation | None = None
    """The one that the writer is busy with, when the cleanup covers it."""


class StoreState:
    """The tables of a store.

    Arguments:
        max_pending_bytes: a save that would exceed it is refused; None for no bound.
    """

    def __init__(self, max_pending_bytes: int | None) -> None:
        self.max_pending_bytes = max_pending_bytes
        #: id -> token count -> the generation that `load` serves. No empty inner table is kept.
        self.current: dict[str, dict[int, Generation]] = {}
        #: generations in the order in which they are to be written; all are QUEUED
        self.queue: OrderedDict[Generation, None] = OrderedDict()
        #: the one that the writer works on: IN_HAND or CANCELLED
        self.in_hand: Generation | None = None
        #: generations that nobody can load and whose file may still exist; all are LEAVING
        self.leaving: dict[Generation, None] = {}
        #: bytes of every payload that is not None
        self.pending_bytes = 0
        #: payloads that were let go in this lock section: giving memory back takes time, see `drain`
        self._released: list[Any] = []
        self.peak_pending_bytes = 0
        #: no save is accepted and nothing is loaded any more
        self.closed = False
        #: why there is no writer any more, other than that it was asked to stop
        self.death: str | None = None
        self.sequence = 0
        self.written = 0
        self.discarded = 0
        self.refused = 0
        self.failed_writes = 0
        self.deferred_cleanups = 0
        self.last_error: str | None = None

    # -- saves and loads -------------------------------------------------------------------------

    def accept(self, generation: Generation) -> str | None:
        """Publish a save: registry, pending entry and queue slot at once. Return why not, when refused."""
        reason = self.refusal(generation)
        if reason is not None:
            self.refused += 1
            return reason
        table = self.current.setdefault(generation.request_id, {})
        older = table.get(generation.token_count)
        if older is not None:
            self._supersede(older, generation)
        generation.sequence = self.sequence
        self.sequence += 1
        table[generation.token_count] = generation
        self.queue[generation] = None
        self.pending_bytes += generation.nbytes
        self.peak_pending_bytes = max(self.peak_pending_bytes, self.pending_bytes)
        return None

    def refusal(self, generation: Generation) -> str | None:
        """Say why a save cannot be accepted; None when it can."""
        if self.closed:
            return "the store is shut down"
        if self.death is not None:
            return f"the writer is dead: {self.death}"
        if self.max_pending_bytes is None:
            return None
        older = self.find(generation.request_id, generation.token_count)
        freed = older.nbytes if older is not None and older.phase in (Phase.QUEUED, Phase.FAILED) else 0
        pending = self.pending_bytes - freed + generation.nbytes
        if pending > self.max_pending_bytes:
            return f"{pending} bytes would be pending, more than max_pending_bytes={self.max_pending_bytes}"
        return None

    def find(self, request_id: str, token_count: int) -> Generation | None:
        """Return the generation that a load has to serve."""
        if self.closed:
            return None
        table = self.current.get(request_id)
        return None if table is None else table.get(token_count)

    def vanished(self, generation: Generation) -> bool:
        """Forget a file that somebody else removed. False: it is not current, and may well be gone."""
        if self.find(generation.request_id, generation.token_count) is not generation:
            return False
        self._unregister(generation)
        self._leave(generation)
        return True

    def _supersede(self, older: Generation, newer: Generation) -> None:
        """A newer save of its key takes over. Its file stays as long as the newer one has none."""
        if older.phase is Phase.ON_DISK:
            older.phase = Phase.LEAVING
            newer.replaces = older
            return
        newer.replaces, older.replaces = older.replaces, None
        self._drop(older)

    # -- the writer --------------------------------------------------------------------------------

    def take(self) -> Generation | None:
        """Give the writer the generation to write next."""
        if not self.queue:
            return None
        generation, _ = self.queue.popitem(last=False)
        generation.phase = Phase.IN_HAND
        self.in_hand = generation
        return generation

    def wrote(self, generation: Generation) -> list[Generation]:
        """The file of the generation in hand is in the live tree. Return whose files are to be removed."""
        self._release_payload(generation)
        generation.phase = Phase.ON_DISK
        self.written += 1
        self.in_hand = None
        older, generation.replaces = generation.replaces, None
        if older is None:
            return []
        self._leave(older)
        return [older]

    def dropped(self, generation: Generation) -> None:
        """The writer reads the payload of a cancelled generation no more."""
        self._release_payload(generation)

    def failed(self, generation: Generation, error: str) -> None:
        """The generation in hand could not be written: memory keeps serving it."""
        self.failed_writes += 1
        self.last_error = error
        generation.phase = Phase.FAILED
        self.in_hand = None
        if self.closed:
            # Nobody can load it: there is nothing to keep the bytes for.
            self._step_back(generation)

    def let_go(self, generation: Generation, error: str | None = None) -> None:
        """The writer is done with a cancelled generation, and has removed it unless there was an error."""
        self._release_payload(generation)
        self.in_hand = None
        if error is None:
            generation.phase = Phase.RELEASED
            return
        self.last_error = error
        generation.stolen = True
        self._leave(generation)

    def died(self, reason: str) -> None:
        """There is no writer any more: nothing will be written, everything pending stays in memory."""
        self.death = self.last_error = reason
        generation = self.in_hand
        if generation is not None and generation.phase is Phase.CANCELLED:
            self.let_go(generation, reason if generation.stolen else None)
        elif generation is not None:
            generation.phase = Phase.FAILED
            self.in_hand = None
        while self.queue:
            generation, _ = self.queue.popitem(last=False)
            generation.phase = Phase.FAILED

    # -- forgetting --------------------------------------------------------------------------------

    def forget(self, request_id: str | None) -> Forgotten:
        """Make one request unreachable, or all (None). Everything that is covered and on disk is returned."""
        found = Forgotten()
        if request_id is None:
            tables = list(self.current.values())
            self.current.clear()
        else:
            table = self.current.pop(request_id, None)
            tables = [] if table is None else [table]
        for table in tables:
            for generation in table.values():
                found.count += 1
                self._forget(generation)
        covered = self.in_hand
        if covered is not None and request_id in (None, covered.request_id):
            found.in_hand = covered
        found.files = [one for one in self.leaving if request_id in (None, one.request_id)]
        return found

    def removed(self, generations: Iterable[Generation]) -> None:
        """These files are gone for certain."""
        for generation in generations:
            if self.leaving.pop(generation, self) is None:
                generation.phase = Phase.RELEASED

    def close(self) -> None:
        """Accept nothing and serve nothing from now on. What is queued is still written."""
        self.closed = True
        for table in list(self.current.values()):
            for generation in list(table.values()):
                if generation.phase is Phase.FAILED:
                    self._step_back(generation)

    def abandon(self) -> None:
        """The store object is gone, and with it everybody who could load anything."""
        self.closed = True
        self.forget(None)

    def give_up(self) -> None:
        """Drop all that is queued: the time that it was given is over."""
        for generation in list(self.queue):
            self._step_back(generation)

    def _step_back(self, generation: Generation) -> None:
        """Discard one that is not on disk. The file that it would have replaced is the key's file again.

        Left as one that is leaving, nobody would remove that file before the next cleanup that covers it.
        """
        self._unregister(generation)
        older, generation.replaces = generation.replaces, None
        if older is not None:
            older.phase = Phase.ON_DISK
            self.current.setdefault(older.request_id, {})[older.token_count] = older
        self._drop(generation)

    def _forget(self, generation: Generation) -> None:
        if generation.replaces is not None:
            self._leave(generation.replaces)
            generation.replaces = None
        if generation.phase is Phase.ON_DISK:
            self._leave(generation)
        else:
            self._drop(generation)

    def _drop(self, generation: Generation) -> None:
        """Discard a generation that is not on disk."""
        self.discarded += 1
        if generation.phase is Phase.IN_HAND:
            generation.phase = Phase.CANCELLED
            return
        self.queue.pop(generation, None)
        self._release_payload(generation)
        if generation.stolen:
            self._leave(generation)
        else:
            generation.phase = Phase.RELEASED

    def _leave(self, generation: Generation) -> None:
        generation.phase = Phase.LEAVING
        self.leaving[generation] = None

    def _unregister(self, generation: Generation) -> None:
        table = self.current[generation.request_id]
        del table[generation.token_count]
        if not table:
            del self.current[generation.request_id]

    def _release_payload(self, generation: Generation) -> None:
        if generation.payload is not None:
            self._released.append(generation.payload)
            generation.payload = None
            self.pending_bytes -= generation.nbytes

    def drain(self) -> list[Any]:
        """Return the payloads that were let go, for the caller to drop when the lock is free again."""
        released, self._released = self._released, []
        return released

    # -- numbers -----------------------------------------------------------------------------------

    def stats(self) -> StoreStats:
        """Count."""
        phases = [one.phase for table in self.current.values() for one in table.values()]
        on_disk = phases.count(Phase.ON_DISK)
        return StoreStats(
            pending_bytes=self.pending_bytes,
            peak_pending_bytes=self.peak_pending_bytes,
            pending=len(phases) - on_disk,
            on_disk=on_disk,
            written=self.written,
            discarded=self.discarded,
            refused=self.refused,
            failed_writes=self.failed_writes,
            deferred_cleanups=self.deferred_cleanups,
            last_error=self.last_error,
        )
