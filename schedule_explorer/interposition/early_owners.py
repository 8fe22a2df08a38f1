"""Whose a module, a function or a container is: the program's, a package's, or the explorer's own."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterable
from types import FunctionType, ModuleType
from typing import Any

_PACKAGES = (os.sep + "site-packages" + os.sep, os.sep + "dist-packages" + os.sep)
#: by module of the explorer, the containers in its globals; and the ``id`` of each
_OWN: dict[str, list[Any]] = {}
_NUMBERS: set[int] = set()


def of_program(module: Any) -> bool:
    """Say by the name of a module whether it is the program's: not installed, not the explorer's."""
    if not isinstance(module, str) or module.partition(".")[0] in sys.stdlib_module_names:
        return False
    if module.partition(".")[0] == "schedule_explorer":
        return ".targets." in module
    found = sys.modules.get(module)
    # Something else in its place may run code when it is asked.
    path = vars(found).get("__file__") if issubclass(type(found), ModuleType) else None
    return not (isinstance(path, str) and any(part in path for part in _PACKAGES))


def explorers() -> Iterable[int]:
    """Return the ``id`` of every container in a global of the explorer's: its real functions stay real."""
    for name in [name for name in sys.modules if name.startswith("schedule_explorer.")]:
        if name not in _OWN and ".targets." not in name:
            # Kept, so that nothing else can have its number.
            _OWN[name] = [
                value for value in vars(sys.modules[name]).values()
                if issubclass(type(value), (dict, list, set, deque))
            ]
            _NUMBERS.update(map(id, _OWN[name]))
    return _NUMBERS


def own(function: FunctionType) -> bool:
    """Say whether it is the explorer's, and may stand for another, which it goes on to call."""
    module = str(function.__globals__.get("__name__"))
    return module.startswith("schedule_explorer.") and ".targets." not in module
