"""The one thread that writes, and what it shares with the callers of the store.

The thread goes from task to task. A task is file operations without the lock (`perform`); between two tasks
is one critical section (`Writer._next`), in which what the task did becomes known and the next one is chosen.
So there is one place where the writer looks at the state, and none in the middle of a task, but for the
question between two chunks whether the snapshot is still wanted.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from store import codec, layout
from store.generation import Generation, Phase
from store.layout import Layout, Place
from store.state import StoreState
from store.texts import said, shown

logger = logging.getLogger("store")


@dataclass(eq=False)
class Report:
    """What came of a task."""

    error: str | None = None
    """Why it failed."""
    published: bool | None = None
    """Whether a write got as far as its rename; None when that is not known."""
    missing: bool = False
    """It failed because a directory was not there."""
    open_fd: int = -1
    """A file that is still open: the task stopped because the snapshot was not wanted any more."""
    leftover: bool = False
    """A part of a failed write could not be removed."""


@dataclass(eq=False)
class Write:
    """Put one generation on disk."""

    generation: Generation
    place: Place
    directories: Layout
    wanted: Callable[[], bool]
    again: bool = False
    """It is the second attempt."""

    def perform(self) -> Report:
        """Write in staging, then rename into the live tree."""
        place, fd, publishing = self.place, -1, False
        try:
            fd = layout.create(place)
            if not write_snapshot(fd, self.generation.payload, self.wanted):
                return Report(published=False, open_fd=fd)
            # An error that is told at the close is one of the write.
            closing, fd = fd, -1
            layout.close(closing)
            publishing = True
            layout.publish(place)
        except BaseException as error:
            _close(fd)
            if not isinstance(error, Exception):
                raise
            report = Report(said(error), missing=isinstance(error, FileNotFoundError | NotADirectoryError))
        else:
            return Report(published=True)
        # Out of the handler: nothing holds the frames of the failed write, and the arrays in them.
        try:
            layout.remove_file(place.part)
            if publishing:
                # A disk may have done what it said had failed.
                layout.remove_file(place.final)
        except OSError:
            report.leftover = True
            _leave_staging(self.directories)
        return report


@dataclass(eq=False)
class Repair:
    """Make the directories anew that somebody removed, for the sake of one generation."""

    generation: Generation
    directories: Layout

    def perform(self) -> Report:
        """Make them."""
        try:
            self.directories.repair()
        except Exception as error:
            return Report(said(error))
        return Report()


@dataclass(eq=False)
class Discard:
    """Remove what there is of a generation that was cancelled while it was in hand."""

    generation: Generation
    directories: Layout
    stolen: bool
    open_fd: int
    published: bool | None

    def perform(self) -> Report:
        """Remove the names. The file that is still open goes later: giving its blocks back takes time."""
        place: Place = self.generation.place
        report = Report(published=self.published, open_fd=self.open_fd)
        try:
            if self.published is not False:
                layout.remove_file(place.final)
            if self.stolen:
                layout.remove_stolen(place)
            elif self.published is not True:
                layout.remove_file(place.part)
        except OSError as error:
            report.error = said(error)
        if self.stolen or report.error is not None:
            _leave_staging(self.directories)
        return report


@dataclass(eq=False)
class Remove:
    """Remove the files that a generation on disk replaced, and close what is left open."""

    files: list[Generation]
    open_fd: int = -1

    def perform(self) -> Report:
        """Remove and close."""
        _close(self.open_fd)
        errors = remove_files(self.files)
        return Report(error="; ".join(errors) if errors else None)


Task = Write | Repair | Discard | Remove


class Writer:
    """The thread, and the lock of the store. Refers to no store, so that one that is dropped goes away.

    Attributes:
        state: guarded by `lock`.
        lock: the only lock of a store.
        running: the thread has not done the last thing that it does. Guarded by `lock`.
        removes_session: it does that at its end, for a shutdown could not wait so long. Guarded by `lock`.
    """

    def __init__(self, state: StoreState, directories: Layout) -> None:
        self.state = state
        self.directories = directories
        self.lock = threading.Lock()
        self.running = True
        self.removes_session = False
        #: Locks of those who wait, each held until the time has come: that what is in hand is let go, or that
        #: `running` ends. Guarded by `lock`, and waited for without it: a `Condition` takes its lock again at
        #: the end of a wait, and an interrupt there would leave it to somebody else, or to nobody.
        self._waiting: list[threading.Lock] = []
        self._waiting_for_end: list[threading.Lock] = []
        self._task: Task | None = None
        self._report = Report()
        #: the thread waits for the token, or is about to: it begins so. Guarded by `lock`.
        self._idle = True
        #: Held but for the moment in which there is a reason to look at the state. A bare lock and no
        #: condition, because a finalizer has to wake the thread too: it may run on any thread at any point,
        #: also while that thread holds `lock`, and its signal must not be lost when nobody waits yet.
        self._token = threading.Lock()
        self._token.acquire()
        #: Held as long as the store object exists: a flag that needs no other lock, for the same reason.
        self._kept = threading.Lock()
        self._kept.acquire()
        self.thread = threading.Thread(target=self._run, name="snapshot-writer", daemon=True)

    # -- for the callers, with the lock held -------------------------------------------------------

    def wake(self) -> None:
        """Let the thread look at the state, if it waits for a reason to."""
        if self._idle:
            # In this order: an interrupt in between must not leave a thread that nobody wakes.
            self._signal()
            self._idle = False

    def letting_go(self) -> threading.Lock | None:
        """Return a lock that can be taken when what is in hand now is let go.

        None: the caller is the writer itself, on which the collector runs a cleanup, and waits for nobody.
        """
        if self._is_caller():
            return None
        lock = held()
        self._waiting.append(lock)
        return lock

    def tell_end(self, end: threading.Lock) -> None:
        """Let a lock go when the thread has ended."""
        if self.running:
            self._waiting_for_end.append(end)
        else:
            end.release()

    def stop_waiting(self, lock: threading.Lock) -> None:
        """Forget a lock that may not have been let go in time."""
        for waiting in (self._waiting, self._waiting_for_end):
            if lock in waiting:
                waiting.remove(lock)

    # -- for shutdown, without the lock --------------------------------------------------------------

    def wait_for_end(self, end: threading.Lock, seconds: float) -> None:
        """Wait until the thread has ended, which `running` tells, and not `Thread.join`.

        A join that is interrupted can leave a thread that runs as one that has ended: all later ones return
        at once. So it has nothing to wait for here but the last steps of the interpreter.
        """
        if not self._is_caller() and end.acquire(timeout=seconds):
            self.thread.join()

    def _is_caller(self) -> bool:
        return threading.get_ident() == self.thread.ident

    # -- for the finalizer of the store, without the lock --------------------------------------------

    def abandon(self) -> None:
        """The store is gone: let the thread, if there is one, remove everything and end."""
        self._kept.release()
        self._signal()

    def _signal(self) -> None:
        try:
            self._token.release()
        except RuntimeError:
            pass  # There is a signal that was not seen yet.

    # -- the thread ------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._loop()
        except BaseException as error:  # G13: whatever it is, nobody writes from now on
            reason = said(error)
        else:
            return
        self._task, self._report = None, Report()
        with self.lock:
            generation = self.state.in_hand
        if generation is not None:
            generation.stolen = bool(remove_files([generation], staging=True))
        with self.lock:
            self.state.died(reason)
            self._notify()
            self._ended()
            released = self.state.drain()
        del released
        logger.error("the snapshot writer died, nothing can be saved any more: %s", reason)

    def _loop(self) -> None:
        self._token.acquire()
        while True:
            with self.lock:
                warning = self._next()
                released = self.state.drain()
                # What there is to say is said first: who finds the thread idle finds it said.
                rest = self._task is None and warning is None
                stop = rest and self.state.closed
                self._idle = rest and not stop
                removes = stop and (self.removes_session or not self._kept.locked())
                if stop and not removes:
                    self._ended()
            del released
            if stop:
                break
            if warning is not None:
                logger.warning("%s", warning)
            if self._task is not None:
                self._report = self._task.perform()
            elif rest:
                self._token.acquire()
        if removes:
            self.directories.destroy()
            with self.lock:
                self._ended()

    def _ended(self) -> None:
        self.running = False
        waiting, self._waiting_for_end = self._waiting_for_end, []
        for lock in waiting:
            lock.release()

    def _next(self) -> str | None:
        """Make known what `_task` did, and make it the next one, or None when there is nothing to do.

        Returns:
            A warning, to be logged when the lock is free again.
        """
        self.state.settle()
        if not self._kept.locked():
            self.state.abandon()
        self._task, warning = self._account(self._task, self._report)
        self._report = Report()
        if self._task is None:
            generation = self.state.take(self.directories.place)
            if generation is not None:
                self._task = self._writing(generation)
        return warning

    def _account(self, done: Task | None, report: Report) -> tuple[Task | None, str | None]:
        if isinstance(done, Write):
            return self._after_write(done, report)
        if isinstance(done, Repair):
            generation = done.generation
            if generation.phase is Phase.CANCELLED:
                return self._discarding(generation, Report()), None
            if report.error is None:
                generation.place = self.directories.place(generation.sequence)
                return self._writing(generation, again=True), None
            self.state.failed(generation, report.error)
            return None, _not_written(generation, report.error)
        if isinstance(done, Discard):
            generation = done.generation
            if generation.stolen and not done.stolen:
                # The cleanup gave up while the names were being removed, and moves them under our hands.
                return self._discarding(generation, report), None
            self.state.let_go(generation, report.error)
            self._notify()
            warning = report.error and f"a cancelled snapshot was not removed: {report.error}"
            return (None if done.open_fd < 0 else Remove([], done.open_fd)), warning
        if isinstance(done, Remove):
            if report.error is not None:
                self.state.last_error = report.error
                return None, f"a replaced snapshot was not removed: {report.error}"
            self.state.removed(done.files)
        return None, None

    def _after_write(self, done: Write, report: Report) -> tuple[Task | None, str | None]:
        generation = done.generation
        if generation.phase is Phase.CANCELLED:
            self.state.dropped(generation)
            return self._discarding(generation, report), None
        if report.missing and not report.leftover and not done.again:
            return Repair(generation, self.directories), None
        if report.error is not None:
            generation.stolen = report.leftover
            self.state.failed(generation, report.error)
            return None, _not_written(generation, report.error)
        files = self.state.wrote(generation)
        return (Remove(files) if files else None), None

    def _writing(self, generation: Generation, *, again: bool = False) -> Write:
        return Write(
            generation, generation.place, self.directories, lambda: self._wanted(generation), again
        )

    def _discarding(self, generation: Generation, report: Report) -> Discard:
        return Discard(generation, self.directories, generation.stolen, report.open_fd, report.published)

    def _wanted(self, generation: Generation) -> bool:
        with self.lock:
            return generation.phase is Phase.IN_HAND and self._kept.locked()

    def _notify(self) -> None:
        waiting, self._waiting = self._waiting, []
        for lock in waiting:
            lock.release()


#: a name of its own, so that a test can put a slow or failing disk in its place
write_snapshot = codec.write


def remove_files(files: list[Generation], *, staging: bool = False) -> list[str]:
    """Remove what generations have on disk. Return what went wrong; harmless when others are at it too.

    Arguments:
        files: generations that the writer took at some time.
        staging: also what is in staging, which the writer must not be using any more.
    """
    errors = []
    for generation in files:
        try:
            layout.remove_file(generation.place.final)
            if staging or generation.stolen:
                layout.remove_stolen(generation.place)
        except OSError as error:
            errors.append(said(error))
    return errors


def held() -> threading.Lock:
    """Make a lock that is held: who takes it waits for somebody to let it go."""
    lock = threading.Lock()
    lock.acquire()
    return lock


def _close(fd: int) -> None:
    """Close a file that nobody wants any more; what the disk says of that is of no use."""
    if fd >= 0:
        try:
            layout.close(fd)
        except OSError:
            pass


def _leave_staging(directories: Layout) -> None:
    """Go on in a new staging directory; if it cannot be made, the next write finds out and repairs."""
    try:
        directories.next_staging()
    except OSError:
        pass


def _not_written(generation: Generation, error: str) -> str:
    return (
        f"the snapshot {shown(generation.request_id)}/{generation.token_count} is not on disk and stays in "
        f"memory: {error}"
    )
