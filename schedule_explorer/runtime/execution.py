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
from typing import Any, TypeVar

import greenlet

from schedule_explorer.errors import ExplorerError, StepLimitError, UncontrolledBlockingError
from schedule_explorer.operations import READ, WRITE, Operation, merge
from schedule_explorer.runtime.choices import Choice, Chooser
from schedule_explorer.runtime.ending import at_quiescence, insist, note_blocked, tear_down
from schedule_explorer.runtime.threads import ThreadEnd, VirtualThread
from schedule_explorer.runtime.trace import BOTTOM, Compound, Event, Part, Trace, site_text, user_frames
from schedule_explorer.runtime.waits import Waits
from schedule_explorer.runtime.workers import Workers

_Error = TypeVar("_Error", bound=ExplorerError)
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
        self._alive: list[VirtualThread] = []
        self.by_tid: dict[int, VirtualThread] = {}
        self.current: VirtualThread | None = None
        #: `Session` lets all executions of one exploration have the same
        self.workers = Workers()
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
        #: operations that were performed within the present one; None between two steps
        self._inner: list[tuple[Operation, str]] | None = None
        self._waits = Waits(timeouts, self.trace, self.by_tid)

    # -- running -------------------------------------------------------------------------------

    def run(self, body: Callable[[], Any]) -> Trace:
        """Run `body` as thread 0 to the end of all threads, and return the trace.

        Raises what the explorer itself has to say (`ExplorerError`); errors of the program are in
        the trace.
        """
        global _current
        _current = self
        workers = self.workers
        trace = self.trace
        try:
            workers.begin(self)
            root = self.spawn(None, "main", body)
            self.trace.choices.append(("thread", root.tid))
            self.current = root
            root.greenlet = workers.take()
            root.greenlet.switch()
            while not self.ending:
                # A thread has ended whose greenlet does not see to it itself.
                following = self.next_thread()
                if following is None:
                    break
                following.greenlet.switch()
            if not trace.cut and self.fatal is None:
                note_blocked(trace, self.threads)
                self.current = None
                at_quiescence(trace, self.at_quiescence)
        finally:
            self.ending = True
            try:
                tear_down(self)
            finally:
                self.current = _current = None
                workers.end()
                # What a trace tells of leads here: without the way back it goes as soon as it is let go of.
                self.trace = Trace()
                self._waits = Waits(self.timeouts, self.trace, {})
        if self.fatal is not None:
            raise self.fatal
        return trace

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
        thread = VirtualThread(tid, path, name)
        thread.target = target
        thread.pending = Operation("thread.begin", name, _nothing)
        if parent is not None:
            thread.now = parent.now
            thread.event = parent.event
        self.threads.append(thread)
        self._alive.append(thread)
        self.by_tid[tid] = thread
        names = self.trace.thread_names
        while len(names) <= tid:
            names.append("")
        names[tid] = name
        return thread

    def run_thread(self) -> None:
        """Run the present thread, from its first step to its last; for `Workers`."""
        thread = self.current
        assert thread is not None and thread.pending is not None
        try:
            if self.ending:
                return
            self._perform(thread, thread.pending)
            target, thread.target = thread.target, None
            target()
            target = None
        except ThreadEnd:
            pass
        except SystemExit as error:
            # It ends a thread without a word, but out of the body it is the exit status of a program.
            if thread.tid == 0 and error.code not in (None, 0) and not self.ending:
                thread.error = error
                self.trace.errors.append((thread.tid, error))
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
            try:
                self._end(thread)
            finally:
                thread.finished = True
                thread.pending = thread.greenlet = thread.python_thread = None
                self._alive.remove(thread)

    def _end(self, thread: VirtualThread) -> None:
        """Take the last step of a thread: only from here on does it count as ended for others."""
        if self.ending:
            return

        def perform(operation: Operation) -> None:
            thread.finished = True

        if thread.poll is not None:
            # It comes back to no wait; whatever it did since the last one may let others go on.
            thread.poll = None
            thread.poll_frames = []
            self._waits.activity = max(self._waits.activity, thread.event)
        try:
            self.step(Operation("thread.end", thread.name, perform, accesses=((thread.end_key, WRITE),)))
        except ThreadEnd:
            pass
        except ExplorerError as error:
            self._abort(error)

    def stop(self, error: _Error) -> _Error:
        """Stop the exploration: a program that swallows `error`, which is returned, gets to no verdict."""
        self._abort(error)
        return error

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
            insist(self, thread)
            raise ThreadEnd
        if thread.atomic or self._inner is not None:
            return self._nested(thread, operation)
        if operation.timeout is not None:
            self._waits.announced(thread, operation, sys._getframe(1))
        elif thread.poll is not None:
            self._waits.close_segment(thread, operation)
        thread.pending = operation
        if self.record:
            thread.resume = user_frames(sys._getframe(1))
        following = self.next_thread()
        if following is not thread:
            if following is None:
                self.workers.hub.switch()
            else:
                following.greenlet.switch()
            if self.ending:
                raise ThreadEnd
        return self._perform(thread, operation)

    @property
    def inner(self) -> int:
        """How many operations were performed within the present one so far."""
        return len(self._inner or ())

    def _nested(self, thread: VirtualThread, operation: Operation) -> Any:
        """Perform within the present step: a real lock of the stdlib is held around it."""
        if thread.held:
            raise self.stop(UncontrolledBlockingError(
                f"{operation}, at {site_text(user_frames(sys._getframe(2)))}, would be a step while a real "
                f"lock is held, which was taken at {_taken_at(thread)}: make what has that lock in the body"
            ))
        if operation.ready is not None and not operation.ready() and operation.timeout is None:
            raise self.stop(UncontrolledBlockingError(
                f"{operation} would wait while a lock of the standard library is held, "
                f"at {site_text(user_frames(sys._getframe(2)))}"
            ))
        self._waits.nested(thread, operation)
        inner = self._inner
        compound = self.trace.compound.get(thread.event)
        within = len(inner) if inner is not None else len(compound.parts) if compound else 0
        if within >= self.max_steps:
            self._endless(within, operation)
        if inner is not None:
            # Within the call that is the step (a finalizer, a comparison): `_perform` adds it in the end.
            try:
                return operation.perform(operation)
            finally:
                inner.append((operation, site_text(user_frames(sys._getframe(2)))))
        outer = self._order, self._enabled_by, self._choices
        self._order, self._enabled_by, self._choices = (), (), ()
        try:
            return operation.perform(operation)
        finally:
            if self.trace.events and thread.event >= 0:
                event = self.trace.events[-1]
                after = event.order + event.enabled_by
                event.order += self._order
                event.enabled_by += self._enabled_by
                event.choices += self._choices
                self._add(event, operation, site_text(user_frames(sys._getframe(2))), after)
                self._waits.caught_up(thread, event)
            self._order, self._enabled_by, self._choices = outer

    def _add(self, event: Event, operation: Operation, site: str, after: tuple[int, ...]) -> None:
        """Add to a step, which comes after the events `after`, what an operation within it has touched."""
        thread = self.by_tid[event.tid]
        parts = self.trace.compound.setdefault(event.index, Compound(after)).parts
        if not parts:
            parts.append(Part(event.kind, "", "", event.accesses))
        parts.append(
            Part(operation.kind, str(operation), site, operation.accesses, tuple(thread.regions))
        )
        # What this very step has touched before may have opened a gate only then.
        touched = {key for key, _ in event.accesses}
        event.opened += tuple(gate for gate in operation.opened if gate[0] not in touched)
        event.accesses = merge(event.accesses, operation.accesses)
        if any(mode != READ for _, mode in operation.accesses):
            self._waits.activity = event.index
            thread.poll = None

    def _endless(self, count: int, operation: Operation) -> None:
        self._abort(StepLimitError(
            f"one execution made {count} operations, the last one {operation} at "
            f"{site_text(user_frames(sys._getframe(3)))}: probably a loop that waits for nothing; "
            "let it wait on an event or sleep, or raise max_steps"
        ))
        self.workers.hub.switch()

    def _perform(self, thread: VirtualThread, operation: Operation) -> Any:
        events = self.trace.events
        index = len(events)
        if index >= self.max_steps:
            self._endless(index, operation)
        event = Event(index, thread.tid, operation.kind, operation.target)
        events.append(event)
        thread.pending = None
        ready = operation.ready
        if ready is not None and not ready():
            operation.expired = event.expired = True
        if thread.event >= 0:
            self._order = (thread.event, *operation.order) if operation.order else (thread.event,)
        else:
            self._order = ()
        self._enabled_by = self._choices = ()
        thread.event = index
        if self.record:
            event.frames = thread.resume or ()
        inner: list[tuple[Operation, str]] = []
        self._inner, before = inner, self._order
        try:
            return operation.perform(operation)
        except Exception as error:
            operation.note = operation.note or type(error).__name__
            raise
        finally:
            self._inner = None
            event.performed(operation)
            for within, site in inner:
                self._add(event, within, site, before)
            event.order = self._order
            event.enabled_by = self._enabled_by
            event.choices = self._choices
            if operation.opened:
                event.opened = operation.opened
            if operation.gate is not None:
                event.gate = operation.gate
            if operation.note:
                event.note = operation.note
            waits = self._waits
            if operation.timeout is not None or thread.poll is not None or waits.timed:
                waits.performed(thread, operation, event)
            elif event.accesses or operation.kind != "thread.begin":
                waits.activity = index

    def order_after(self, index: int) -> None:
        """Say, from within `perform`, that event `index` comes before this one and could not come after."""
        if index >= 0 and index not in self._order:
            self._order = (*self._order, index)

    def enabled_by(self, index: int) -> None:
        """Say, from within `perform`, that event `index` made this one possible; another might have."""
        if index >= 0:
            self._enabled_by = (*self._enabled_by, index)

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

    def next_thread(self) -> VirtualThread | None:
        """Let the chooser say which thread is the present one now; None ends the execution."""
        if self.ending:
            return None
        options = []
        for thread in self._alive:
            operation = thread.pending
            if operation is not None:
                ready = operation.ready
                if ready is None or ready() or (
                    operation.timeout is not None and self._waits.may_expire(thread, operation)
                ):
                    options.append(thread.tid)
        if not options:
            options = self._waits.quiescent()
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
        self.current = thread = self.by_tid[chosen]
        if thread.greenlet is None:
            thread.greenlet = self.workers.take()
        return thread

    # -- names ---------------------------------------------------------------------------------------

    def new_id(self) -> tuple[int, int]:
        """Name an object for ever: its creating thread and that thread's count of creations."""
        thread = self.current
        if thread is None:
            return (-1, 0)
        thread.created += 1
        return (thread.tid, thread.created)


BOTTOM.add(Execution.run_thread.__code__)


def _nothing(operation: Operation) -> None:
    return None


def _taken_at(thread: VirtualThread) -> str:
    site = thread.held[-1][1]
    return "an unknown line" if site is None else f"{site[0].co_filename}:{site[1]} ({site[0].co_name})"

