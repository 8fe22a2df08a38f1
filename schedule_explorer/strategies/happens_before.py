"""Happens-before of an execution, and the races in it that can be reversed.

An event happens before another when it comes earlier and they conflict, or the later one's `order` or
`enabled_by` names it, and so on transitively. Sets of events are integers, one bit an event: what happens
before an event, and what does not happen after it, are one operation each.

A *reversible race* is a pair (e, e') of different threads, e before e', with nothing in between in
happens-before, such that e' could have run where e did. For an operation that blocks that is so only if its
gate was open before e; then what re-opened the gate after e does not count as in between (Abdulla, Aronis,
Jonsson, Sagonas, JACM 2017, section on locks).
"""

from __future__ import annotations

from schedule_explorer.operations import READ, WRITE, Accesses, Gate, Key
from schedule_explorer.runtime import Blocked, Event, Trace


class HappensBefore:
    """Happens-before of the present execution; what a new one shares with the last one is kept.

    Attributes:
        before: for each event, the mask of the events that happen before it, itself excluded.
        races: the reversible races as (e, e'), ascending by e'.
        of_thread: tid to the mask of its events.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.before: list[int] = []
        self.races: list[tuple[int, int]] = []
        self.of_thread: dict[int, int] = {}
        self._history: dict[Key, list[tuple[int, int, int]]] = {}

    def truncate(self, length: int) -> None:
        """Forget the events from index `length` on."""
        for event in reversed(self.events[length:]):
            for key, _ in event.accesses:
                self._history[key].pop()
            self.of_thread[event.tid] &= ~(1 << event.index)
        del self.events[length:]
        del self.before[length:]
        while self.races and self.races[-1][1] >= length:
            self.races.pop()

    def extend(self, trace: Trace) -> None:
        """Take in the events of `trace` that are not known yet."""
        masks = self.before
        for event in trace.events[len(self.events) :]:
            index = event.index
            before = 0
            for earlier in event.order:
                before |= masks[earlier] | 1 << earlier
            if event.forced:
                # Possible only once nothing else could move: it comes after everything. But the wait might
                # have been satisfied earlier, like one that never ends.
                races = self._last_forced(event)
                if event.gate is not None:
                    resource = event.gate[0]
                    through = tuple(a for a in event.accesses if a[0] == resource)
                    races += self._through_gate(event.gate, through, before)
                before = (1 << index) - 1
            else:
                before, races = self._look_back(event, before)
            masks.append(before)
            for earlier in races:
                if self.events[earlier].tid != event.tid and self._reversible(earlier, event):
                    self.races.append((earlier, index))
            self.events.append(event)
            self.of_thread[event.tid] = self.of_thread.get(event.tid, 0) | 1 << index
            for key, mode in event.accesses:
                history = self._history.get(key)
                if history is None:
                    history = self._history[key] = []
                history.append((index, mode, event.tid))

    def blocked_races(self, blocked: Blocked) -> list[int]:
        """Return the events that a wait which never ended races with.

        A thread that is blocked for ever would have gone on where the last event that closed its gate ran.
        """
        operation = blocked.pending
        before = 0
        for earlier in blocked.order:
            before |= self.before[earlier] | 1 << earlier
        if operation.gate is None:
            return []
        races = self._through_gate(operation.gate, operation.accesses, before)
        return [e for e in races if self.events[e].tid != blocked.tid]

    # -- looking back from one event -----------------------------------------------------------------

    def _look_back(self, event: Event, base: int) -> tuple[int, list[int]]:
        """Return what happens before `event` in all, and its races, reversible or not."""
        enabled = 0
        for earlier in event.enabled_by:
            enabled |= self.before[earlier] | 1 << earlier
        accesses = event.accesses
        if event.gate is None:
            full, races = self._races(self._conflicts(accesses), base) if accesses else (base, [])
            return full | enabled, races
        resource = event.gate[0]
        through: Accesses = accesses
        others: list[int] = []
        if len(accesses) > 1 or (accesses and accesses[0][0] != resource):
            through = tuple([a for a in accesses if a[0] == resource])
            others = self._conflicts(tuple([a for a in accesses if a[0] != resource]))
        full = base | enabled
        for earlier in self._conflicts(through):
            full |= self.before[earlier] | 1 << earlier
        full, races = self._races(others, full) if others else (full, [])
        # What else it conflicts with may have come after the gate was closed, and would be gone with that.
        return full, [*races, *self._through_gate(event.gate, through, base)]

    def _races(self, conflicts: list[int], clock: int) -> tuple[int, list[int]]:
        found = []
        for earlier in conflicts:
            if not clock >> earlier & 1:
                found.append(earlier)
                clock |= self.before[earlier] | 1 << earlier
        return clock, found

    def _conflicts(self, accesses: Accesses) -> list[int]:
        """Return the latest events that conflict with `accesses`, the latest first.

        Those before the last write of a key happen before it; of a thread's several, the last counts.
        """
        found: set[int] = set()
        for key, mode in accesses:
            history = self._history.get(key)
            if not history:
                continue
            latest = history[-1]
            if latest[1] == WRITE:
                found.add(latest[0])
                continue
            seen: set[int] = set()
            for earlier, other, tid in reversed(history):
                if (other != mode or mode == WRITE) and tid not in seen:
                    found.add(earlier)
                    seen.add(tid)
                if other == WRITE:
                    break
        return sorted(found, reverse=True) if len(found) > 1 else list(found)

    def _through_gate(self, gate: Gate, accesses: Accesses, clock: int) -> list[int]:
        """Return the latest conflicting events before which `gate` was open, down to one that wrote."""
        races = []
        for key, mode in accesses:
            for earlier, other, _ in reversed(self._history.get(key, [])):
                if other == mode != WRITE or gate not in self.events[earlier].opened:
                    continue
                if not clock >> earlier & 1:
                    races.append(earlier)
                    clock |= self.before[earlier] | 1 << earlier
                if other == WRITE:
                    break
        return races

    def _reversible(self, earlier: int, event: Event) -> bool:
        """Say whether `event` could have run where `earlier` did, as far as gates do not tell."""
        if event.parked is None or event.forced:
            return True
        # A parked wait needs a change; another one than `earlier` must be left when that is taken away.
        parked = event.parked
        for index in range(min(parked.values(), default=event.index) + 1, event.index):
            other = self.events[index]
            if index == earlier or other.tid == event.tid or self.before[index] >> earlier & 1:
                continue
            if any(mode != READ and parked.get(key, index) < index for key, mode in other.accesses):
                return True
        return False

    def _last_forced(self, event: Event) -> list[int]:
        """Return the last expiry at quiescence, if `event` could have been chosen instead."""
        for earlier in reversed(self.events):
            if earlier.forced:
                moved = self.of_thread.get(event.tid, 0) >> (earlier.index + 1)
                return [earlier.index] if event.tid in earlier.forced and not moved else []
        return []
