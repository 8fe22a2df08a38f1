"""Find a body by its name: ``package.module:function``, or ``path/to/file.py::function``."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType


class UnknownBodyError(LookupError):
    """No function has that name, or its module cannot be imported."""


def find_body(name: str) -> Callable[[], object]:
    """Import a module and return the function of it that `name` names; dots lead into classes.

    A file is imported with its directory on ``sys.path``, and a module with the present directory, as
    ``python file.py`` and ``python -m`` do.

    Raises:
        UnknownBodyError: see there.
    """
    path, double, function = name.partition("::")
    if double:
        module = _from_file(Path(path))
    else:
        path, colon, function = name.partition(":")
        if not colon:
            raise UnknownBodyError(f"{name!r} names no function: write MODULE:FUNCTION or path.py::function")
        module = _from_name(path)
    found: object = module
    for part in function.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise UnknownBodyError(f"{path} has no {function!r}") from None
    if not callable(found):
        raise UnknownBodyError(f"{function!r} of {path} cannot be called")
    return found


def _from_name(name: str) -> ModuleType:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except (ImportError, ValueError) as error:
        raise UnknownBodyError(f"the module {name!r} cannot be imported: {error}") from error


def _from_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise UnknownBodyError(f"{path} is no Python file")
    directory = str(path.resolve().parent)
    if directory not in sys.path:
        sys.path.insert(0, directory)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except (ImportError, SyntaxError) as error:
        raise UnknownBodyError(f"{path} cannot be imported: {error}") from error
    return module
