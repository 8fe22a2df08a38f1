"""The step loop of one execution.

    body ── a virtual thread runs alone until it announces its next operation ──┐
         ┌── Chooser.choose(enabled threads): the only place where a choice is made ◄┘
         └─► the chosen thread performs its operation for real ── Event appended to the trace

There is no scheduler thread: the loop runs inside whichever greenlet announces, and switches
straight to the chosen one. When the chosen thread is the announcing one nothing is switched at all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import greenlet

from schedule_explorer.errors import ExplorerError, StepLimitError, UncontrolledBlockingError
from schedule_explorer.operations import ADD, QUIESCENCE, READ, WRITE, Accesses, Operation
from schedule_explorer.runtime.polling import changed, frames_of, heap, local_state
from schedule_explorer.runtime.threads import ThreadEnd, VirtualThread
from schedule_explorer.runtime.trace import BOTTOM, Blocked, Event, Trace, site_text, user_frames

#: early expiries of one thread at one call site before only quiescence lets it expire again
EARLY_EXPIRIES = 6


@dataclass(slots=True)
class Choice:
    """A point at which something is decided.

    `kind` is ``"thread"`` (options are tids, ascending) or the name of another choice, e.g.
    ``"notify"`` (options are 0..n-1). `execution` gives access to pending operations.
    """

    kind: str
    options: list[int]
    execution: Execution


class Chooser(Protocol):
    """What an execution needs of a strategy."""

    def choose(self, choice: Choice) -> int | None:
        """Return one of ``choice.options``, or None to cut the execution off here."""


_current: Execution | None = None


def current_execution() -> Execution | None:
    """Return the execution under way on this process, or None."""
    return _current


class Execution:
    """Runs one body once, under the choices of a chooser.

    Arguments:
        chooser: decides; see `Chooser`.
        tids: thread path to tid, shared by all executions of one exploration.
        timeouts: ``"any"``: a wait may expire at any point; ``"quiet"``: only when nothing else can
            run, the earliest deadline first.
        record: note source lines, for an explanation. Costs time.
        max_steps: operations after which an execution is given up with `StepLimitError`.
    """

    def __init__(
        self,
        chooser: Chooser,
        tids: dict[tuple[int, ...], int],
        *,
        timeouts: str = "any",
        record: bool = False,
        max_steps: int = 20_000,
    ) -> None:
        self.chooser = chooser
        self.tids = tids
        self.timeouts = timeouts
        self.record = record
        self.max_steps = max_steps
        self.trace = Trace()
        self.threads: list[VirtualThread] = []
        self.by_tid: dict[int, VirtualThread] = {}
        self.current: VirtualThread | None = None
        self.hub = greenlet.getcurrent()
        self.ending = False
        self.fatal: BaseException | None = None
        #: called at quiescence, oldest first, with everything as the program left it; what one of them
        #: raises is a failure of the program
        self.at_quiescence: list[Callable[[], None]] = []
        #: called when the execution ends, newest first: close descriptors, remove directories
        self.at_end: list[Callable[[], None]] = []
        #: what interposition keeps for one execution (inode names, open files ...)
        self.state: dict[str, Any] = {}
        self._order: tuple[int, ...] = ()
        self._enabled_by: tuple[int, ...] = ()
        self._choices: tuple[tuple[int, int], ...] = ()
        self._key_time: dict[object, list[float]] = {}
        self._timed = False
        #: tids that may expire at the present quiescence
        self._forced: tuple[int, ...] = ()
        #: index of the last event that was not part of an idle round of a polling loop
        self._activity = -1

    # -- running -------------------------------------------------------------------------------

    def run(self, body: Callable[[], Any]) -> Trace:
        """Run `body` as thread 0 to the end of all threads, and return the trace.

        Raises what the explorer itself has to say (`ExplorerError`); errors of the program are in
        the trace.
        """
        global _current
        _current = self
        try:
            root = self.spawn(None, "main", body)
            self.trace.choices.append(("thread", root.tid))
            self.current = root
            root.greenlet.switch()
            while not self.ending:
                # A finished thread's greenlet falls back to here; go on with the next one.
                following = self._pick()
                if following is None:
                    break
                self.current = following
                following.greenlet.switch()
            self._finish()
        finally:
            self.ending = True
            try:
                self._tear_down()
            finally:
                self.current = _current = None
        if self.fatal is not None:
            raise self.fatal
        return self.trace

    def spawn(
        self, parent: VirtualThread | None, name: str, target: Callable[[], Any]
    ) -> VirtualThread:
        """Make a virtual thread; it is enabled from now on. Starting is order, never a race."""
        if parent is None:
            path: tuple[int, ...] = ()
        else:
            path = (*parent.path, parent.children)
            parent.children += 1
        tid = self.tids.setdefault(path, len(self.tids))
        self.trace.tids[path] = tid
        thread = VirtualThread(tid, path, name, self._thread_main, self.hub)
        thread.target = target
        thread.pending = Operation("thread.begin", name, _nothing)
        if parent is not None:
            thread.now = parent.now
            thread.event = parent.event
        self.threads.append(thread)
        self.by_tid[tid] = thread
        self.trace.end_keys[tid] = thread.end_key
        names = self.trace.thread_names
        while len(names) <= tid:
            names.append("")
        names[tid] = name
        return thread

    def _thread_main(self) -> None:
        thread = self.current
        assert thread is not None and thread.pending is not None
        try:
            if self.ending:
                return
            self._perform(thread, thread.pending)
            target, thread.target = thread.target, None
            target()
        except (ThreadEnd, SystemExit):
            pass
        except ExplorerError as error:
            self._abort(error)
        except (KeyboardInterrupt, greenlet.GreenletExit) as error:
            self._abort(error)
        except BaseException as error:
            if not self.ending:
                thread.error = error
                self.trace.errors.append((thread.tid, error))
        finally:
            target = None
            thread.finished = True
            thread.pending = None
            if not self.ending:
                # The end belongs to the thread's last step: nothing happens in between.
                last = self.trace.events[thread.event]
                last.accesses = merge(last.accesses, ((thread.end_key, WRITE),))
                self._activity = len(self.trace.events) - 1

    def _abort(self, error: BaseException) -> None:
        if self.fatal is None:
            self.fatal = error
        self.ending = True

    # -- the one yield function ------------------------------------------------------------------

    def step(self, operation: Operation) -> Any:
        """Announce `operation`, wait until it is chosen, perform it, and return its result.

        This is the only way in which a virtual thread yields.
        """
        thread = self.current
        assert thread is not None
        if self.ending:
            raise ThreadEnd
        if thread.atomic:
            return self._nested(thread, operation)
        if operation.timeout is not None:
            self._look_for_poll(thread, operation)
        elif thread.poll is not None:
            self._close_segment(thread)
        thread.pending = operation
        if self.record:
            thread.resume = user_frames(sys._getframe(1))
        following = self._pick()
        if following is not thread:
            if following is None:
                self.hub.switch()
            else:
                self.current = following
                following.greenlet.switch()
            if self.ending:
                raise ThreadEnd
        return self._perform(thread, operation)

    def _nested(self, thread: VirtualThread, operation: Operation) -> Any:
        """Perform within the present step: a real lock of the stdlib is held around it."""
        if operation.ready is not None and not operation.ready() and operation.timeout is None:
            raise UncontrolledBlockingError(
                f"{operation} would wait while a lock of the standard library is held, "
                f"at {site_text(user_frames(sys._getframe(2)))}"
            )
        operation.expired = operation.ready is not None and not operation.ready()
        self.trace.nested = True
        outer = self._order, self._enabled_by, self._choices
        self._order, self._enabled_by, self._choices = (), (), ()
        try:
            return operation.perform(operation)
        finally:
            if self.trace.events and thread.event >= 0:
                event = self.trace.events[-1]
                event.accesses = merge(event.accesses, operation.accesses)
                event.order += self._order
                event.enabled_by += self._enabled_by
                event.choices += self._choices
                if any(mode != READ for _, mode in operation.accesses):
                    self._activity = event.index
                    thread.poll = None
            self._order, self._enabled_by, self._choices = outer

    def _perform(self, thread: VirtualThread, operation: Operation) -> Any:
        events = self.trace.events
        index = len(events)
        if index >= self.max_steps:
            self._abort(StepLimitError(
                f"one execution made {index} operations, the last one {operation} at "
                f"{site_text(user_frames(sys._getframe(2)))}: probably a loop that waits for nothing; "
                "let it wait on an event or sleep, or raise max_steps"
            ))
            self.hub.switch()
        event = Event(index, thread.tid, operation.kind, operation.target)
        events.append(event)
        thread.pending = None
        operation.expired = operation.ready is not None and not operation.ready()
        if thread.event >= 0:
            self._order = (thread.event, *operation.order) if operation.order else (thread.event,)
        else:
            self._order = ()
        self._enabled_by = ()
        self._choices = ()
        thread.event = index
        if self.record:
            event.frames = thread.resume or ()
        try:
            return operation.perform(operation)
        except Exception as error:
            operation.note = operation.note or type(error).__name__
            raise
        finally:
            event.accesses = operation.accesses
            event.order = self._order
            event.enabled_by = self._enabled_by
            event.choices = self._choices
            event.opened = operation.opened
            event.exact = operation.exact()
            event.bound = operation.accesses if event.exact else operation.upper_bound()
            event.gate = operation.gate
            event.note = operation.note
            event.expired = operation.expired
            if operation.timeout is not None or thread.poll is not None or self._timed:
                self._after(thread, operation, event)
            elif event.accesses or operation.kind != "thread.begin":
                self._activity = index

    def order_after(self, index: int) -> None:
        """Say, from within `perform`, that event `index` comes before this one and could not come after."""
        if index >= 0 and index not in self._order:
            self._order = (*self._order, index)

    def enabled_by(self, index: int) -> None:
        """Say, from within `perform`, that event `index` made this one possible; another might have."""
        if index >= 0:
            self._enabled_by = (*self._enabled_by, index)

    def _after(self, thread: VirtualThread, operation: Operation, event: Event) -> None:
        """Keep what the clock and the polling rule need."""
        effect = any(mode != READ for _, mode in event.accesses)
        if operation.expired and operation.timeout is not None:
            self._timed = True
            thread.now += max(operation.timeout, 0.0)
        if effect or (operation.timeout is not None and not operation.expired):
            thread.poll = None
        if thread.poll is None:
            self._activity = event.index
        else:
            for key, _ in event.accesses:
                thread.reads[key] = event.index
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
        if self._timed:
            self._merge_time(thread, event)

    def _merge_time(self, thread: VirtualThread, event: Event) -> None:
        """Virtual time is causal: a thread is not earlier than what happened before it.

        The value depends on happens-before only, so equivalent executions read the same clocks.
        """
        now = thread.now
        for index in (*event.order, *event.enabled_by):
            other = self.by_tid[self.trace.events[index].tid]
            if other is not thread and other.finished:
                now = max(now, other.now)
        for key, mode in event.accesses:
            times = self._key_time.setdefault(key, [0.0, 0.0, 0.0])
            for other_mode in (READ, ADD, WRITE):
                if other_mode != mode or mode == WRITE:
                    now = max(now, times[other_mode])
        for key, mode in event.accesses:
            times = self._key_time[key]
            times[mode] = max(times[mode], now)
        thread.now = now

    # -- choosing ----------------------------------------------------------------------------------

    def choose(self, kind: str, count: int) -> int:
        """Make a choice that is not a thread, from within `perform`: 0..count-1."""
        if count <= 1:
            return 0
        chosen = self.chooser.choose(Choice(kind, list(range(count)), self))
        if chosen is None:
            self.trace.cut = True
            self.ending = True
            raise ThreadEnd
        self.trace.choices.append((kind, chosen))
        self._choices = (*self._choices, (count, chosen))
        return chosen

    def _pick(self) -> VirtualThread | None:
        """Ask the chooser for the next thread; None ends the execution."""
        if self.ending:
            return None
        options = [
            thread.tid
            for thread in self.threads
            if (operation := thread.pending) is not None
            and (
                operation.ready is None
                or operation.ready()
                or (operation.timeout is not None and self._may_expire(thread, operation))
            )
        ]
        if not options:
            options = self._quiescent()
            if not options:
                self.ending = True
                return None
        elif len(options) > 1:
            options.sort()
        try:
            chosen = self.chooser.choose(Choice("thread", options, self))
        except BaseException as error:
            self._abort(error)
            return None
        if chosen is None:
            self.trace.cut = True
            self.ending = True
            return None
        self.trace.choices.append(("thread", chosen))
        return self.by_tid[chosen]

    # -- waits that run out ------------------------------------------------------------------------

    def _may_expire(self, thread: VirtualThread, operation: Operation) -> bool:
        """Say whether a timed wait that is not satisfied may expire before quiescence."""
        if self.timeouts == "quiet":
            return False
        if operation.parked is None:
            return True
        parked = operation.parked
        if not parked:
            return False
        events = self.trace.events
        for index in range(min(parked.values()) + 1, len(events)):
            event = events[index]
            if event.tid != thread.tid:
                for key, mode in event.accesses:
                    if mode != READ and parked.get(key, index) < index:
                        return True
        return False

    def _close_segment(self, thread: VirtualThread) -> None:
        """Stop looking for an idle round when the thread has changed an object by itself."""
        if changed(thread.heap, heap(thread.poll_frames)):
            thread.poll = None
            self._activity = max(self._activity, thread.event)

    def _look_for_poll(self, thread: VirtualThread, operation: Operation) -> None:
        """Park the wait when its thread came back to it with nothing changed in between."""
        if thread.poll is not None:
            self._close_segment(thread)
        frames = frames_of(sys._getframe(2))
        state = local_state(frames)
        if thread.poll == state:
            operation.parked = dict(thread.reads)
        elif self.timeouts == "any" and operation.kind != "sleep":
            place = (state[0], operation.kind)
            thread.expiries[place] = thread.expiries.get(place, 0) + 1
            if thread.expiries[place] > EARLY_EXPIRIES:
                operation.parked = {}
                self.trace.bounded_at.add(site_text(user_frames(sys._getframe(2))))
        thread.poll = state
        thread.poll_frames = frames
        thread.reads = {}

    def _quiescent(self) -> list[int]:
        """Nothing can move but by an expiry: let waits expire, each a bounded number of rounds.

        A polling loop is let go round once more when anything but idle rounds went on since its last
        one: it may have been a plain attribute that changed. In ``quiet`` mode this is the only place
        where waits expire, the earliest deadline first.
        """
        waiting: list[tuple[VirtualThread, Operation, float]] = []
        for thread in self.threads:
            operation = thread.pending
            if operation is None or operation.timeout is None:
                continue
            if operation.parked is None or thread.forced_at < self._activity:
                waiting.append((thread, operation, thread.now + operation.timeout))
        if waiting and self.timeouts == "quiet":
            first = min(deadline for _, _, deadline in waiting)
            waiting = [entry for entry in waiting if entry[2] == first]
        options = sorted(thread.tid for thread, _, _ in waiting)
        self._forced = tuple(options)
        return options

    # -- the end -----------------------------------------------------------------------------------

    def _finish(self) -> None:
        trace = self.trace
        if trace.cut or self.fatal is not None:
            return
        for thread in self.threads:
            operation = thread.pending
            if thread.finished or operation is None:
                continue
            if not thread.daemon:
                if operation.timeout is None or thread.tid == 0:
                    trace.deadlock = True
                else:
                    trace.leaked.append(thread.name)
            holder = operation.owner() if operation.owner is not None else None
            trace.blocked.append(
                Blocked(thread.tid, thread.name, str(operation), str(holder) if holder is not None else "",
                        thread.resume or (), operation, (thread.event, *operation.order),
                        thread.daemon)
            )
        self.current = None
        for function in self.at_quiescence:
            try:
                function()
            except ExplorerError:
                raise
            except Exception as error:
                trace.errors.append((0, error))

    def _tear_down(self) -> None:
        """End what is left without running another operation, newest thread first."""
        hook = sys.unraisablehook
        sys.unraisablehook = _quiet_hook
        try:
            for thread in reversed(self.threads):
                for _ in range(50):
                    if thread.finished or not thread.greenlet:
                        break
                    self.current = thread
                    thread.greenlet.throw(ThreadEnd)
                thread.finished = True
                thread.target = None
                thread.poll_frames = []
            self.current = None
            for function in reversed(self.at_end):
                function()
            self.at_end.clear()
        finally:
            sys.unraisablehook = hook

    # -- names ---------------------------------------------------------------------------------------

    def new_id(self) -> tuple[int, int]:
        """Name an object for ever: its creating thread and that thread's count of creations."""
        thread = self.current
        if thread is None:
            return (-1, 0)
        thread.created += 1
        return (thread.tid, thread.created)


BOTTOM.add(Execution._thread_main.__code__)


def _quiet_hook(unraisable: Any) -> None:
    """Say nothing of a finalizer that asks for an operation after the end."""
    if not isinstance(unraisable.exc_value, ThreadEnd):
        sys.__unraisablehook__(unraisable)


def _nothing(operation: Operation) -> None:
    return None


def merge(first: Accesses, second: Accesses) -> Accesses:
    """Unite two sets of accesses; the stronger mode of a shared key stays (READ with ADD: WRITE)."""
    if not first:
        return second
    united: dict[object, int] = dict(first)
    for key, mode in second:
        old = united.get(key)
        united[key] = mode if old is None or old == mode else WRITE
    return tuple(united.items())
