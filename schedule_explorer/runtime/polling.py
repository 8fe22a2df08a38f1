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

The frame of a generator that has left the stack is never read: CPython 3.13 crashes on one whose generator is
closed (https://github.com/python/cpython/issues/125723). It needs not be: a generator that does not run binds
nothing, so what its variables held when it last ran stands for it.

Known limit: progress that is kept nowhere but inside a C object (an iterator, say) is not seen.
"""

from __future__ import annotations

import inspect
import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import CellType, FrameType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

from schedule_explorer.runtime.trace import BOTTOM

_ATOMS = frozenset((int, float, str, bytes, bool, complex, type(None)))
_OPAQUE = (int, float, str, bytes, complex, type(None), type, ModuleType)
#: a path never changes, though it keeps its own text once that was asked for
_PATHS = (PurePosixPath, PureWindowsPath, type(Path()))
#: objects looked at; a program that leads to more is never parked
_NODES = 3000
_DEPTH = 3


def _ours(module: object) -> bool:
    return isinstance(module, str) and module.startswith("schedule_explorer.") and ".targets." not in module


#: the frame of such code may be on the stack, off it, and on it again
_SUSPENDABLE = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


class Scope:
    """One frame of the program, on the stack when this is made.

    `held`: what the variables of a generator held when it was last seen on the stack; None for other code.
    """

    __slots__ = ("frame", "held")

    def __init__(self, frame: FrameType) -> None:
        self.frame = frame
        suspendable = frame.f_code.co_flags & _SUSPENDABLE
        self.held: list[Any] | None = list(frame.f_locals.values()) if suspendable else None


def frames_of(frame: FrameType | None) -> list[Scope]:
    """Return the frames of the program from `frame` outwards, up to where its thread begins."""
    found = []
    while frame is not None and frame.f_code not in BOTTOM:
        if not _ours(frame.f_globals.get("__name__")):
            found.append(Scope(frame))
        frame = frame.f_back
    return found


def local_state(frames: list[Scope]) -> tuple[object, ...]:
    """Sum up code positions and local variables; equal for equal situations, never by address.

    `frames` are all on the stack.
    """
    parts: list[object] = []
    for scope in frames:
        frame = scope.frame
        code = frame.f_code
        parts.append((code.co_filename, code.co_firstlineno, frame.f_lasti))
        for name, value in frame.f_locals.items():
            parts.append((name, _value(value, 0)))
    return tuple(parts)


def _value(value: Any, depth: int) -> object:
    kind = type(value)
    if kind in _ATOMS:
        return (kind.__name__, value)
    if depth < _DEPTH and kind in (tuple, list, deque):
        return (kind.__name__, tuple(_value(v, depth + 1) for v in value))
    return kind.__qualname__


def _variables(frames: list[Scope]) -> list[Any]:
    """Return what the local variables of `frames` hold. Called in the thread whose frames they are."""
    found: list[Any] = []
    stack: list[FrameType] | None = None
    for scope in frames:
        if scope.held is None:
            found.extend(scope.frame.f_locals.values())
            continue
        if stack is None:
            stack = _stack()
        if any(scope.frame is frame for frame in stack):
            scope.held = list(scope.frame.f_locals.values())
        found.extend(scope.held)
    return found


def _stack() -> list[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    found = []
    while frame is not None and frame.f_code not in BOTTOM:
        found.append(frame)
        frame = frame.f_back
    return found


def heap(frames: list[Scope]) -> dict[int, object] | None:
    """Map every mutable object that `frames` lead to onto its shallow content; None when too many."""
    found: dict[int, object] = {}
    waiting = _variables(frames)
    atoms, known = _ATOMS, _PARTS
    while waiting:
        value = waiting.pop()
        if id(value) in found:
            continue
        # Never by isinstance or getattr: a proxy of the program would run code of its own.
        kind = type(value)
        parts_of = known.get(kind)
        if parts_of is None:
            parts_of = known[kind] = _how(kind)
        if parts_of is _nothing:
            continue
        if len(found) >= _NODES:
            return None
        content = found[id(value)] = parts_of(value)
        for place, part in enumerate(content):
            if type(part) not in atoms:
                waiting.append(part)
                content[place] = id(part)
    return found


#: how to list what an object of a class holds; found once for each class
_PARTS: dict[type, Callable[[Any], list[Any]]] = {}


def _how(kind: type) -> Callable[[Any], list[Any]]:
    if kind in _PATHS or issubclass(kind, _OPAQUE) or _ours(kind.__module__):
        return _nothing
    if kind in (dict, OrderedDict, defaultdict):
        return _items
    if kind in (tuple, list, set, frozenset, deque):
        return list  # a copy, as of all the others
    if kind is FunctionType:
        return lambda value: list(value.__closure__ or ())
    if kind is MethodType:
        return lambda value: [value.__self__]
    if kind is CellType:
        return _cell
    members = [m for base in kind.__mro__ for m in vars(base).values() if type(m) is MemberDescriptorType]
    if not members and not issubclass(kind, (dict, list, tuple)):
        return _dictionary
    return lambda value: _attributes(value, kind, members)


def _nothing(value: Any) -> list[Any]:
    return []


def _items(value: Any) -> list[Any]:
    return [part for item in list(value.items()) for part in item]


def _cell(value: Any) -> list[Any]:
    try:
        return [value.cell_contents]
    except ValueError:
        return []


def _dictionary(value: Any) -> list[Any]:
    """Return what an object's dictionary holds, but for what the explorer has put there."""
    try:
        state = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return []
    if type(state) is not dict:
        return []
    try:
        return [held for name, held in state.items() if name[:9] != "_explorer"]
    except TypeError:  # not every name is text
        return [held for name, held in state.items() if not str(name).startswith("_explorer")]


def _attributes(value: Any, kind: type, members: list[MemberDescriptorType]) -> list[Any]:
    """Return what an object's dictionary, slots and, for a container class, items hold."""
    parts = _dictionary(value)
    for member in members:
        try:
            parts.append(member.__get__(value, kind))
        except AttributeError:
            continue
    if issubclass(kind, dict):
        parts += [part for item in list(dict.items(value)) for part in item]
    elif issubclass(kind, list):
        parts += list(list.__iter__(value))
    elif issubclass(kind, tuple):
        parts += list(tuple.__iter__(value))
    return parts


def changed(before: dict[int, object] | None, after: dict[int, object] | None) -> bool:
    """Say whether an object known before has other content now (or whether that cannot be told)."""
    if before is None or after is None:
        return True
    return any(after.get(key, content) != content for key, content in before.items())
