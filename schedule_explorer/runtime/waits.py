"""Waits that run out: when a timed wait may expire, what the virtual clock then says, and polling loops.

A timed wait that is not satisfied may expire at any point (`Waits.may_expire`), unless its thread only polls
(see `polling`): then it is *parked*, and moves again once something that it has read has changed. When
nothing else can move, the execution is at *quiescence*, and waits are let expire so that it goes on
(`Waits.quiescent`).
"""

from __future__ import annotations

from types import FrameType

from schedule_explorer.operations import ADD, QUIESCENCE, READ, WRITE, Operation, merge
from schedule_explorer.runtime.heap import heap
from schedule_explorer.runtime.polling import (
    ONCE,
    changed,
    frames_of,
    in_a_loop,
    local_state,
    place_of,
    repeated,
)
from schedule_explorer.runtime.threads import VirtualThread
from schedule_explorer.runtime.trace import Event, Trace, site_text, user_frames

#: early expiries of one thread at one call site before only quiescence lets it expire again
EARLY_EXPIRIES = 6
#: the local state of a thread at its wait, to be looked at when the wait expires: nobody moves it before
LATER = object()
#: waits for time alone: nothing can satisfy them
_PAUSES = frozenset(("sleep", "hang"))
#: rounds of one thread at one call site after which it is taken to wait for ever
_ROUNDS = 200


class Waits:
    """The timed waits of one execution.

    Arguments:
        mode: ``"any"``: a wait may expire at any point; ``"quiet"``: only when nothing else can run, the
            earliest deadline first.
        trace: of the execution.
        by_tid: the threads of the execution, in the order in which they were started.

    Attributes:
        timed: a wait has expired, so that the clocks of threads differ.
        activity: index of the last event that was not part of an idle round of a polling loop.
    """

    __slots__ = ("_by_tid", "_forced", "_key_time", "_mode", "_trace", "activity", "timed")

    def __init__(self, mode: str, trace: Trace, by_tid: dict[int, VirtualThread]) -> None:
        self._mode = mode
        self._trace = trace
        self._by_tid = by_tid
        self.timed = False
        self.activity = -1
        #: by key, the latest virtual time of an event that read, added to or wrote it
        self._key_time: dict[object, list[float]] = {}
        #: tids that may expire at the present quiescence
        self._forced: tuple[int, ...] = ()

    # -- before an operation -------------------------------------------------------------------------

    def announced(self, thread: VirtualThread, operation: Operation, frame: FrameType) -> None:
        """Look at a timed wait that `thread` comes to: is it back where it was, with nothing changed?

        Arguments:
            frame: of the caller of the operation.
        """
        if thread.poll is not None:
            self.close_segment(thread)
        frames = frames_of(frame)
        # A local state costs the most: none where the thread cannot come back to it with nothing changed, and
        # that of a first round only once the wait expires (`performed`), for most do not.
        state: object = None
        if not operation.effective:
            state = ONCE
            if in_a_loop(frames):
                state = LATER if thread.poll is None else local_state(frames)
        if thread.poll is not None and repeated(thread.poll, thread.poll_frames, state, frames):
            operation.parked = dict(thread.reads)
        elif operation.kind not in _PAUSES or thread.poll is not None:
            place = (place_of(frames[0]) if frames else None, operation.kind)
            rounds = thread.expiries[place] = thread.expiries.get(place, 0) + 1
            if rounds <= _ROUNDS:
                self.activity = max(self.activity, thread.event + 1)
            most = _ROUNDS if operation.kind in _PAUSES else EARLY_EXPIRIES
            if self._mode == "any" and rounds > most:
                operation.parked = {}
                self._trace.bounded_at.add(site_text(user_frames(frame)))
        thread.poll = state
        thread.poll_frames = frames if state is not None else []
        thread.reads = {}

    def close_segment(self, thread: VirtualThread, operation: Operation | None = None) -> None:
        """Stop looking for an idle round when the thread has changed an object by itself.

        Arguments:
            operation: which it announces. The heap, which costs the most, is not looked at before one that
                will have an effect in any case: with it the round is none that is idle.
        """
        if thread.poll is ONCE:
            self.activity = max(self.activity, thread.event)
            return
        now = None
        sure = operation is not None and operation.ready is not None and operation.bound
        if not sure or all(mode == READ for _, mode in sure):
            now = heap(thread.poll_frames)
        if changed(thread.heap, now):
            thread.poll = None
            thread.poll_frames = []
            self.activity = max(self.activity, thread.event)
        thread.heap, thread.heap_at = now, len(self._trace.events)

    def may_expire(self, thread: VirtualThread, operation: Operation) -> bool:
        """Say whether a timed wait that is not satisfied may expire before quiescence."""
        if self._mode == "quiet":
            return False
        if operation.parked is None:
            return True
        parked = operation.parked
        if not parked:
            return False
        events = self._trace.events
        for index in range(min(parked.values()) + 1, len(events)):
            event = events[index]
            if event.tid != thread.tid:
                for key, mode in event.accesses:
                    if mode != READ and parked.get(key, index) < index:
                        return True
        return False

    def quiescent(self) -> list[int]:
        """Nothing can move but by an expiry: let waits expire, each a bounded number of rounds.

        A polling loop is let go round once more when anything but idle rounds went on since its last
        one: it may have been a plain attribute that changed. In ``quiet`` mode this is the only place
        where waits expire, the earliest deadline first.

        Returns:
            the tids that may, ascending.
        """
        waiting: list[tuple[VirtualThread, Operation, float]] = []
        for thread in self._by_tid.values():
            operation = thread.pending
            if operation is None or operation.timeout is None:
                continue
            if operation.parked is None or thread.forced_at < self.activity:
                waiting.append((thread, operation, thread.now + operation.timeout))
        if waiting and self._mode == "quiet":
            first = min(deadline for _, _, deadline in waiting)
            waiting = [entry for entry in waiting if entry[2] == first]
        options = sorted(thread.tid for thread, _, _ in waiting)
        self._forced = tuple(options)
        return options

    # -- after an operation --------------------------------------------------------------------------

    def performed(self, thread: VirtualThread, operation: Operation, event: Event) -> None:
        """Keep what the clock and the polling rule need of an operation that was performed."""
        effect = False
        for _, mode in event.accesses:
            if mode != READ:
                effect = True
                break
        if operation.expired and operation.timeout is not None:
            self.timed = True
            thread.now += max(operation.timeout, 0.0)
        if effect or operation.effective or (operation.timeout is not None and not operation.expired):
            thread.poll = None
        if thread.poll is None or thread.poll is ONCE:
            self.activity = event.index
            # A frame that has returned must not keep alive what its variables led to.
            thread.poll_frames = []
        else:
            for key, _ in event.accesses:
                thread.reads[key] = event.index
            # A step that only read, right after it was announced, has left everything as it was then.
            if thread.poll is LATER:
                thread.poll = local_state(thread.poll_frames)
            if thread.heap_at != event.index or operation.timeout is not None:
                thread.heap = heap(thread.poll_frames)
        if operation.parked:
            event.parked = operation.parked
            reads = tuple((key, READ) for key in operation.parked)
            event.accesses = merge(event.accesses, reads)
            event.bound = None if event.bound is None else merge(event.bound, reads)
            event.exact = False
        if self._forced:
            event.forced = self._forced
            thread.forced_at = event.index
            event.accesses = merge(event.accesses, ((QUIESCENCE, WRITE),))
            event.bound = None if event.bound is None else merge(event.bound, ((QUIESCENCE, WRITE),))
            event.exact = False
            self._forced = ()
        if self.timed:
            self._merge_time(thread, event)

    def nested(self, thread: VirtualThread, operation: Operation) -> None:
        """Let a wait that is not satisfied expire at once: it is within a step, and nobody else can move."""
        operation.expired = operation.ready is not None and not operation.ready()
        if operation.expired and operation.timeout is not None:
            self.timed = True
            thread.now += max(operation.timeout, 0.0)

    def caught_up(self, thread: VirtualThread, event: Event) -> None:
        """Take over the time of what an operation within `event`, a step that is over, came after."""
        if self.timed:
            self._merge_time(thread, event)

    def _merge_time(self, thread: VirtualThread, event: Event) -> None:
        """Virtual time is causal: a thread is not earlier than what happened before it.

        The value depends on happens-before only, so equivalent executions read the same clocks.
        """
        now = thread.now
        if len(event.order) > 1 or event.enabled_by:  # the first one is of the thread itself
            for index in (*event.order, *event.enabled_by):
                now = max(now, self._trace.events[index].now)
        key_time = self._key_time
        for key, mode in event.accesses:
            times = key_time.get(key)
            if times is None:
                key_time[key] = [0.0, 0.0, 0.0]
                continue
            read, added, written = times
            if written > now:
                now = written
            if mode != READ and read > now:
                now = read
            if mode != ADD and added > now:
                now = added
        for key, mode in event.accesses:
            times = key_time[key]
            if times[mode] < now:
                times[mode] = now
        thread.now = event.now = now
