"""Interposed names that modules under test bound early, elsewhere than in a module global.

``def wait(clock=time.monotonic)`` keeps the function of the time of the definition, as do the closures of
decorators, ``field(default_factory=threading.Lock)`` in the ``__init__`` of a dataclass, and
``make_lock = threading.Lock`` in the body of a class. For the length of an exploration they get what stands
for it; a real lock in a closure gets the proxy that `global_locks` has made for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import CellType, FunctionType, ModuleType
from typing import Any

from schedule_explorer.interposition.early_attributes import attributes_of

_WRAPPERS = (staticmethod, classmethod)


@contextmanager
def rebound(modules: Iterable[ModuleType], replacements: Mapping[int, Any]) -> Iterator[None]:
    """Exchange early bindings while the block runs.

    Arguments:
        modules: those under test.
        replacements: what stands for an object, by the ``id`` of the object.
    """
    with ExitStack() as undo:
        seen: set[int] = set()
        for owner, name, _, _, value in attributes_of(modules):
            if isinstance(owner, type) and id(value) in replacements:
                stand = replacements[id(value)]
                undo.callback(setattr, owner, name, value)
                # What was no method before must not become one.
                setattr(owner, name, staticmethod(stand) if type(stand) is FunctionType else stand)
            _rebind(value, replacements, undo, seen)
        yield


def _rebind(value: Any, replacements: Mapping[int, Any], undo: ExitStack, seen: set[int]) -> None:
    kind = type(value)
    if kind in _WRAPPERS:
        value = value.__func__
    elif kind is property:
        for function in (value.fget, value.fset, value.fdel):
            _rebind(function, replacements, undo, seen)
        return
    if type(value) is not FunctionType or id(value) in seen:
        return
    seen.add(id(value))
    defaults = value.__defaults__
    if defaults and any(id(held) in replacements for held in defaults):
        undo.callback(setattr, value, "__defaults__", defaults)
        value.__defaults__ = tuple(replacements.get(id(held), held) for held in defaults)
    named = value.__kwdefaults__
    if named and any(id(held) in replacements for held in named.values()):
        undo.callback(setattr, value, "__kwdefaults__", named)
        value.__kwdefaults__ = {name: replacements.get(id(held), held) for name, held in named.items()}
    for cell in value.__closure__ or ():
        try:
            held = cell.cell_contents
        except ValueError:
            continue  # not bound yet
        if id(held) in replacements:
            undo.callback(_fill, cell, held)
            cell.cell_contents = replacements[id(held)]
        else:
            _rebind(held, replacements, undo, seen)


def _fill(cell: CellType, value: Any) -> None:
    cell.cell_contents = value
