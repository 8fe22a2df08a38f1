"""Install every interposed name for the length of one exploration, and put all back.

Names that a module under test bound early (``from threading import Lock``) are rebound too, and a
real lock held in a module global is exchanged for one that every execution makes anew.
"""

from __future__ import annotations

import sys
import sysconfig
from _thread import get_ident
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from schedule_explorer.interposition import (
    clock,
    determinism,
    early_objects,
    files,
    filesystem,
    global_locks,
    locals,
    locks,
    queues,
    stdlib_locks,
    temporary,
    tensor_files,
    threads,
)
from schedule_explorer.interposition.context import set_exploring_thread
from schedule_explorer.interposition.early_attributes import attributes_of

_MISSING = object()
METHODS = [*locks.METHODS, *threads.METHODS, *queues.METHODS]
_MODULES = (
    locks, locals, threads, queues, clock, filesystem, files, tensor_files, determinism, stdlib_locks,
    temporary,
)
PATCHES: list[tuple[object, str, Any]] = [patch for module in _MODULES for patch in module.PATCHES]


_STDLIB, _SITE = sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")


@contextmanager
def interposed() -> Iterator[None]:
    """Interpose while the block runs; everything is put back whatever it raises."""
    undo: list[tuple[Any, str, Any]] = []

    def exchange(owner: Any, name: str, value: Any) -> None:
        undo.append((owner, name, vars(owner).get(name, _MISSING)))
        setattr(owner, name, value)

    replacements: dict[int, Any] = {}
    try:
        for owner, name, value in PATCHES:
            replacements[id(getattr(owner, name))] = value
            exchange(owner, name, value)
        for cls, method, value in METHODS:
            exchange(cls, method, value)
        modules = _modules_under_test()
        for module in modules:
            if replacements.keys().isdisjoint(map(id, vars(module).values())):
                continue
            for name, value in list(vars(module).items()):
                replacement = replacements.get(id(value))
                if replacement is not None and value is not replacement:
                    exchange(module, name, replacement)
        early = attributes_of(modules, _exchanged)
        for owner, name, value in (
            *stdlib_locks.exchanges(), *global_locks.exchanges(early), *early_objects.exchanges(early)
        ):
            exchange(owner, name, value)
        set_exploring_thread(get_ident())
        yield
    finally:
        set_exploring_thread(-1)
        for owner, name, value in reversed(undo):
            if value is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, value)


def _exchanged(kind: type) -> bool:
    """Say whether objects of this type that a module under test holds may have to be exchanged."""
    return kind is type or kind in early_objects.KINDS or issubclass(kind, global_locks.KINDS)


def _modules_under_test() -> list[ModuleType]:
    """Everything imported that is neither the standard library nor the explorer itself."""
    found = []
    for name, module in sorted(sys.modules.items()):
        if not isinstance(module, ModuleType) or name.startswith("_pytest"):
            continue
        if name.startswith("schedule_explorer.") and ".targets." not in name:
            continue
        path = getattr(module, "__file__", None)
        standard = path is None or (path.startswith(_STDLIB) and not path.startswith(_SITE))
        if standard and name not in ("__main__", "concurrent.futures.thread", "concurrent.futures._base"):
            continue
        found.append(module)
    return found
