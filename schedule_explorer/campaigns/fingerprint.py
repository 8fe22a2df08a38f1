"""Which code a verdict is about: a hash that changes when the target, what it tests or the explorer changes.

Packages that are installed count by their versions. Code that is being worked on (a source tree, an editable
installation) counts by its content: every source file of each package that the target's modules reach
through their global names.
"""

from __future__ import annotations

import hashlib
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

_SUFFIXES = (".py", ".so", ".pyd")


def fingerprint(*roots: Any) -> str:
    """Return 16 hexadecimal digits for the code of `roots` and of the explorer.

    Arguments:
        roots: objects, such as a target; their classes and modules are where the search begins.
    """
    digest = hashlib.sha256()
    digest.update(f"python {sys.version_info[0]}.{sys.version_info[1]}\n".encode())
    for installed in sorted({f"{d.metadata['Name']} {d.version}" for d in metadata.distributions()}):
        digest.update(f"{installed}\n".encode())
    for label, file in _sources(reachable(["schedule_explorer.exploration", *map(_module_of, roots)])):
        digest.update(f"{label}\n".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def reachable(names: Iterable[str]) -> set[str]:
    """Return the modules under work that can be reached from `names` through global names."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        module = sys.modules.get(name)
        if name in found or module is None or not _under_work(module):
            continue
        found.add(name)
        for value in list(vars(module).values()):
            todo.append(value.__name__ if isinstance(value, ModuleType) else _module_of(value))
    return found


def _module_of(value: Any) -> str:
    """Return the name of the module that a value, or else its class, was made in."""
    name = getattr(value, "__module__", None)
    return name if isinstance(name, str) else type(value).__module__


def _under_work(module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    if file is None:
        return False
    path = Path(file).resolve()
    return not any(path.is_relative_to(installed) for installed in _INSTALLED)


_INSTALLED = {
    Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")
}


def _sources(modules: set[str]) -> Iterator[tuple[str, Path]]:
    """Yield (name, file) for all of each package that a module belongs to, and for modules by themselves."""
    files: dict[str, Path] = {}
    for name in modules:
        top = sys.modules.get(name.partition(".")[0])
        if top is not None and hasattr(top, "__path__"):
            for directory in map(Path, top.__path__):
                for file in directory.rglob("*"):
                    if file.suffix in _SUFFIXES and file.is_file():
                        files[f"{top.__name__}/{file.relative_to(directory).as_posix()}"] = file
        else:
            files[name] = Path(str(sys.modules[name].__file__))
    yield from sorted(files.items())
