"""A module that a body imports is loaded for real, as if it had been imported before the exploration.

Only the first execution loads anything, so that must leave nothing of that execution behind: no lock of the
explorer's in a module global, no replaced function bound early. Everything interposed is therefore put back
while a module is loaded, and no switch happens; then the new modules are interposed like all the others.

The import system asks a finder for modules that are not there yet: importing what is there costs nothing.
"""

from __future__ import annotations

import _thread
import importlib
import sys
from _thread import get_ident
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any

from schedule_explorer.interposition import context

#: what the import system makes its own locks of, and asks who holds them: they are real
_REAL_THREAD = SimpleNamespace(**vars(_thread))
PATCHES: list[tuple[object, str, Any]] = [(importlib._bootstrap, "_thread", _REAL_THREAD)]


class Importer:
    """Finds modules for the exploring thread, where all other finders do.

    Arguments:
        suspend: puts everything back.
        resume: interposes again, and the module that was loaded.
    """

    def __init__(self, suspend: Callable[[], None], resume: Callable[[ModuleType], None]) -> None:
        self.suspend = suspend
        self.resume = resume

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return what the first of the other finders finds, with a loader that puts everything back."""
        if get_ident() != context._exploring_thread:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            with context.plain():
                # A finder may look at files.
                spec: ModuleSpec | None = find(name, path, target)
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(self, spec.loader)  # type: ignore[assignment]
                return spec
        return None


class _Loader:
    """Stands for the loader of a module until that is loaded."""

    def __init__(self, importer: Importer, real: Any) -> None:
        self._importer = importer
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def create_module(self, spec: ModuleSpec) -> Any:
        """As the real one; none is needed."""
        create = getattr(self._real, "create_module", None)
        return None if create is None else create(spec)

    def exec_module(self, module: ModuleType) -> None:
        """As the real one, with nothing interposed; nobody sees this loader afterwards."""
        module.__loader__ = self._real
        if module.__spec__ is not None:
            module.__spec__.loader = self._real
        if get_ident() != context._exploring_thread:
            self._real.exec_module(module)
            return
        self._importer.suspend()
        try:
            self._real.exec_module(module)
        finally:
            self._importer.resume(module)
