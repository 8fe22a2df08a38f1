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
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Protocol

import greenlet

from schedule_explorer.errors import ExplorerError, StepLimitError, UncontrolledBlockingError
from schedule_explorer.operations import ADD, QUIESCENCE, READ, WRITE, Access, Accesses, Operation
from schedule_explorer.runtime.polling import summary
from schedule_explorer.runtime.threads import ThreadEnd, VirtualThread

#: early expiries of one thread at one call site before only quiescence lets it expire again
EARLY_EXPIRIES = 6
#: rounds that a polling thread is granted at quiescence without anything having changed
QUIET_ROUNDS = 2


@dataclass(slots=True)
class Event:
    """One performed operation of a trace.

    `order` holds indices of events that happen before this one without being a race with it: the
    start of its thread, the end of a joined thread, the put whose item a get took.
    """

    index: int
    tid: int
    kind: str
    target: object
    accesses: Accesses
    order: tuple[int, ...] = ()
    note: str = ""
    frames: tuple[tuple[str, int, str], ...] = ()
    expired: bool = False


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


@dataclass(slots=True)
class Blocked:
    """A thread that is blocked at the end, for the wait-for table."""

    tid: int
    name: str
    operation: str
    holder: str
    frames: tuple[tuple[str, int, str], ...]


@dataclass(slots=True)
class Trace:
    """What one execution did, from its first operation to its end."""

    events: list[Event] = field(default_factory=list)
    #: every choice in order: (kind, chosen option)
    choices: list[tuple[str, int]] = field(default_factory=list)
    errors: list[tuple[int, BaseException]] = field(default_factory=list)
    blocked: list[Blocked] = field(default_factory=list)
    thread_names: list[str] = field(default_factory=list)
    #: the tids of this execution's threads, by path
    tids: dict[tuple[int, ...], int] = field(default_factory=dict)
    #: True when the strategy cut the execution off
    cut: bool = False
    deadlock: bool = False
    #: True when early expiries were bounded in this execution, so that a proof would not be one
    bounded: bool = False
    #: call sites of the bounded waits
    bounded_at: set[str] = field(default_factory=set)


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
        record: note source lines and wait-for tables, for an explanation. Costs time.
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
        #: called when the execution ends, newest first: close descriptors, remove directories
        self.at_end: list[Callable[[], None]] = []
        #: what interposition keeps for one execution (inode names, open files ...)
        self.state: dict[str, Any] = {}
        self._order: tuple[int, ...] = ()
        self._key_time: dict[object, list[float]] = {}
        self._timed = False
        #: index of the last event that may have changed something
        self._effect = -1

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
            self._tear_down()
            _current = None
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
        thread = VirtualThread(tid, path, name, lambda: self._thread_main(thread, target), self.hub)
        thread.pending = Operation("thread.begin", name, _nothing)
        if parent is not None:
            thread.now = parent.now
            thread.event = parent.event
        self.threads.append(thread)
        self.by_tid[tid] = thread
        while len(self.trace.thread_names) <= tid:
            self.trace.thread_names.append("")
        self.trace.thread_names[tid] = name
        return thread

    def _thread_main(self, thread: VirtualThread, target: Callable[[], Any]) -> None:
        try:
            if self.ending:
                return
            assert thread.pending is not None
            self._perform(thread, thread.pending)
            target()
        except ThreadEnd:
            pass
        except SystemExit:
            pass
        except ExplorerError as error:
            self._abort(error)
        except (KeyboardInterrupt, greenlet.GreenletExit) as error:
            if self.fatal is None:
                self.fatal = error
            self.ending = True
        except BaseException as error:
            if not self.ending:
                thread.error = error
                self.trace.errors.append((thread.tid, error))
        finally:
            thread.finished = True
            thread.pending = None
            events = self.trace.events
            if not self.ending and thread.event < len(events):
                # The end belongs to the thread's last step: nothing happens in between.
                last = events[thread.event]
                last.accesses = merge(last.accesses, ((thread.end_key, WRITE),))
                self._effect = len(events) - 1

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
        try:
            return operation.perform(operation)
        finally:
            if self.trace.events and thread.event >= 0:
                event = self.trace.events[-1]
                event.accesses = merge(event.accesses, operation.accesses)
                if any(mode != READ for _, mode in operation.accesses):
                    self._effect = event.index
                    thread.poll = None

    def _perform(self, thread: VirtualThread, operation: Operation) -> Any:
        events = self.trace.events
        index = len(events)
        if index >= self.max_steps:
            error = StepLimitError(
                f"one execution made {index} operations, the last one {operation} at "
                f"{site_text(user_frames(sys._getframe(2)))}: probably a loop that waits for nothing; "
                "let it wait on an event or sleep, or raise max_steps"
            )
            self._abort(error)
            self.hub.switch()
        event = Event(index, thread.tid, operation.kind, operation.target, ())
        events.append(event)
        thread.pending = None
        operation.expired = operation.ready is not None and not operation.ready()
        if operation.timeout is not None and operation.kind == "sleep":
            operation.expired = True
        self._order = () if thread.event < 0 else (thread.event,)
        thread.event = index
        if self.record:
            event.frames = thread.resume or ()
        try:
            return operation.perform(operation)
        except Exception as error:
            operation.note = operation.note or type(error).__name__
            raise
        finally:
            accesses = operation.accesses
            if operation.forced:
                accesses = (*accesses, (QUIESCENCE, WRITE))
            if operation.parked:
                accesses = merge(accesses, tuple((key, READ) for key in operation.parked))
            event.accesses = accesses
            event.order = self._order
            event.note = operation.note
            event.expired = operation.expired
            self._after(thread, operation, event)

    def order_after(self, index: int) -> None:
        """Say, from within `perform`, that event `index` happens before this one, without a race."""
        if index >= 0 and index not in self._order:
            self._order = (*self._order, index)

    def _after(self, thread: VirtualThread, operation: Operation, event: Event) -> None:
        """Keep what the clock and the polling rule need."""
        effect = False
        reads = thread.reads
        for key, mode in event.accesses:
            if mode != READ:
                effect = True
            elif thread.poll is not None:
                reads[key] = event.index
        if operation.expired and operation.timeout is not None:
            self._timed = True
            thread.now += max(operation.timeout, 0.0)
        elif effect:
            thread.poll = None
        if effect and not (operation.forced and len(event.accesses) == 1):
            self._effect = event.index
        if self._timed:
            self._merge_time(thread, event)

    def _merge_time(self, thread: VirtualThread, event: Event) -> None:
        """Virtual time is causal: a thread is not earlier than what happened before it.

        The value depends on happens-before only, so equivalent executions read the same clocks.
        """
        now = thread.now
        for index in event.order:
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
            self.hub.switch()
            raise ThreadEnd
        self.trace.choices.append((kind, chosen))
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
                (operation.timeout is None and (operation.ready is None or operation.ready()))
                or (operation.timeout is not None and self._may_move(thread, operation))
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

    def _may_move(self, thread: VirtualThread, operation: Operation) -> bool:
        """A timed wait: satisfied, or allowed to expire before quiescence."""
        if operation.ready is not None and operation.ready():
            return True
        if self.timeouts == "quiet":
            return False
        if operation.parked is None:
            return True
        return self._changed(thread, operation.parked)

    def _changed(self, thread: VirtualThread, parked: dict[object, int]) -> bool:
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

    def _look_for_poll(self, thread: VirtualThread, operation: Operation) -> None:
        """Park the wait when its thread came back to it with nothing changed in between."""
        frame: FrameType | None = sys._getframe(2)
        stack = summary(frame, None)
        if thread.poll == stack:
            operation.parked = dict(thread.reads)
        else:
            place = (stack[0], operation.kind)
            thread.expiries[place] = thread.expiries.get(place, 0) + 1
            if thread.expiries[place] > EARLY_EXPIRIES and self.timeouts == "any":
                operation.parked = {}
                self.trace.bounded = True
                self.trace.bounded_at.add(site_text(user_frames(sys._getframe(2))))
        thread.poll = stack
        thread.reads = {}

    def _quiescent(self) -> list[int]:
        """Nothing can move but by an expiry: let waits expire, each a bounded number of rounds.

        A program whose polling loop sees a plain attribute change moves on here. In ``quiet`` mode
        this is the only place where waits expire, the earliest deadline first.
        """
        waiting = [
            thread
            for thread in self.threads
            if thread.pending is not None and thread.pending.timeout is not None
        ]
        waiting = [t for t in waiting if t.poll is None or t.forced_at < self._effect
                   or (t.pending is not None and t.pending.parked is None)]
        if not waiting:
            return []
        if self.timeouts == "quiet":
            first = min(t.now + t.pending.timeout for t in waiting)  # type: ignore[union-attr,operator]
            waiting = [t for t in waiting if t.now + t.pending.timeout == first]  # type: ignore[union-attr,operator]
        for thread in waiting:
            assert thread.pending is not None
            thread.pending.forced = True
            thread.forced_at = max(self._effect, 0) if self._effect >= 0 else 0
        return sorted(thread.tid for thread in waiting)

    # -- the end -----------------------------------------------------------------------------------

    def _finish(self) -> None:
        trace = self.trace
        if trace.cut or self.fatal is not None:
            return
        for thread in self.threads:
            operation = thread.pending
            if thread.finished or operation is None or thread.daemon:
                continue
            if operation.timeout is None or thread.tid == 0:
                trace.deadlock = True
        for thread in self.threads:
            operation = thread.pending
            if thread.finished or operation is None:
                continue
            holder = operation.owner() if operation.owner is not None else None
            trace.blocked.append(
                Blocked(thread.tid, thread.name, str(operation),
                        str(holder) if holder is not None else "", thread.resume or ())
            )

    def _tear_down(self) -> None:
        """End what is left without running another operation, newest thread first."""
        for thread in reversed(self.threads):
            for _ in range(50):
                if thread.finished or not thread.greenlet:
                    break
                self.current = thread
                thread.greenlet.throw(ThreadEnd)
            thread.finished = True
        self.current = None
        for function in reversed(self.at_end):
            function()
        self.at_end.clear()

    # -- names ---------------------------------------------------------------------------------------

    def new_id(self) -> tuple[int, int]:
        """Name an object for ever: its creating thread and that thread's count of creations."""
        thread = self.current
        if thread is None:
            return (-1, 0)
        thread.created += 1
        return (thread.tid, thread.created)


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
    result: list[Access] = list(united.items())
    return tuple(result)


_INTERNAL: dict[object, bool] = {}
_STDLIB = ("threading", "queue", "concurrent.", "contextlib", "shutil", "tempfile", "pathlib",
           "genericpath", "posixpath", "os", "safetensors", "importlib", "codecs", "ntpath")


def _internal(frame: FrameType) -> bool:
    code = frame.f_code
    known = _INTERNAL.get(code)
    if known is None:
        name = str(frame.f_globals.get("__name__", ""))
        known = (name.startswith("schedule_explorer.") and ".targets." not in name) or (
            name.split(".")[0] in {part.rstrip(".") for part in _STDLIB}
        ) or "greenlet" in name
        _INTERNAL[code] = known
    return known


def user_frames(frame: FrameType | None, limit: int = 3) -> tuple[tuple[str, int, str], ...]:
    """Return (file, line, function) of the innermost frames that belong to the program."""
    found: list[tuple[str, int, str]] = []
    while frame is not None and len(found) < limit:
        if not _internal(frame):
            found.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
        frame = frame.f_back
    return tuple(found)


def site_text(frames: tuple[tuple[str, int, str], ...]) -> str:
    """Write the innermost frame as ``file:line (function)``."""
    if not frames:
        return "an unknown line"
    path, line, function = frames[0]
    return f"{path}:{line} ({function})"
