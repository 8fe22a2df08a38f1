"""Install every interposed name for the length of one exploration, and put all back.

Names that a module under test bound early (``from threading import Lock``) are rebound too, and a
real lock held in a module global is exchanged for one that every execution makes anew.
"""

from __future__ import annotations

import sys
import sysconfig
from _thread import get_ident
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

from schedule_explorer.interposition import (
    clock,
    dates,
    determinism,
    early_bindings,
    early_objects,
    files,
    filesystem,
    global_locks,
    imports,
    locals,
    locks,
    queues,
    real_locks,
    source_lines,
    stdlib_defaults,
    stdlib_locks,
    temporary,
    tensor_files,
    threads,
)
from schedule_explorer.interposition.context import set_exploring_thread
from schedule_explorer.interposition.early_attributes import attributes_of
from schedule_explorer.interposition.early_holders import Walk

_MISSING = object()
_STDLIB, _SITE = sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")
METHODS = [*locks.METHODS, *threads.METHODS, *queues.METHODS]
_MODULES = (
    locks, locals, threads, queues, clock, stdlib_defaults, filesystem, files, tensor_files, determinism,
    temporary, source_lines,
)
PATCHES: list[tuple[object, str, Any]] = [patch for module in _MODULES for patch in module.PATCHES]


class _Interposition:
    """What is exchanged for what."""

    def __init__(self) -> None:
        #: (owner, name, what was there, what is there instead), oldest first
        self._exchanged: list[tuple[Any, str, Any, Any]] = []
        #: what stands for an interposed object, by its ``id``
        self._replacements: dict[int, Any] = {}
        self._kinds: set[type] = set()
        self._proxies: dict[int, global_locks.GlobalLock] = {}
        self._stands: dict[int, Any] = {}
        self._suspended: list[tuple[Any, str, Any]] = []
        self._modules: dict[str, ModuleType] = {}
        self._bound_early = ExitStack()
        self._importer = imports.Importer(self._suspend, self._resume)

    def install(self) -> None:
        for owner, name, value in PATCHES:
            original = getattr(owner, name)
            self._replacements[id(original)] = value
            self._kinds.add(type(original))
            self._exchange(owner, name, value)
        for owner, name, value in (*METHODS, *imports.PATCHES):
            self._exchange(owner, name, value)
        dates.install()
        real_locks.install()
        self._interpose(_modules_under_test(sys.modules))
        sys.meta_path.insert(0, self._importer)
        set_exploring_thread(get_ident())

    def undo(self) -> None:
        set_exploring_thread(-1)
        if self._importer in sys.meta_path:
            sys.meta_path.remove(self._importer)
        real_locks.undo()
        dates.undo()
        self._bound_early.close()
        for owner, name, old, _ in reversed(self._exchanged):
            _put(owner, name, old)

    def _exchange(self, owner: Any, name: str, value: Any) -> None:
        self._exchanged.append((owner, name, vars(owner).get(name, _MISSING), value))
        setattr(owner, name, value)

    def _interpose(self, modules: list[ModuleType]) -> None:
        for module in modules:
            if self._replacements.keys().isdisjoint(map(id, vars(module).values())):
                continue
            for name, value in list(vars(module).items()):
                replacement = self._replacements.get(id(value))
                if replacement is not None and value is not replacement:
                    self._exchange(module, name, replacement)
        kinds = self._kinds.union(early_bindings.KINDS)
        bound, of_objects = attributes_of(
            modules, lambda kind: kind in kinds or _exchanged(kind), self._replacements
        )
        early = [*bound, *of_objects]
        for owner, name, value in (
            *stdlib_locks.exchanges(),
            *global_locks.exchanges(early, self._proxies),
            *early_objects.exchanges(early, self._stands),
        ):
            self._exchange(owner, name, value)
        rebound = early_bindings.rebound(modules, bound, self._replacements, self._kinds, self._proxies)
        self._bound_early.enter_context(rebound)

    def look_into(self, body: Any, held: tuple[Any, ...], undo: ExitStack) -> Any:
        """Exchange what a body holds until `undo` puts it back, and return what stands for the body."""
        walk = Walk(self._replacements, self._kinds, self._proxies, undo)
        stand = walk.stand_for(body, "the body")
        for value in held:
            walk.stand_for(value, "the body")
        walk.go()
        return body if stand is None else stand

    def _suspend(self) -> None:
        """Put everything back for as long as a module is loaded; what the program has exchanged stays."""
        set_exploring_thread(-1)
        self._modules = dict(sys.modules)
        for owner, name, old, value in reversed(self._exchanged):
            if vars(owner).get(name, _MISSING) is value:
                self._suspended.append((owner, name, value))
                _put(owner, name, old)

    def _resume(self, module: ModuleType) -> None:
        for owner, name, value in reversed(self._suspended):
            setattr(owner, name, value)
        self._suspended.clear()
        new = {name: m for name, m in sys.modules.items() if m is not self._modules.get(name)}
        new[module.__name__] = module
        self._modules = {}
        self._interpose(_modules_under_test(new))
        set_exploring_thread(get_ident())


def _put(owner: Any, name: str, value: Any) -> None:
    if value is _MISSING:
        delattr(owner, name)
    else:
        setattr(owner, name, value)


#: by thread that has interposed, how
_interposing: dict[int, _Interposition] = {}


@contextmanager
def interposed() -> Iterator[None]:
    """Interpose while the block runs; everything is put back whatever it raises.

    Around many explorations it looks through the modules under test once for all of them: within such a block
    of the same thread another one does nothing. What modules under test bind between them is not seen.
    """
    ident = get_ident()
    if ident in _interposing:
        yield
        return
    interposition = _Interposition()
    _interposing[ident] = interposition
    try:
        interposition.install()
        yield
    finally:
        del _interposing[ident]
        interposition.undo()


@contextmanager
def bound_in(body: Any, *held: Any) -> Iterator[Any]:
    """Exchange what a body holds itself, in its closure or defaults, say; within a block of `interposed`.

    Arguments:
        body: what is called for each execution.
        held: containers of what else its executions get.

    Returns:
        the body, or what stands for it: a built-in function, or a partial object of one.
    """
    with ExitStack() as undo:
        yield _interposing[get_ident()].look_into(body, held, undo)


def _exchanged(kind: type) -> bool:
    """Say whether objects of this type that a module under test holds may have to be exchanged."""
    return kind is type or kind in early_objects.KINDS or issubclass(kind, global_locks.KINDS)


def _modules_under_test(modules: Mapping[str, Any]) -> list[ModuleType]:
    """Everything of `modules` that is neither the standard library nor the explorer itself."""
    found = []
    for name, module in sorted(modules.items()):
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
