"""Why one thread stopped and why the next one went on.

A trace has no list of the threads that could have run at each point, so the reason is worked out from
what came later. When thread T stops after event i and goes on with event c, then between the two T was

* *waiting*, when c is an expiry, when something that c cannot do without (the end of a joined thread, a
  notify) happened after i, when the gate of c (a lock being free, an event being set) was still closed
  at the first later event that looked at it, or else when what let c through (the put of its item) came
  after i;
* *preempted* otherwise: c could have run at once, and the schedule took another thread.
"""

from __future__ import annotations

from dataclasses import dataclass

from schedule_explorer.operations import READ
from schedule_explorer.reporting.names import Names
from schedule_explorer.runtime import Event, Trace, without_ends

#: operations that may have to wait; every other kind runs whenever it is chosen
_WAITS = ("lock.acquire", "condition.wake", "condition.timed_wake", "queue.get", "queue.put", "queue.join",
          "semaphore.acquire", "event.wait", "thread.join", "barrier.wait", "sleep",
          "hang")
#: what its last toucher did, said of the event that ended a wait
_DEEDS = {
    "lock.release": "released {}", "condition.wait": "released the lock of {}",
    "condition.notify": "notified {}", "semaphore.release": "released {}", "event.set": "set {}",
    "queue.put": "put into {}", "queue.put_nowait": "put into {}", "queue.get": "took from {}",
    "queue.get_nowait": "took from {}", "queue.task_done": "finished a task of {}",
}


@dataclass(frozen=True)
class Wait:
    """What a thread waits for: `holder` is a tid or None, `woken_by` an event index or -1."""

    holder: int | None = None
    woken_by: int = -1


class Switches:
    """Answers, for one trace, why threads stop and go on."""

    def __init__(self, trace: Trace, names: Names) -> None:
        self._trace = trace
        self._names = names
        self._following: dict[int, Event] = {}
        self._last: dict[int, Event] = {}
        for event in without_ends(trace.events):
            previous = self._last.get(event.tid)
            if previous is not None:
                self._following[previous.index] = event
            self._last[event.tid] = event
        self._blocked = {blocked.tid: blocked for blocked in trace.blocked}
        self._failed = {tid for tid, _ in trace.errors}

    def last(self, tid: int) -> Event | None:
        """Return the last event of a thread but for its end."""
        return self._last.get(tid)

    def following(self, event: Event) -> Event | None:
        """Return what the thread of `event` did next."""
        return self._following.get(event.index)

    def wait(self, event: Event) -> Wait | None:
        """Say what the thread of `event` waited for after it; None when it was preempted or ended."""
        then = self.following(event)
        if then is None or not (then.expired or then.kind in _WAITS):
            return None
        if then.expired:
            return Wait(holder=self.holder(then, event.index))
        later = [i for i in then.order if i > event.index]
        if later:
            return Wait(woken_by=max(later))
        later = [i for i in then.enabled_by if i > event.index]
        if then.gate is not None:
            key, _ = then.gate
            for other in self._trace.events[event.index + 1 : then.index]:
                if any(touched == key for touched, _ in other.accesses):
                    if then.gate in other.opened:
                        break
                    opener = self._toucher(key, event.index, then.index) or other
                    return Wait(self.holder(then, event.index), opener.index)
            else:
                return Wait(woken_by=max(later)) if later else None
            return None
        if later:
            return Wait(woken_by=max(later))
        return self._timed_lock(then, event.index)

    def leaving(self, event: Event) -> str:
        """Say why the thread of `event` did nothing more after it, for the time being or for ever."""
        then = self.following(event)
        if then is None:
            return self.end(event.tid)
        wait = self.wait(event)
        if wait is None:
            # The thread's next row has the rest.
            return f"preempted before {then.kind.rpartition('.')[2]}"
        if wait.holder is not None:
            target = self._names.target(then.target)
            return f"blocked on {target} held by {self._names.thread(wait.holder)}"
        return self._names.waiting(then.kind, then.target)

    def end(self, tid: int) -> str:
        """Say how a thread is at the end of the execution."""
        blocked = self._blocked.get(tid)
        if blocked is None:
            return "ended by the error" if tid in self._failed else "ended"
        kind, _, target = blocked.operation.partition(" ")
        if blocked.daemon or blocked.pending.timeout is not None:
            return f"still {self._names.waiting(kind, target)}"
        holder = self._names.holder(blocked.holder)
        if holder is not None and kind != "thread.join":
            held = f"{self._names.target(target)} held by {self._names.thread(holder)}"
            return f"blocked for ever on {held}"
        return f"{self._names.waiting(kind, target)}, for ever"

    def entering(self, event: Event, previous: Event | None) -> str:
        """Say why a thread goes on with `event`, or starts; `previous` is its event before, if any."""
        if previous is None:
            return "starts"
        wait = self.wait(previous)
        if wait is None:
            return ""
        if event.expired:
            if event.kind == "hang":
                return "the disk answers"
            return f"goes on after {event.target}" if event.kind == "sleep" else "its wait timed out"
        if wait.woken_by < 0:
            return ""
        opener = self._trace.events[wait.woken_by]
        who = self._names.thread(opener.tid)
        if event.kind == "thread.join":
            return f"goes on: {who} ended"
        deed = _DEEDS.get(opener.kind, f"did {opener.kind} {{}}")
        return f"goes on: {who} {deed.format(self._names.target(opener.target))}"

    def woken(self, event: Event) -> list[int]:
        """Return the tids of the threads that a notify woke."""
        found = [other.tid for other in self._trace.events[event.index + 1 :]
                 if event.index in other.order and other.tid != event.tid]
        found += [tid for tid, blocked in self._blocked.items() if event.index in blocked.order
                  and tid != event.tid]
        return sorted(set(found))

    def holder(self, then: Event, index: int) -> int | None:
        """Return the thread that held the lock which `then` asks for, after event `index`."""
        if then.kind not in ("lock.acquire", "condition.wake") or not then.accesses:
            return None
        key = then.gate[0] if then.gate is not None else then.accesses[0][0]
        toucher = self._toucher(key, -1, index + 1)
        if toucher is None or toucher.kind in ("lock.release", "condition.wait"):
            return None
        return toucher.tid

    def taken_at(self, key: object, holder: int | None = None) -> Event | None:
        """Return the event that last changed what `key` stands for: the acquire of a held lock."""
        event = self._toucher(key, -1, len(self._trace.events))
        return event if event is not None and holder in (None, event.tid) else None

    def _toucher(self, key: object, after: int, before: int) -> Event | None:
        for event in reversed(self._trace.events[after + 1 : before]):
            if any(touched == key and mode != READ for touched, mode in event.accesses):
                return event
        return None

    def _timed_lock(self, then: Event, index: int) -> Wait | None:
        """A lock acquired within its time: it was waited for exactly when somebody held it."""
        holder = self.holder(then, index)
        if then.kind != "lock.acquire" or holder is None:
            return None
        release = self._toucher(then.accesses[0][0], index, then.index)
        return Wait(holder, release.index if release is not None else -1)
