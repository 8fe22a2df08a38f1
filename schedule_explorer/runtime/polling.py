"""When does a polling loop come back to the same timed wait with nothing changed in between?

A loop such as ``while True: try: q.get(timeout=1.0) except Empty: continue`` may expire at any point, and
would so make every execution infinite. A thread that comes back to a wait whose last time ran out, with the
same stack, without an effect of its own, can do nothing new until something that it read has changed: its
wait is *parked*.

Three things are compared. The *local state* (code positions and local variables of the whole stack) must be
the same at both arrivals: a variable holds the same object, or one that looks the same where the old one is
gone. No step of the thread in between may have changed an object that its frames lead to (a counter of idle
rounds is progress, not a repetition): the *heap* (`heap`) is summed up at both ends of each of its steps, so
that what other threads change meanwhile does not count. And no ``for`` loop may have gone on, for it keeps
its iterator where nobody can see it. A thread that reads the clock, or draws a random number, gets on as
well. Outside of all loops nothing is compared: a thread does not come back there, or C code brings it back.

Whether a wait is parked thus depends on its thread's own past alone, as it must: equivalent executions agree
on it.

The frame of a generator that has left the stack is never read: CPython 3.13 crashes on one whose generator is
closed (https://github.com/python/cpython/issues/125723). It needs not be: a generator that does not run binds
nothing, so what its variables held when it last ran stands for it.

Known limit: progress is not seen that is kept nowhere but inside an object of C code, other than the
iterators, buffers and generators of random numbers of the standard library (where an iterator tells nothing,
the thread is not parked), on the stack of C code (``while not any(map(wait, times))``), in an iterator of C
code around a generator that waits, in a module of a library, or in the iterator of a ``for`` loop over equal
items around a ``while`` loop that holds the wait.
"""

from __future__ import annotations

import dis
import weakref
from itertools import pairwise
from types import CodeType, FrameType
from typing import Any

from schedule_explorer.runtime.belonging import ours
from schedule_explorer.runtime.heap import ATOMS, PATHS, Scope, how, nothing, untold
from schedule_explorer.runtime.trace import BOTTOM

_DEPTH = 6
#: parts of one variable's value that are looked at
_PARTS = 60
#: what the local state of a thread becomes when it gets on in a way that no comparison would show
PROGRESS = object()
#: the local state of a thread at a wait to which it does not come back with nothing changed
ONCE = object()


def frames_of(frame: FrameType | None) -> list[Scope]:
    """Return the frames of the program from `frame` outwards, up to where its thread begins."""
    found = []
    while frame is not None and frame.f_code not in BOTTOM:
        if not ours(frame.f_globals.get("__name__")):
            found.append(Scope(frame))
        frame = frame.f_back
    return found


class _TooMuchError(BaseException):
    """A variable's value has more parts than are looked at. No code of a value may catch this."""


class _Held:
    """What a variable holds: which object, and what that looks like (`parts`; None: it cannot be told)."""

    __slots__ = ("alive", "at", "kind", "parts")

    def __init__(self, value: Any, parts: tuple[object, ...] | None) -> None:
        self.kind = type(value)
        self.parts = parts
        self.at = id(value)
        try:
            self.alive: Any = weakref.ref(value)
        except TypeError:
            self.alive = None


#: of one frame: where it is, and what its variables hold, by name
Frame = tuple[tuple[str, int, int], tuple[tuple[str, object], ...]]
State = tuple[Frame, ...]


def place_of(scope: Scope) -> tuple[str, int, int]:
    """Return where a frame is."""
    code = scope.frame.f_code
    return (code.co_filename, code.co_firstlineno, scope.frame.f_lasti)


def local_state(frames: list[Scope]) -> State:
    """Sum up code positions and local variables of `frames`, which are all on the stack."""
    found: list[Frame] = []
    known: dict[int, object] = {}  # several frames have the same `self`
    for scope in frames:
        held = []
        for name, value in scope.frame.f_locals.items():
            looks = known.get(id(value))
            if looks is None:
                looks = known[id(value)] = _variable(value)
            held.append((name, looks))
        found.append((place_of(scope), tuple(held)))
    return tuple(found)


def _variable(value: Any) -> object:
    try:
        return _value(value, 0, [_PARTS])
    except _TooMuchError:
        return _Held(value, None)


def _value(value: Any, depth: int, left: list[int]) -> object:
    kind = type(value)
    if kind in ATOMS:
        return (kind, value)
    if kind in PATHS:
        return (kind, str(value))
    parts_of = how(kind)
    left[0] -= 1
    if left[0] < 0:
        raise _TooMuchError
    if depth >= _DEPTH or parts_of is nothing or untold(kind):
        return _Held(value, None)
    try:
        return _Held(value, tuple([_value(part, depth + 1, left) for part in parts_of(value)]))
    except Exception:  # its state cannot be told
        return _Held(value, None)


def _same(old: object, new: object, fresh: bool) -> bool:
    if type(old) is not _Held or type(new) is not _Held:
        return type(old) is type(new) and old == new
    if old.kind is not new.kind:
        return False
    if old.at == new.at:
        # Where that cannot be asked: what came in its place was made when nothing was left of it.
        return old.alive is None or old.alive() is not None or _alike(old, new, fresh)
    if not fresh and old.alive is not None and old.alive() is not None:
        return False  # the program has both
    return _alike(old, new, fresh)


def _alike(old: _Held, new: _Held, fresh: bool) -> bool:
    if old.parts is None or new.parts is None or len(old.parts) != len(new.parts):
        return False
    return all(_same(*pair, fresh) for pair in zip(old.parts, new.parts, strict=True))


def repeated(old: object, before: list[Scope], new: object, frames: list[Scope]) -> bool:
    """Say whether a thread is where it was at its last timed wait.

    Arguments:
        old, before: the local state, and the frames, of that wait.
        new, frames: those of the present one.
    """
    if type(old) is not tuple or type(new) is not tuple or len(old) != len(new):
        return False
    for (was, held), (now, holds), scope in zip(old, new, frames, strict=True):
        if was != now or len(held) != len(holds):
            return False
        # Its variables are kept alive where the frame that had them is gone.
        fresh = scope.held is not None or not _among(scope, before)
        for (name, value), (again, other) in zip(held, holds, strict=True):
            if name != again or not _same(value, other, fresh):
                return False
    return not _went_on(before, frames)


def in_a_loop(frames: list[Scope]) -> bool:
    """Say whether code of `frames` is in a loop without an iterator, which alone comes round unchanged."""
    return any(
        first <= scope.frame.f_lasti <= last
        for scope in frames for first, last in _loops(scope.frame.f_code)[1]
    )  # fmt: skip


def _among(scope: Scope, frames: list[Scope]) -> bool:
    return any(scope.frame is other.frame for other in frames)


def _went_on(before: list[Scope], frames: list[Scope]) -> bool:
    """Say whether a ``for`` loop may have gone on: one around the present place of a frame that has run."""
    inner: Scope | None = None
    for scope in frames:
        at = scope.frame.f_lasti
        loops, jumps, calls = _loops(scope.frame.f_code)
        # An iterator that waits itself, and is no generator, may count what it gives.
        counts = [] if inner is not None and inner.suspendable else calls
        inner = scope
        for start, end in (*loops, *counts):
            # A loop without an iterator around this place, within that one, is what has come round.
            if start <= at < end and not any(start <= first <= at <= last for first, last in jumps):
                return True
        if not scope.suspendable and _among(scope, before):
            return False  # those further out have not run
    return False


#: first and last offsets
_Ranges = list[tuple[int, int]]
_LOOPS: dict[CodeType, tuple[_Ranges, _Ranges, _Ranges]] = {}


def _loops(code: CodeType) -> tuple[_Ranges, _Ranges, _Ranges]:
    """Return where the bodies of ``for`` loops are, other loops, and the calls of the iterators."""
    known = _LOOPS.get(code)
    if known is None:
        instructions = list(dis.get_instructions(code))
        jumps = [
            (one.argval, one.offset) for one in instructions
            # An `await` goes round in a loop of its own until what it waits for is done.
            if "JUMP" in one.opname and "NO_INTERRUPT" not in one.opname
            and one.argval is not None and one.argval < one.offset
        ]
        loops, calls, heads = [], [], set()
        for one, following in pairwise(instructions):
            if one.opname == "FOR_ITER":
                heads.add(one.offset)
                # While the iterator runs, a frame may be at the cache entry: the body comes after that.
                loops.append((following.offset, one.argval))
                calls.append((one.offset, following.offset - 1))
            elif one.opname == "GET_ANEXT":
                # The body of ``async for`` begins somewhere behind: what is awaited there is the iterator.
                heads.add(one.offset)
                loops += [(one.offset, last) for first, last in jumps if first == one.offset]
        known = _LOOPS[code] = (loops, [jump for jump in jumps if jump[0] not in heads], calls)
    return known


def changed(before: dict[int, object] | None, after: dict[int, object] | None) -> bool:
    """Say whether an object known before has other content now (or whether that cannot be told)."""
    if before is None or after is None:
        return True
    return any(after.get(key, content) != content for key, content in before.items())
