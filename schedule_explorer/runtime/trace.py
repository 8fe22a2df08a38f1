"""What one execution leaves behind: events, choices, errors, blocked threads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

from schedule_explorer.operations import WRITE, Accesses, Gate, Key, Operation

#: (file, line, function), the innermost frame of the program first
Frames = tuple[tuple[str, int, str], ...]


#: stands for a bound that nobody has asked for yet
_UNKNOWN: Accesses = (("unknown", -1),)


class Event:
    """One performed operation of a trace.

    Happens-before has three sources: `accesses` that conflict, `order` and `enabled_by`.

    Arguments:
        index: place in the trace.
        now: virtual time of its thread after it, in seconds.
        accesses: what it touched, as performed.
        order: indices of events that come before it and could not come after it: the previous event of
            its thread, the end of a joined thread, the notify that woke it.
        enabled_by: indices of events that enabled it (the put whose item a get took); another event could
            have done so instead, so a race is looked for past them.
        gate: what must be open for a blocking operation to run.
        opened: the gates of what it touches that were open before it ran.
        exact: in another order it touches `bound`, no more and no less.
        parked: for a polling wait, the keys whose change let it move again, with the index of the event
            that had read them.
        forced: for an expiry at quiescence, the tids that could have expired there.
        choices: (number of options, option) of the choices made within it that are not threads.
        expired: it was a wait, and its time ran out.
        note: for people, its outcome.
    """

    # What few events have stays in the class until one has it: events are made by the million.
    order: tuple[int, ...] = ()
    enabled_by: tuple[int, ...] = ()
    gate: Gate | None = None
    opened: tuple[Gate, ...] = ()
    exact: bool = True
    parked: dict[Key, int] | None = None
    forced: tuple[int, ...] = ()
    choices: tuple[tuple[int, int], ...] = ()
    note: str = ""
    frames: Frames = ()
    expired: bool = False
    now: float = 0.0
    _bound: Accesses | None = ()

    def __init__(
        self, index: int, tid: int, kind: str, target: object, accesses: Accesses = (), frames: Frames = ()
    ) -> None:
        self.index = index
        self.tid = tid
        self.kind = kind
        self.target = target
        self.accesses = accesses
        if frames:
            self.frames = frames

    def performed(self, operation: Operation) -> None:
        """Note what `operation` touched, and what is known of what it touches in another order."""
        self.accesses = accesses = operation.accesses
        declared = operation.bound
        if declared is not None and declared == accesses:
            self._bound = accesses
            return
        self.exact = False
        if operation.steady:
            self._bound = _UNKNOWN
            self._touched = (accesses, declared or ())
        else:
            self._bound = None

    @property
    def bound(self) -> Accesses | None:
        """What it may touch in another order at most; None: anything."""
        if self._bound is _UNKNOWN:
            accesses, declared = self._touched
            self._bound = tuple((key, WRITE) for key in dict((*accesses, *declared)))
        return self._bound

    @bound.setter
    def bound(self, most: Accesses | None) -> None:
        self._bound = most

    def __repr__(self) -> str:
        return f"Event({self.index}, {self.tid}, {self.kind!r}, {self.target!r}, {self.accesses!r})"


@dataclass(slots=True)
class Blocked:
    """A thread that can never move again, for the wait-for table and the race of its last wait."""

    tid: int
    name: str
    operation: str
    holder: str
    frames: Frames
    pending: Operation
    #: indices of the events that come before its wait
    order: tuple[int, ...] = ()
    daemon: bool = False


@dataclass(slots=True)
class Part:
    """One operation of a compound step.

    Arguments:
        kind: of the operation.
        operation: what it is, for people; "" for the call that the step is.
        site: the line of the program that made it, for people.
        accesses: what it touched.
        regions: the real locks of the standard library held around it: no two threads are below the same.
    """

    kind: str
    operation: str
    site: str
    accesses: Accesses
    regions: tuple[object, ...] = ()


@dataclass(slots=True)
class Compound:
    """What a step consists of that has several operations.

    Arguments:
        after: indices of events that come before the first of them.
        parts: the operations, first the call that the step is.
    """

    after: tuple[int, ...]
    parts: list[Part] = field(default_factory=list)


@dataclass(slots=True)
class Trace:
    """What one execution did, from its first operation to its end."""

    events: list[Event] = field(default_factory=list)
    #: every choice in order: (kind, chosen option)
    choices: list[tuple[str, int]] = field(default_factory=list)
    #: (tid, what was raised)
    errors: list[tuple[int, BaseException]] = field(default_factory=list)
    blocked: list[Blocked] = field(default_factory=list)
    thread_names: list[str] = field(default_factory=list)
    #: the tids of this execution's threads, by path
    tids: dict[tuple[int, ...], int] = field(default_factory=dict)
    #: by event, those steps that have several operations
    compound: dict[int, Compound] = field(default_factory=dict)
    #: by key, the calls on a file without a lock of its own: from how many system calls on one can be
    #: disturbed, and for each the event that it began in, and how many it made
    unguarded: dict[Key, tuple[int, list[tuple[int, int]]]] = field(default_factory=dict)
    #: True when the strategy cut the execution off
    cut: bool = False
    #: a thread is blocked for ever
    deadlock: bool = False
    #: names of non-daemon threads that poll for ever
    leaked: list[str] = field(default_factory=list)
    #: call sites at which early expiries were bounded, so that a proof would not be one
    bounded_at: set[str] = field(default_factory=set)
    #: what the program did that goes another way for real, so that a proof would not be one
    unmodelled: set[str] = field(default_factory=set)

    @property
    def nested(self) -> bool:
        """An operation ran within the step of another: what a step touches is then not known beforehand."""
        return bool(self.compound)

    @property
    def failed(self) -> bool:
        """Something in this execution is a failure of the program."""
        return bool(self.errors or self.deadlock or self.leaked)


def without_ends(events: Iterable[Event]) -> list[Event]:
    """Return the events that some code of the program did: the end of a thread is a step that none did."""
    return [event for event in events if event.kind != "thread.end"]


#: code of the functions below which no frame belongs to a virtual thread
BOTTOM: set[CodeType] = set()
_INTERNAL: dict[object, bool] = {}
_STDLIB = frozenset(
    ("threading", "queue", "concurrent", "contextlib", "shutil", "tempfile", "pathlib", "genericpath",
     "posixpath", "os", "safetensors", "importlib", "codecs", "ntpath", "glob", "fnmatch", "random", "uuid",
     "secrets", "logging", "unittest", "_pytest", "pytest", "pluggy")
)


def internal(frame: FrameType) -> bool:
    """Say whether a frame is the explorer's or the standard library's rather than the program's."""
    code = frame.f_code
    known = _INTERNAL.get(code)
    if known is None:
        name = str(frame.f_globals.get("__name__", ""))
        known = (
            (name.startswith("schedule_explorer.") and ".targets." not in name)
            or name.split(".")[0] in _STDLIB
            or "greenlet" in name
        )
        _INTERNAL[code] = known
    return known


def user_frames(frame: FrameType | None, limit: int = 3) -> Frames:
    """Return (file, line, function) of the innermost frames that belong to the program."""
    found: list[tuple[str, int, str]] = []
    while frame is not None and len(found) < limit and frame.f_code not in BOTTOM:
        if not internal(frame):
            found.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
        frame = frame.f_back
    return tuple(found)


def site_text(frames: Any) -> str:
    """Write the innermost frame as ``file:line (function)``."""
    if not frames:
        return "an unknown line"
    path, line, function = frames[0]
    return f"{path}:{line} ({function})"
