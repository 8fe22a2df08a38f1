"""What modules under test hold: their globals, the attributes of their classes, and of objects in globals."""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Iterable
from functools import cached_property
from types import FunctionType, ModuleType
from typing import Any

#: (owner, attribute, name of the module, dotted name in it, value)
Attribute = tuple[object, str, str, str, Any]
#: type flags of CPython: made by a class statement; attributes cannot be set
_HEAP, _IMMUTABLE = 1 << 9, 1 << 8


def attributes_of(
    modules: Iterable[ModuleType], wanted: Callable[[type], bool], replaced: Container[int]
) -> tuple[list[Attribute], list[Attribute]]:
    """Return the module globals and class attributes, and the attributes of objects in module globals.

    Arguments:
        wanted: says by the type of a value, other than a function, whether it is; asked once for each type.
        replaced: functions that are wanted, by their ``id``; of the others those with a closure or a default
            are, for nothing else of them holds an object that was bound early.
    """
    found: list[Attribute] = []
    of_objects: list[Attribute] = []
    kinds: dict[type, bool] = {}
    #: whose attributes are looked at: those of classes, of objects, of nothing
    holders: dict[type, str] = {FunctionType: ""}

    def is_wanted(kind: type) -> bool:
        known = kinds.get(kind)
        if known is None:
            known = kinds[kind] = wanted(kind)
        return known

    # Every exploration begins with this walk over all modules: what is not wanted costs as little as can be.
    for module in modules:
        where = module.__name__
        for name, value in list(vars(module).items()):
            kind = type(value)
            if kind is FunctionType:
                if _holds(value) or id(value) in replaced:
                    found.append((module, name, where, name, value))
                continue
            known = kinds.get(kind)
            if is_wanted(kind) if known is None else known:
                found.append((module, name, where, name, value))
            holder = holders.get(kind)
            if holder is None:
                # A look at the type, for an object may pretend to be a class.
                holder = holders[kind] = (
                    "class" if issubclass(kind, type) else "object" if _plain(kind) else ""
                )
            if not holder:
                continue
            if holder == "class":
                if value.__flags__ & (_HEAP | _IMMUTABLE) != _HEAP or value.__module__ != where:
                    continue
                within, into = value.__qualname__, found
            else:
                within, into = name, of_objects
            for attribute, held in list(vars(value).items()):
                kind = type(held)
                if kind is FunctionType:
                    if _holds(held) or id(held) in replaced:
                        into.append((value, attribute, where, f"{within}.{attribute}", held))
                    continue
                known = kinds.get(kind)
                if is_wanted(kind) if known is None else known:
                    into.append((value, attribute, where, f"{within}.{attribute}", held))
                lock = getattr(held, "lock", None) if kind is cached_property else None
                if lock is not None and holder == "class" and is_wanted(type(lock)):  # until 3.11
                    of_objects.append((held, "lock", where, f"{within}.{attribute}.lock", lock))
    return found, of_objects


def _holds(function: FunctionType) -> bool:
    """Say whether a function holds objects from the time of its definition."""
    return (function.__closure__ or function.__defaults__ or function.__kwdefaults__) is not None


def _plain(kind: type) -> bool:
    """Say whether objects of a class of the program keep their attributes in a dictionary, and no more."""
    root = kind.__module__.partition(".")[0] if isinstance(kind.__module__, str) else ""
    return (
        kind.__flags__ & (_HEAP | _IMMUTABLE) == _HEAP
        and root not in sys.stdlib_module_names
        and not kind.__module__.startswith("schedule_explorer.interposition.")
        and kind.__dictoffset__ != 0
        and all(getattr(kind, name) is getattr(object, name) for name in ("__getattribute__", "__setattr__"))
        and not hasattr(kind, "__getattr__")
    )
