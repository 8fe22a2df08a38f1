"""What the store knows, and every change of it: no lock, no thread, no file in here.

One `StoreState` belongs to one store; all of its methods are called with the store's lock held, take constant
time (or time that grows with what they forget) and never block.

    SAVING -> accept -> QUEUED -> take -> IN_HAND -> wrote  -> ON_DISK
                                                  -> failed -> FAILED  (served from memory)
    forget, or a newer accept of the key:
        SAVING         -> RELEASED                                     (and accept keeps nothing of it)
        QUEUED, FAILED -> RELEASED                                     (at once, with the payload)
        IN_HAND        -> CANCELLED -> finished -> let_go -> RELEASED  (the writer still reads the payload)
        ON_DISK        -> LEAVING   -> removed  -> RELEASED            (a file is to be removed)

A caller may be interrupted (`KeyboardInterrupt`, or what a signal handler raises), which comes at the begin
of a function, after a call or in a loop, but never between plain assignments. So what is taken out of
`current` goes into `StoreState._unsettled` by assignments alone, and who next changes the tables deals with
what is left there: nothing that an interrupted cleanup or save was about to forget is lost.

Memory may be short at whatever takes some: a new list, a new key of a dict, a number that is not small. So
that comes first in every change, or is undone, or is done again by who next settles.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from store.generation import Forgotten, Generation, Payload, Phase
from store.outcomes import StoreStats


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
        #: generations that are in `current` no more and yet to be forgotten; empty unless interrupted
        self._unsettled: list[Generation] = []
        #: bytes of every payload that is not None
        self.pending_bytes = 0
        #: payloads that were let go in this lock section, or in one that was interrupted before its end:
        #: giving memory back takes time, see `drain`
        self._released: list[Any] = []
        #: their bytes
        self._released_bytes = 0
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

    def accept(self, generation: Generation, payload: Payload) -> str | None:
        """Publish a save: registry, pending entry and queue slot at once. Return why not, when refused.

        Only now is the payload the generation's: a cleanup that runs may know one that is not kept.
        """
        reason = self.refuse(generation)
        if reason is not None:
            return reason
        if generation.phase is Phase.RELEASED:
            # It was saved before the cleanup that came meanwhile, and removed by that.
            self.discarded += 1
            return None
        table = self.current.get(generation.request_id)
        older = None if table is None else table.get(generation.token_count)
        pending, number = self.pending_bytes + generation.nbytes, self.sequence + 1
        peak = max(self.peak_pending_bytes, pending - _freed_with(older))
        superseded = [] if older is None or older.phase is Phase.ON_DISK else [older]
        # From here on assignments alone, so that no interrupt comes between them; two may fail.
        self.queue[generation] = None
        try:
            if table is None:
                self.current[generation.request_id] = {generation.token_count: generation}
            else:
                table[generation.token_count] = generation
        except MemoryError:
            del self.queue[generation]
            raise
        if older is not None and older.phase is Phase.ON_DISK:
            # Its file stays as long as the newer one has none.
            older.phase = Phase.LEAVING
            generation.replaces = older
        elif older is not None:
            self._unsettled = superseded
            generation.replaces, older.replaces = older.replaces, None
        generation.payload = payload
        generation.phase = Phase.QUEUED
        generation.sequence = self.sequence
        self.sequence = number
        self.pending_bytes = pending
        self.peak_pending_bytes = peak
        self.settle()
        return None

    def refuse(self, generation: Generation) -> str | None:
        """Refuse a save that cannot be accepted, and say why; None when it can."""
        self.settle()
        reason = self.refusal(generation)
        if reason is not None:
            self.refused += 1
        return reason

    def ended(self) -> str | None:
        """Say why no save is accepted ever again; None when there is no such reason.

        The lock is not needed: what ends a store is never taken back.
        """
        if self.closed:
            return "the store is shut down"
        if self.death is not None:
            return f"the writer is dead: {self.death}"
        return None

    def refusal(self, generation: Generation) -> str | None:
        """Say why a save cannot be accepted; None when it can."""
        ended = self.ended()
        if ended is not None or self.max_pending_bytes is None:
            return ended
        older = self.find(generation.request_id, generation.token_count)
        pending = self.pending_bytes - _freed_with(older) + generation.nbytes
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
        self._withdraw(generation)
        return True

    # -- the writer --------------------------------------------------------------------------------

    def take(self, place: Callable[[int], Any]) -> Generation | None:
        """Give the writer the generation to write next, with names that `place` makes of its number."""
        if not self.queue:
            return None
        generation = next(iter(self.queue))
        # What is in hand has names: if none can be made, it stays in the queue.
        generation.place = place(generation.sequence)
        del self.queue[generation]
        generation.phase = Phase.IN_HAND
        self.in_hand = generation
        return generation

    def wrote(self, generation: Generation) -> list[Generation]:
        """The file of the generation in hand is in the live tree. Return whose files are to be removed."""
        replaced = [] if generation.replaces is None else [generation.replaces]
        written = self.written + 1
        for older in replaced:
            self._leave(older)
        self._release_payload(generation)
        generation.phase = Phase.ON_DISK
        self.written = written
        self.in_hand = None
        generation.replaces = None
        return replaced

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
            self._withdraw(generation)

    def let_go(self, generation: Generation, error: str | None = None) -> None:
        """The writer is done with a cancelled generation, and has removed it unless there was an error."""
        self._release_payload(generation)
        if error is None:
            generation.phase = Phase.RELEASED
        else:
            self.last_error = error
            generation.stolen = True
            self._leave(generation)
        self.in_hand = None

    def died(self, reason: str) -> None:
        """There is no writer any more: nothing will be written, everything pending stays in memory."""
        self.death = self.last_error = reason
        self.settle()
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

    def forget(self, request_id: str | None, saving: Iterable[Generation] = ()) -> Forgotten:
        """Make one request unreachable, or all (None). Everything that is covered and on disk is returned.

        Arguments:
            saving: of saves that have begun, of whichever requests: of these `accept` will keep nothing.
        """
        self.settle()
        if request_id is None:
            tables = list(self.current.values())
        else:
            table = self.current.get(request_id)
            tables = [] if table is None else [table]
        unreachable = [one for table in tables for one in table.values()]
        found = Forgotten(len(unreachable))
        unreachable += [one for one in saving if request_id in (None, one.request_id)]
        unreachable.reverse()
        empty: dict[str, dict[int, Generation]] = {}
        # Assignments alone.
        self._unsettled = unreachable
        if request_id is None:
            self.current = empty
        elif found.count:
            del self.current[request_id]
        self.settle()
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
        self.settle()
        for table in list(self.current.values()):
            for generation in list(table.values()):
                if generation.phase is Phase.FAILED:
                    self._withdraw(generation)

    def abandon(self) -> None:
        """The store object is gone, and with it everybody who could load anything."""
        self.closed = True
        self.forget(None)

    def give_up(self) -> None:
        """Drop all that is queued: the time that it was given is over."""
        self.settle()
        for generation in list(self.queue):
            self._withdraw(generation)

    def settle(self) -> None:
        """Forget what was taken out of `current`, and what an interrupted call left of that."""
        while self._unsettled:
            self._forget(self._unsettled[-1])
            self._unsettled.pop()

    # -- repeated after an interrupt: what was done before it is done once ---------------------------

    def _withdraw(self, generation: Generation) -> None:
        """Discard one that is current. The file that it would have replaced is the key's file again.

        Left as one that is leaving, nobody would remove that file before the next cleanup that covers it.
        """
        self.settle()
        # Assignments alone, and only the first takes memory: a key that is there already takes none.
        self._unsettled = [generation]
        table = self.current[generation.request_id]
        older, generation.replaces = generation.replaces, None
        if older is not None:
            older.phase = Phase.ON_DISK
            table[older.token_count] = older
        else:
            del table[generation.token_count]
            if not table:
                del self.current[generation.request_id]
        self.settle()

    def _forget(self, generation: Generation) -> None:
        if generation.replaces is not None:
            self._leave(generation.replaces)
            generation.replaces = None
        if generation.phase is Phase.ON_DISK:
            self._leave(generation)
        elif generation.phase is Phase.SAVING:
            generation.phase = Phase.RELEASED
        elif generation.phase in (Phase.QUEUED, Phase.IN_HAND, Phase.FAILED):
            self._drop(generation)

    def _drop(self, generation: Generation) -> None:
        """Discard a generation that is not on disk. It is counted where its phase changes: once."""
        discarded = self.discarded + 1
        if generation.phase is Phase.IN_HAND:
            generation.phase = Phase.CANCELLED
            self.discarded = discarded
            return
        if generation.stolen:
            self.leaving[generation] = None
        self.queue.pop(generation, None)
        self._release_payload(generation)
        generation.phase = Phase.LEAVING if generation.stolen else Phase.RELEASED
        self.discarded = discarded

    def _leave(self, generation: Generation) -> None:
        self.leaving[generation] = None
        generation.phase = Phase.LEAVING

    def _release_payload(self, generation: Generation) -> None:
        if generation.payload is not None:
            # No call in here, for the same reason.
            pending = self.pending_bytes - generation.nbytes
            released = self._released_bytes + generation.nbytes
            self._released += [generation.payload]
            generation.payload = None
            self.pending_bytes = pending
            self._released_bytes = released

    def drain(self) -> list[Any]:
        """Return the payloads that were let go, for the caller to drop when the lock is free again."""
        released, self._released = self._released, []
        self._released_bytes = 0
        return released

    # -- numbers -----------------------------------------------------------------------------------

    def stats(self) -> StoreStats:
        """Count."""
        phases = [one.phase for table in self.current.values() for one in table.values()]
        on_disk = phases.count(Phase.ON_DISK)
        return StoreStats(
            pending_bytes=self.pending_bytes + self._released_bytes,
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


def _freed_with(older: Generation | None) -> int:
    """Return the bytes that are let go when a newer save has the key: unless the writer reads them."""
    return older.nbytes if older is not None and older.phase in (Phase.QUEUED, Phase.FAILED) else 0
