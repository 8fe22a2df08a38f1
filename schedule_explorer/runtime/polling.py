"""When does a polling loop come back to the same wait with nothing changed in between?

A loop such as ``while True: try: q.get(timeout=1.0) except Empty: continue`` may expire at any point, and
would so make every execution infinite. A thread that comes back to a wait whose last time ran out, with the
same stack, without an effect of its own, can do nothing new until something that it read has changed: its
wait is *parked*.

Two things are compared. The *local state* (code positions and local variables of the whole stack, by value)
must be the same at both arrivals. And no step of the thread in between may have changed an object that its
frames lead to (a counter of idle rounds is progress, not a repetition): the *heap* is summed up at both ends
of each of its steps, so that what other threads change meanwhile does not count. Whether a wait is parked
thus depends on its thread's own past alone, as it must: equivalent executions agree on it.

Known limit: progress that is kept nowhere but inside a C object (an iterator, say) is not seen.
"""

from __future__ import annotations

from types import CellType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any

_ATOMS = (int, float, str, bytes, bool, complex, type(None))
_OPAQUE = (type, ModuleType)
#: objects looked at; a program that leads to more is never parked
_NODES = 3000
_DEPTH = 3


def _ours(module: object) -> bool:
    return isinstance(module, str) and module.startswith("schedule_explorer.") and ".targets." not in module


def frames_of(frame: FrameType | None) -> list[FrameType]:
    """Return the frames of the program from `frame` outwards."""
    found = []
    while frame is not None:
        if not _ours(frame.f_globals.get("__name__")):
            found.append(frame)
        frame = frame.f_back
    return found


def local_state(frames: list[FrameType]) -> tuple[object, ...]:
    """Sum up code positions and local variables; equal for equal situations, never by address."""
    parts: list[object] = []
    for frame in frames:
        code = frame.f_code
        parts.append((code.co_filename, code.co_firstlineno, frame.f_lasti))
        for name, value in frame.f_locals.items():
            parts.append((name, _value(value, 0)))
    return tuple(parts)


def _value(value: Any, depth: int) -> object:
    kind = type(value)
    if isinstance(value, _ATOMS):
        return (kind.__name__, value)
    if depth < _DEPTH:
        if isinstance(value, (tuple, list)) or kind.__name__ == "deque":
            return (kind.__name__, tuple(_value(v, depth + 1) for v in value))
        if isinstance(value, dict) and depth:
            return (kind.__name__, len(value))
    return kind.__qualname__


def heap(frames: list[FrameType]) -> dict[int, object] | None:
    """Map every mutable object that `frames` lead to onto its shallow content; None when too many."""
    found: dict[int, object] = {}
    waiting: list[Any] = []
    for frame in frames:
        waiting.extend(frame.f_locals.values())
    while waiting:
        value = waiting.pop()
        if isinstance(value, (*_ATOMS, *_OPAQUE)) or id(value) in found:
            continue
        kind = type(value)
        if _ours(kind.__module__):
            continue
        if len(found) >= _NODES:
            return None
        parts: list[Any]
        if isinstance(value, dict):
            parts = [part for item in list(value.items()) for part in item]
        elif isinstance(value, (tuple, list, set, frozenset)) or kind.__name__ == "deque":
            parts = list(value)
        elif isinstance(value, FunctionType):
            parts = list(value.__closure__ or ())
        elif isinstance(value, MethodType):
            parts = [value.__self__]
        elif isinstance(value, CellType):
            try:
                parts = [value.cell_contents]
            except ValueError:
                parts = []
        else:
            state = getattr(value, "__dict__", None)
            parts = []
            if isinstance(state, dict):
                parts = [v for k, v in state.items() if not str(k).startswith("_explorer")]
            for base in kind.__mro__:
                names = base.__dict__.get("__slots__", ())
                for name in (names,) if isinstance(names, str) else names:
                    member = getattr(value, name, None) if isinstance(name, str) else None
                    if member is not None:
                        parts.append(member)
        found[id(value)] = tuple((p if isinstance(p, _ATOMS) else id(p)) for p in parts)
        waiting.extend(parts)
    return found


def changed(before: dict[int, object] | None, after: dict[int, object] | None) -> bool:
    """Say whether an object known before has other content now (or whether that cannot be told)."""
    if before is None or after is None:
        return True
    return any(after.get(key, content) != content for key, content in before.items())
