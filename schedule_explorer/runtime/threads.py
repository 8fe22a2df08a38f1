"""A virtual thread: a greenlet with an identity that does not depend on the schedule."""

from __future__ import annotations

from typing import Any

from schedule_explorer.operations import Key, Operation
from schedule_explorer.runtime.heap import Scope
from schedule_explorer.runtime.polling import ONCE, PROGRESS


class ThreadEnd(BaseException):
    """Thrown into a virtual thread when its execution is over; never an error of the program."""


class VirtualThread:
    """One thread of the program under test, run as a greenlet on the exploring OS thread.

    `path` names it for ever: the root is ``()``, the n-th thread started by a thread with path p is
    ``p + (n,)``. `tid` is the small number that an exploration gives to the path; it is what tokens,
    strategies and reports use.
    """

    __slots__ = (
        "asked",
        "atomic",
        "children",
        "created",
        "daemon",
        "end_key",
        "error",
        "event",
        "expiries",
        "finished",
        "forced_at",
        "greenlet",
        "heap",
        "heap_at",
        "held",
        "name",
        "now",
        "path",
        "pending",
        "poll",
        "poll_frames",
        "python_thread",
        "reads",
        "regions",
        "resume",
        "target",
        "tid",
    )

    def __init__(self, tid: int, path: tuple[int, ...], name: str) -> None:
        self.tid = tid
        self.path = path
        self.name = name
        #: written by the last step of the thread, read by whoever asks whether it is alive
        self.end_key: Key = ("end", path)
        self.daemon = False
        #: the greenlet that it runs in, from its first step to its last
        self.greenlet: Any = None
        #: what the thread runs, until it runs
        self.target: Any = None
        self.pending: Operation | None = None
        self.finished = False
        self.error: BaseException | None = None
        #: index of the last event of this thread, -1 before the first
        self.event = -1
        #: threads started by this one, and objects created by it: both name things canonically
        self.children = 0
        self.created = 0
        #: how often it went on to an operation, at the end, though it was asked to end
        self.asked = 0
        #: depth of regions in which operations run without a switch (a real stdlib lock is held)
        self.atomic = 0
        #: (real lock of the standard library, where it was taken), which account for all of `atomic`
        self.held: list[tuple[Any, Any]] = []
        #: real locks of the standard library below which operations are made (see `stdlib_locks`)
        self.regions: list[Any] = []
        #: this thread's virtual time, in seconds: its own waits and those that happened before it
        self.now = 0.0
        #: local state at the last timed wait, or None after an effect of its own (see `polling`)
        self.poll: object = None
        self.poll_frames: list[Scope] = []
        #: what those frames led to when the present step began
        self.heap: dict[int, object] | None = None
        #: number of events there were when that was found out at the end of a step, and not anew since
        self.heap_at = -1
        #: keys read since that wait, with the index of the reading event
        self.reads: dict[Key, int] = {}
        self.expiries: dict[object, int] = {}
        self.forced_at = -1
        #: the threading.Thread object of this thread
        self.python_thread: Any = None
        self.resume: Any = None

    def gets_on(self) -> None:
        """Read the clock, say: the thread is not where it was, though nothing that it leads to tells."""
        if self.poll is not None and self.poll is not ONCE:  # of which nothing is compared
            self.poll = PROGRESS

    @property
    def ident(self) -> int:
        """What ``threading.get_ident()`` answers in this thread: the same in every execution."""
        return self.tid + 1

    def __repr__(self) -> str:
        return f"<virtual thread {self.tid} {self.name}>"
