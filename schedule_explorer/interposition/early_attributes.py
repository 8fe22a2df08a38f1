"""What modules under test hold: their globals, and the attributes of the classes that they define."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

#: (owner, attribute, name of the module, dotted name in it, value)
Attribute = tuple[object, str, str, str, Any]
#: type flags of CPython: made by a class statement; attributes cannot be set
_HEAP, _IMMUTABLE = 1 << 9, 1 << 8


def attributes_of(
    modules: Iterable[ModuleType], wanted: Callable[[type], bool] = lambda kind: True
) -> list[Attribute]:
    """Return the module globals and class attributes.

    Arguments:
        wanted: says by the type of a value whether it is; asked once for each type.
    """
    found: list[Attribute] = []
    kinds: dict[type, tuple[bool, bool]] = {}
    for module in modules:
        where = module.__name__
        for name, value in list(vars(module).items()):
            kind = type(value)
            known = kinds.get(kind)
            if known is None:
                # A look at the type, for an object may pretend to be a class.
                known = kinds[kind] = (wanted(kind), issubclass(kind, type))
            if known[0]:
                found.append((module, name, where, name, value))
            if known[1] and value.__flags__ & (_HEAP | _IMMUTABLE) == _HEAP and value.__module__ == where:
                for attribute, held in list(vars(value).items()):
                    kind = type(held)
                    known = kinds.get(kind)
                    if known is None:
                        known = kinds[kind] = (wanted(kind), issubclass(kind, type))
                    if known[0]:
                        found.append((value, attribute, where, f"{value.__qualname__}.{attribute}", held))
    return found
