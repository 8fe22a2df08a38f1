"""Whose a module, a function or a container is: the program's, a package's, or the explorer's own."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable
from types import FunctionType, ModuleType
from typing import Any

from schedule_explorer.runtime.belonging import ours, program

_dictionary: Any = vars(ModuleType)["__dict__"].__get__
#: by module of the explorer, the containers in its globals; and the ``id`` of each
_OWN: dict[str, list[Any]] = {}
_NUMBERS: set[int] = set()


def of_program(module: Any) -> bool:
    """Say by the name of a module whether it is the program's: not installed, not the explorer's."""
    if not isinstance(module, str):
        return False
    found = sys.modules.get(module)
    # Something else may be in its place, which is asked nothing.
    return program(_dictionary(found) if issubclass(type(found), ModuleType) else {"__name__": module})


def explorers() -> Iterable[int]:
    """Return the ``id`` of every container in a global of the explorer's: its real functions stay real."""
    for name in [name for name in sys.modules if name.startswith("schedule_explorer.")]:
        if name not in _OWN and ours(name):
            # Kept, so that nothing else can have its number.
            _OWN[name] = [
                value for value in vars(sys.modules[name]).values()
                if issubclass(type(value), (dict, list, set, deque))
            ]
            _NUMBERS.update(map(id, _OWN[name]))
    return _NUMBERS


def own(function: FunctionType) -> bool:
    """Say whether it is the explorer's, and may stand for another, which it goes on to call."""
    return ours(function.__globals__.get("__name__"))
