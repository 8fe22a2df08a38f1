"""What the objects that a thread's frames lead to hold: the heap that `polling` compares.

The walk begins at the local variables of the frames and at the globals that their code names. It goes on
through containers, attributes, slots, closures, defaults, classes and functions of the program (with the
globals that these name), and the iterators, buffers and generators whose state can be told. Where an iterator
of C code keeps its state to itself, nothing can be said, and the thread is not parked.
"""

from __future__ import annotations

import _ctypes
import _random
import array
import gc
import inspect
import io
import itertools
import logging
import os
import re
import sys
import threading
import weakref
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from contextvars import copy_context
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache, partial
from operator import attrgetter
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import (
    AsyncGeneratorType,
    BuiltinMethodType,
    CellType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

from schedule_explorer.runtime.belonging import HEAP_TYPE, globals_of, of_the_program, ours, program
from schedule_explorer.runtime.trace import BOTTOM

ATOMS = frozenset((int, float, str, bytes, bool, complex, type(None)))
#: of these, one that equals another may not be the same
_ALIKE = frozenset((float, bool, complex))
#: a path never changes, though it keeps its own text once that was asked for
PATHS = (PurePosixPath, PureWindowsPath, type(Path()))
_OPAQUE: tuple[type, ...] = (
    int, float, str, bytes, complex, type(None), logging.Filterer, logging.Manager,
)
#: of these, a class that the program has derived may hold more
_SUBCLASSED = (int, float, str, bytes, complex, logging.Filterer)
#: objects looked at; a program that leads to more is never parked
_NODES = 6000
#: bytes of one buffer looked at
_BYTES = 1 << 16
_BUFFERS = (bytearray, array.array, memoryview)
_CData: Any = _ctypes._SimpleCData.__mro__[1]
_MADE: tuple[Any, ...] = (
    iter([]), reversed([]), iter(()), iter(range(0)), iter(range(1 << 70)), iter(""), iter("\u0100"),
    iter(b""), iter(bytearray()), enumerate(()), reversed(()), zip(), map(id, ()), filter(None, ()),
)
_EMPTY: dict[int, int] = {}
_MADE_OF_A_COPY: tuple[Any, ...] = (
    iter(set(_EMPTY)), iter(_EMPTY), iter(_EMPTY.values()), iter(_EMPTY.items()), reversed(_EMPTY),
    reversed(_EMPTY.values()), reversed(_EMPTY.items()), iter(deque(_EMPTY)), reversed(deque(_EMPTY)),
)
#: iterators that tell where they are by what would make them anew, and those that copy what is left for it
_ITERATORS, _COPYING = frozenset(map(type, _MADE)), frozenset(map(type, _MADE_OF_A_COPY))
#: methods of C code, by how they are defined there
_METHODS = (BuiltinMethodType, type(re.compile("").match))
_WRITTEN = (itertools.count, itertools.repeat)
_SUSPENDABLE = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
# What a dataclass tells of its fields does not change; the factories of defaults its `__init__` leads to.
_NOT_HELD = frozenset(("__dict__", "__weakref__", "__doc__", "__module__", "__annotations__", "_abc_impl",
                       "__dataclass_fields__", "__dataclass_params__", "__match_args__"))  # fmt: skip


class _Unseen(Exception):
    """The state of an object cannot be told."""


class Scope:
    """One frame of the program, on the stack when this is made.

    `held`: what the variables of a generator held when it was last seen on the stack; None for other code.
    """

    __slots__ = ("frame", "held")

    def __init__(self, frame: FrameType) -> None:
        self.frame = frame
        self.held: list[Any] | None = list(frame.f_locals.values()) if self.suspendable else None

    @property
    def suspendable(self) -> bool:
        """It may be on the stack, off it, and on it again."""
        return bool(self.frame.f_code.co_flags & _SUSPENDABLE)


def heap(frames: list[Scope]) -> dict[int, object] | None:
    """Map every mutable object that `frames` lead to onto its shallow content; None: it cannot be told."""
    found: dict[int, object] = {}
    waiting: list[Any] = []
    try:
        _note(found, waiting, 0, [*_variables(frames), *_everywhere()])
        del found[0]
        for scope in frames:
            frame = scope.frame
            if program(frame.f_globals):
                code = frame.f_code
                _note(found, waiting, id(code), globals_of(code, frame.f_globals))
        known = _PARTS
        while waiting:
            value = waiting.pop()
            if id(value) in found:
                continue
            if len(found) >= _NODES:
                return None
            _note(found, waiting, id(value), known[type(value)](value))
    except _Unseen:
        return None
    return found


def _everywhere() -> list[Any]:
    """Return what code finds without a variable that leads to it."""
    return [os.environ, threading.current_thread(), *copy_context().values()]


def _note(found: dict[int, object], waiting: list[Any], key: int, content: list[Any]) -> None:
    """Keep what an object holds: values as they are, of all else the identity; have the parts walked over."""
    found[key] = content
    known = _PARTS
    for place, part in enumerate(content):
        # Never by isinstance or getattr: a proxy of the program would run code of its own.
        kind = type(part)
        if kind in ATOMS:
            if kind in _ALIKE:
                content[place] = (kind, repr(part))
            continue
        parts_of = known.get(kind)
        if parts_of is None:
            parts_of = how(kind)
        content[place] = at = id(part)
        if parts_of is not nothing and at not in found:
            waiting.append(part)


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


#: how to list what an object of a class holds; found once for each class
_PARTS: dict[type, Callable[[Any], list[Any]]] = {}
#: classes whose objects hold something that is not among those parts
_UNTOLD: set[type] = set()


def how(kind: type) -> Callable[[Any], list[Any]]:
    """Return what lists the parts of an object of a class; `nothing`: it has none that change."""
    known = _PARTS.get(kind)
    if known is None:
        known = _PARTS[kind] = _found_out(kind)
    return known


def _found_out(kind: type) -> Callable[[Any], list[Any]]:
    if ours(kind.__module__):
        return vars(kind).get("_explorer_holds", nothing)  # type: ignore[no-any-return]
    if issubclass(kind, type):
        return _class
    for kinds, listing in _LISTINGS:
        if kind in kinds:
            return listing
    if kind in PATHS or kind in _OPAQUE or kind in ATOMS:
        return nothing
    if issubclass(kind, _OPAQUE) and not (issubclass(kind, _SUBCLASSED) and of_the_program(kind)):
        return nothing
    members = [m for base in kind.__mro__ for m in vars(base).values() if type(m) is MemberDescriptorType]
    extra = [listing for base, listing in _BASES if issubclass(kind, base)]
    following = next((vars(base)["__next__"] for base in kind.__mro__ if "__next__" in vars(base)), None)
    base = _base_in_c(kind)
    if base is not None and not any(issubclass(base, known) for known, _ in _BASES):
        _UNTOLD.add(kind)
    # A file of the body is the explorer's; one that was opened before is as good as opaque.
    if not extra and type(following) is WrapperDescriptorType and not issubclass(kind, io.IOBase):
        return _unseen
    if kind.__module__ == "numpy" and kind.__name__ == "ndarray":
        extra.append(lambda value: _bytes(value.data if value.flags.c_contiguous else value.tobytes()))
    told = [kind] if of_the_program(kind) else []
    if not members and not extra and not told:
        return _dictionary
    return lambda value: _attributes(value, kind, members, extra, told)


def untold(kind: type) -> bool:
    """Say whether objects of a class hold what is not listed: another one never looks the same."""
    how(kind)
    return kind in _UNTOLD


def _base_in_c(kind: type) -> type | None:
    """Return the class written in C that objects of a class are of; None for what has attributes alone."""
    for base in kind.__mro__:
        parent = base.__base__
        if parent is None:
            return None
        own = vars(base)
        # What a class statement adds to an object: a dictionary, a list of weak references, and slots.
        most = 8 * (2 + sum(type(member) is MemberDescriptorType for member in own.values()))
        added = base.__basicsize__ - parent.__basicsize__
        python = not own.keys().isdisjoint(("__dict__", "__weakref__", "__slots__")) and added <= most
        if not base.__flags__ & HEAP_TYPE or (added and not python):
            return base
    return None


def opaque(*kinds: type) -> None:
    """Look no more into objects of these classes: what runs the program, and leads to everything."""
    global _OPAQUE
    _OPAQUE += kinds
    _PARTS.clear()
    _UNTOLD.clear()


def nothing(value: Any) -> list[Any]:
    """Return the parts of what has none that change."""
    return []


def _unseen(value: Any) -> list[Any]:
    raise _Unseen


def _called(value: Any) -> list[Any]:
    """Return what ``iter(callable, sentinel)`` calls; a method of an object of C code may count by itself."""
    found = _reduced(value)
    for part in found:
        if type(part) in _METHODS and untold(type(part.__self__)):
            raise _Unseen
    return found


def _items(value: Any) -> list[Any]:
    return [part for item in list(dict.items(value)) for part in item]


def _cell(value: Any) -> list[Any]:
    try:
        return [value.cell_contents]
    except ValueError:
        return []


def _function(value: Any) -> list[Any]:
    found = [id(value.__code__), *(value.__closure__ or ())]
    if ours(value.__globals__.get("__name__")):
        return []
    found += value.__defaults__ or ()
    if value.__kwdefaults__:
        found += value.__kwdefaults__.values()
    found += value.__dict__.values()
    if program(value.__globals__):
        found += globals_of(value.__code__, value.__globals__)
    return found


def _class(value: Any) -> list[Any]:
    if not of_the_program(value):
        return []
    held = [held for name, held in list(vars(value).items()) if name not in _NOT_HELD]
    return [*held, type(value), *value.__bases__]


def _module(value: Any) -> list[Any]:
    """Return what a module of the program holds."""
    state = ModuleType.__getattribute__(value, "__dict__")
    if not program(state) or ours(state.get("__name__")):
        return []
    return [held for name, held in list(state.items()) if str(name)[:2] != "__"]


def _suspended(prefix: str) -> Callable[[Any], list[Any]]:
    """List where a generator (``gi_``) or a coroutine stands, and its variables."""
    running, of_frame = attrgetter(f"{prefix}running"), attrgetter(f"{prefix}frame")

    def listing(value: Any) -> list[Any]:
        if running(value):
            return [True]  # it is among the frames
        frame = of_frame(value)
        if frame is None:
            return [None]
        held = list(frame.f_locals.values())
        # The iterator of a loop that it is in is nowhere but on its stack.
        return [frame.f_lasti, *held, *filter(_is_iterator, gc.get_referents(value))]

    return listing


def _is_iterator(value: Any) -> bool:
    return any("__next__" in vars(base) for base in type(value).__mro__)


def _reduced(value: Any) -> list[Any]:
    found: list[Any] = []
    _flatten(value.__reduce__(), found, (tuple,))
    return found


def _copied(value: Any) -> list[Any]:
    found: list[Any] = []
    _flatten(value.__reduce__(), found, (tuple, list))
    return found


def _flatten(value: Any, found: list[Any], kinds: tuple[type, ...]) -> None:
    if type(value) in kinds:
        for part in value:
            _flatten(part, found, kinds)
    else:
        found.append(value)


def _bytes(value: Any) -> list[Any]:
    try:
        view = memoryview(value)
        if view.nbytes > _BYTES:
            raise _Unseen
        return [view.tobytes()]
    except (BufferError, ValueError, TypeError):
        raise _Unseen from None


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


def _attributes(
    value: Any, kind: type, members: list[MemberDescriptorType], extra: list[Callable[[Any], list[Any]]],
    told: list[type],
) -> list[Any]:
    """Return what an object's dictionary and slots hold, and what its class and the base written in C do."""
    parts = _dictionary(value)
    for member in members:
        try:
            parts.append(member.__get__(value, kind))
        except AttributeError:
            continue
    for listing in extra:
        parts += listing(value)
    parts += told
    return parts


_arguments, _cause, _context = (
    vars(BaseException)[name].__get__ for name in ("args", "__cause__", "__context__")
)
_LISTINGS: list[tuple[Any, Callable[[Any], list[Any]]]] = [
    ((dict, OrderedDict, defaultdict), _items),
    ((tuple, list, set, frozenset, deque), list),  # a copy, as of all the others
    ((FunctionType,), _function),
    ((MethodType,), lambda value: [value.__self__, value.__func__]),
    (_METHODS, lambda value: [value.__name__, value.__self__]),
    ((CellType,), _cell),
    ((ModuleType,), _module),
    # They never change, but another one may come to the address of one that is gone.
    ((date, datetime, time, timedelta, Decimal, range, slice), _reduced),
    ((GeneratorType,), _suspended("gi_")),
    ((CoroutineType,), _suspended("cr_")),
    ((AsyncGeneratorType,), _suspended("ag_")),
    ((type(lru_cache(len)),), lambda value: [*value.cache_info(), value.__wrapped__]),
    ((staticmethod, classmethod), lambda value: [value.__func__]),
    ((property,), lambda value: [value.fget, value.fset, value.fdel]),
    (_COPYING, _copied),
    (_ITERATORS, _reduced),
    (_WRITTEN, lambda value: [repr(value)]),
    ((type(iter(input, None)),), _called),
    ((weakref.ProxyType, weakref.CallableProxyType), _unseen),
]
#: of a class derived from one of these, what the base holds
_BASES: list[tuple[Any, Callable[[Any], list[Any]]]] = [
    (dict, _items),
    (list, lambda value: list(list.__iter__(value))),
    (tuple, lambda value: list(tuple.__iter__(value))),
    (set, lambda value: list(set.__iter__(value))),
    (frozenset, lambda value: list(frozenset.__iter__(value))),
    (deque, lambda value: list(deque.__iter__(value))),
    (ModuleType, _module),
    (partial, lambda value: [value.func, *value.args, *value.keywords.values()]),
    (_random.Random, lambda value: [hash(_random.Random.getstate(value))]),
    ((io.StringIO, io.BytesIO), lambda value: [value.closed or (value.tell(), value.getvalue()).__repr__()]),
    (_BUFFERS, _bytes),
    (_CData, _bytes),
    (weakref.ref, lambda value: [weakref.ref.__call__(value)]),
    (BaseException, lambda value: [*_arguments(value), _cause(value), _context(value)]),
    (int, lambda value: [int.__int__(value)]),
    (float, lambda value: [float.__float__(value)]),
    (str, lambda value: [str.__str__(value)]),
    (bytes, lambda value: [bytes.__getitem__(value, slice(None))]),
    (complex, lambda value: [complex.__complex__(value)]),
]
