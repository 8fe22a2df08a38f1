"""What modules under test hold: their globals, the attributes of their classes, and of objects in globals."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import cached_property
from types import ModuleType
from typing import Any

#: (owner, attribute, name of the module, dotted name in it, value)
Attribute = tuple[object, str, str, str, Any]
#: type flags of CPython: made by a class statement; attributes cannot be set
_HEAP, _IMMUTABLE = 1 << 9, 1 << 8


def attributes_of(
    modules: Iterable[ModuleType], wanted: Callable[[type], bool] = lambda kind: True, *,
    objects: bool = False,
) -> list[Attribute]:
    """Return the module globals and class attributes.

    Arguments:
        wanted: says by the type of a value whether it is; asked once for each type.
        objects: also the attributes of objects in module globals.
    """
    found: list[Attribute] = []
    kinds: dict[type, bool] = {}
    #: whose attributes are looked at: those of classes, of objects, of nothing
    holders: dict[type, str] = {}

    def add(owner: object, name: str, where: str, dotted: str, value: Any) -> None:
        kind = type(value)
        known = kinds.get(kind)
        if known is None:
            known = kinds[kind] = wanted(kind)
        if known:
            found.append((owner, name, where, dotted, value))

    for module in modules:
        where = module.__name__
        for name, value in list(vars(module).items()):
            add(module, name, where, name, value)
            kind = type(value)
            holder = holders.get(kind)
            if holder is None:
                # A look at the type, for an object may pretend to be a class.
                holder = holders[kind] = (
                    "class" if issubclass(kind, type) else "object" if objects and _plain(kind) else ""
                )
            if holder == "class":
                if value.__flags__ & (_HEAP | _IMMUTABLE) == _HEAP and value.__module__ == where:
                    for attribute, held in list(vars(value).items()):
                        add(value, attribute, where, f"{value.__qualname__}.{attribute}", held)
                        if objects and type(held) is cached_property and hasattr(held, "lock"):  # until 3.11
                            add(held, "lock", where, f"{value.__qualname__}.{attribute}.lock", held.lock)
            elif holder == "object":
                for attribute, held in list(value.__dict__.items()):
                    add(value, attribute, where, f"{name}.{attribute}", held)
    return found


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
