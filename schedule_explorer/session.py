"""What surrounds the executions of one exploration: interposition, garbage collection, the watchdog."""

from __future__ import annotations

import _thread
import gc
import inspect
import itertools
import linecache
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any

from schedule_explorer.errors import (
    ExecutionOverError,
    ExplorerError,
    InvalidBodyError,
    UncontrolledBlockingError,
    UncontrolledThreadError,
)
from schedule_explorer.interposition.install import bound_in, interposed
from schedule_explorer.runtime import (
    Execution,
    ThreadEnd,
    Trace,
    current_execution,
    site_text,
    user_frames,
)
from schedule_explorer.runtime.workers import Workers

_monotonic = time.monotonic
_sleep = time.sleep
_listdir = os.listdir
#: executions after which survivors are put out of the collector's sight, and after which they are looked at
_FREEZE, _THAW = 64, 8192
#: seconds that a real thread has to begin
_STARTING = 0.1
#: what a body may return by mistake
_NOT_RUN: dict[str, Callable[[object], bool]] = {
    "a coroutine": inspect.iscoroutine,
    "a generator": inspect.isgenerator,
    "an asynchronous generator": inspect.isasyncgen,
}


class HoldsEarly:
    """A body that gets what was made before the exploration from elsewhere than its closure and defaults.

    Attributes:
        held_early: the containers of that.
    """

    held_early: tuple[Any, ...] = ()


class Session:
    """Runs executions one after the other; everything is put back when it is closed.

    Arguments:
        step_timeout: seconds of real time that one step may take before it is called blocked.
    """

    def __init__(self, step_timeout: float) -> None:
        self._watch = Watchdog(step_timeout)
        self._runs = 0
        self._workers = Workers(lasting=True)
        self._body: Callable[[], Any] | None = None
        self._stand: Callable[[], Any] | None = None
        #: puts back what the body holds
        self.bound = ExitStack()

    def close(self) -> None:
        """Let go of what served all executions."""
        self._workers.close()

    def _controlled(self, body: Callable[[], Any]) -> Callable[[], Any]:
        """Return `body`, or what stands for it, with what it holds itself exchanged."""
        if self._stand is None or body is not self._body:
            held = body.held_early if isinstance(body, HoldsEarly) else ()
            self.bound.close()
            self._body, self._stand = body, self.bound.enter_context(bound_in(body, *held))
        return self._stand

    def run(self, body: Callable[[], Any], execution: Execution) -> Trace:
        """Run one execution.

        Raises:
            ExplorerError: something uncontrolled was met.
        """
        watch = self._watch
        watch.execution = execution
        execution.workers = self._workers
        threads = _thread._count()
        # Default thread names count from 1 in every execution.
        threading._counter = itertools.count(1).__next__  # type: ignore[attr-defined]
        try:
            trace = execution.run(_checked(self._controlled(body)))
        finally:
            watch.execution = None
        if _thread._count() > threads:
            watch.name_real_thread()
        # Finalizers and weak references are visible to programs: cycles go at this fixed point only. What
        # the execution made is all in the youngest generation, for nothing was collected meanwhile.
        gc.collect(0)
        self._runs += 1
        if self._runs % _FREEZE == 0:
            if self._runs % _THAW == 0:
                gc.unfreeze()
            gc.collect()
            gc.freeze()
        return trace


class Watchdog:
    """Bounds one step in real time: a step that does not return is interrupted and named."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.execution: Execution | None = None
        self.before = _outermost()
        self._stop = _thread.allocate_lock()
        self._stop.acquire()
        self._running = _thread.allocate_lock()
        self._main = threading.get_ident()
        self._signals = threading.current_thread() is threading.main_thread()
        self._old: Any = None

    def start(self) -> None:
        """Begin to watch, from a real thread of its own."""
        if self._signals:
            self._old = signal.signal(signal.SIGUSR2, self._interrupt)
        # Both handshakes keep the count of real threads exact for `Session.run`.
        self._running.acquire()
        _thread.start_new_thread(self._watch, ())
        self._running.acquire()
        self.before = _outermost()

    def stop(self) -> None:
        """Stop watching; the thread has ended when this returns."""
        self._stop.release()
        self._running.acquire()
        if self._signals:
            signal.signal(signal.SIGUSR2, self._old)

    def name_real_thread(self) -> None:
        """Raise `UncontrolledThreadError` for a real thread that was not there before."""
        known = {t.ident: t.name for t in threading.enumerate()}
        first = _outermost()
        for ident, frame in sys._current_frames().items():
            # By its first frame too: the identifier of a thread that has ended is used again.
            if ident != _thread.get_ident() and first.get(ident) is not self.before.get(ident):
                raise UncontrolledThreadError(
                    f"the body started a real thread ({known.get(ident, ident)}), now at "
                    f"{site_text(user_frames(frame))}: start it through threading.Thread, looked up "
                    "when it is called"
                )
        raise UncontrolledThreadError(
            "the body started a real thread, now in C code or ended: start it through threading.Thread, "
            "looked up when it is called"
        )

    def _watch(self) -> None:
        self._running.release()
        try:
            self._watch_steps()
        finally:
            self._running.release()

    def _watch_steps(self) -> None:
        seen: tuple[int, int] = (-1, -1)
        since = _monotonic()
        while not self._stop.acquire(True, min(self.limit / 4, 0.5)):
            execution = self.execution
            state = (id(execution), len(execution.trace.events)) if execution else (-1, -1)
            if execution is None or state != seen:
                seen, since = state, _monotonic()
            elif _monotonic() - since > self.limit:
                since = _monotonic()
                if self._signals:
                    signal.pthread_kill(self._main, signal.SIGUSR2)
                else:
                    _thread.interrupt_main()

    def _interrupt(self, signum: int, frame: FrameType | None) -> None:
        execution = current_execution()
        if execution is not None and not execution.ending:
            raise execution.stop(UncontrolledBlockingError(_blocked(execution, frame, self.limit)))


@contextmanager
def session(step_timeout: float) -> Iterator[Session]:
    """Interpose, keep the garbage collector to fixed points, watch; undo all of it."""
    if current_execution() is not None:
        raise ExplorerError("explore() was called inside a body: an exploration cannot be nested")
    opened = Session(step_timeout)
    enabled = gc.isenabled()
    counter = threading._counter  # type: ignore[attr-defined]
    hook, tracing, profiling = sys.unraisablehook, sys.gettrace(), sys.getprofile()
    # What is there already is put out of the collector's sight; old garbage among it is none of ours.
    gc.collect(1)
    gc.disable()
    gc.freeze()
    before = _real_threads()
    opened._watch.start()
    try:
        sys.unraisablehook = lambda unraisable: None if _late(unraisable) else hook(unraisable)
        threads = _thread._count()
        with interposed(), opened.bound:
            yield opened
        if _more_threads(threads, before):
            opened._watch.name_real_thread()
    finally:
        opened.close()
        opened._watch.stop()
        sys.unraisablehook = hook
        # A virtual thread may have set one for itself, as it thought.
        if sys.gettrace() is not tracing:
            sys.settrace(tracing)
        if sys.getprofile() is not profiling:
            sys.setprofile(profiling)
        threading._counter = counter  # type: ignore[attr-defined]
        gc.unfreeze()
        if enabled:
            gc.enable()


def _outermost() -> dict[int, FrameType]:
    """Return the frame in which each real thread began to run Python code."""
    found = {}
    for ident, frame in sys._current_frames().items():
        while frame.f_back is not None:
            frame = frame.f_back
        found[ident] = frame
    return found


def _more_threads(count: int, listed: set[str]) -> bool:
    """Say whether there is a thread of Python's that was not there at the start.

    One is counted once it runs, which it may not have had the time for: while the system lists a thread that
    nobody knows, it gets some.

    Arguments:
        count: how many threads of Python's there were, and
        listed: what `_real_threads` said just before the watchdog's began; empty where nothing is listed.
    """
    deadline = _monotonic() + _STARTING
    while _thread._count() <= count:
        now = _real_threads()
        if not now:
            _sleep(0.001)
            return _thread._count() > count
        if len(now - listed) == 1 or _monotonic() > deadline:
            # The watchdog's alone; or one that is not of Python's.
            return False
        _sleep(0.001)
    return True


def _real_threads() -> set[str]:
    """Return the threads of this process that the operating system lists; empty where it does not."""
    try:
        return set(_listdir("/proc/self/task"))
    except OSError:
        return set()


def _blocked(execution: Execution, frame: FrameType | None, limit: float) -> str:
    """Say which thread did not return from what, where all the others are, and what can be done about it."""
    current = execution.current
    others = "".join(
        f"\n  meanwhile {thread.name} is {_place(thread.greenlet.gr_frame)}"
        for thread in execution.threads if thread is not current and not thread.finished and thread.greenlet
    )
    return (
        f"a step of {'an oracle' if current is None else current.name} did not return within {limit:g} s, "
        f"{_place(frame)}: a real lock, a blocking call that is not interposed, or a loop without a wait. "
        "Make locks, events and queues in the body, in a module global or in a class attribute; wait through "
        f"threading, queue or time; a step that only takes long needs a greater step_timeout{others}"
    )


def _place(frame: FrameType | None) -> str:
    """Write the innermost line of the program, with its text."""
    frames = user_frames(frame)
    text = linecache.getline(frames[0][0], frames[0][1]).strip() if frames else ""
    return f"at {site_text(frames)}" + (f" in `{text}`" if text else "")


def _checked(body: Callable[[], Any]) -> Callable[[], None]:
    """Refuse a body whose code has not run when it returns."""

    def run() -> None:
        returned = body()
        for kind, is_one in _NOT_RUN.items():
            if is_one(returned):
                if kind != "an asynchronous generator":
                    returned.close()
                raise InvalidBodyError(
                    f"the body {body!r} returned {kind}, whose code would never run: explore() runs threads"
                )

    return run


def _late(unraisable: Any) -> bool:
    """A finalizer that asked for an operation after the end of its execution."""
    return isinstance(unraisable.exc_value, (ThreadEnd, ExecutionOverError))
