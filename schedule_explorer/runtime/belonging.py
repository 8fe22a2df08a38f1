"""What belongs to the program, and not to the standard library, to a package or to the explorer."""

from __future__ import annotations

import dis
import os
import sys
import sysconfig
from types import CodeType
from typing import Any

_LIBRARY = sysconfig.get_path("stdlib") + os.sep
_PACKAGES = (os.sep + "site-packages" + os.sep, os.sep + "dist-packages" + os.sep)
#: type flag of CPython: made while a program runs, as by a class statement
HEAP_TYPE = 1 << 9
_NAMES: dict[CodeType, tuple[str, ...]] = {}
_OF_AN_OBJECT = frozenset(
    ("LOAD_ATTR", "STORE_ATTR", "DELETE_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "IMPORT_FROM")
)  # fmt: skip
_MODULES: dict[str, bool] = {}


def _names(code: CodeType) -> tuple[str, ...]:
    """Return the names that a code object, and what is defined within it, look up, but for attributes."""
    known = _NAMES.get(code)
    if known is None:
        names = dict.fromkeys(
            str(one.argval) for one in dis.get_instructions(code)
            if one.opcode in dis.hasname and one.opname not in _OF_AN_OBJECT
        )
        for constant in code.co_consts:
            if type(constant) is CodeType:
                names |= dict.fromkeys(_names(constant))
        known = _NAMES[code] = tuple(names)
    return known


def globals_of(code: CodeType, held: dict[str, Any]) -> list[Any]:
    """Return what the names that a code object looks up are among its globals, and None for the others."""
    return [held.get(name) for name in _names(code)]


def program(state: dict[str, Any]) -> bool:
    """Say whether a module, by its dictionary, is neither of the standard library nor installed."""
    name = str(state.get("__name__"))
    known = _MODULES.get(name)
    if known is None:
        path = str(state.get("__file__") or "")
        known = _MODULES[name] = not (
            name.partition(".")[0] in sys.stdlib_module_names
            or ours(name) or name == "schedule_explorer"
            or path.startswith(_LIBRARY) or any(part in path for part in _PACKAGES)
        )
    return known


def of_the_program(kind: type) -> bool:
    """Say the same of a class."""
    if not kind.__flags__ & HEAP_TYPE or not isinstance(kind.__module__, str):
        return False
    return program(getattr(sys.modules.get(kind.__module__), "__dict__", {"__name__": kind.__module__}))


def ours(module: object) -> bool:
    """Say whether a module is the explorer's."""
    return isinstance(module, str) and module.startswith("schedule_explorer.") and ".targets." not in module
