"""Values written in a line, without running code of the program: its ``__repr__`` might take a lock."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import PurePath
from types import FunctionType
from typing import Any

#: characters of one value, parts of a container, and bits of a number that are written
_LONGEST, _PARTS, _BITS = 80, 8, 256
_ATOMS = (float, complex, bool, type(None), range)
_CONTAINERS: dict[type, str] = {
    tuple: "({})", list: "[{}]", dict: "{{{}}}", set: "{{{}}}", frozenset: "frozenset({{{}}})",
}  # fmt: skip


def describe(value: object, depth: int = 2) -> str:
    """Write a value: one of Python's own types as it is, any other object by the name of its class.

    Data classes and named tuples show their fields.

    Arguments:
        depth: containers in containers that are looked into.
    """
    text = _described(value, depth)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _described(value: Any, depth: int) -> str:
    kind: type = type(value)
    if kind in (str, bytes):
        return repr(value[: _LONGEST + 1])
    if kind is int:
        return repr(value) if value.bit_length() <= _BITS else f"<int of {value.bit_length()} bits>"
    if kind in _ATOMS:
        return repr(value)
    if str(kind.__module__).partition(".")[0] == "pathlib" and issubclass(kind, PurePath):
        return repr(str(value))
    if kind in _CONTAINERS:
        return _container(value, kind, depth)
    if kind is FunctionType:
        return f"<function {value.__qualname__}>"
    fields = _fields(value, kind)
    if fields is None or depth <= 0:
        return f"<{kind.__name__}>"
    return f"{kind.__name__}({', '.join(f'{name}={_described(part, depth - 1)}' for name, part in fields)})"


def _container(value: Any, kind: type, depth: int) -> str:
    if not value:
        return repr(value)
    if depth <= 0:
        return _CONTAINERS[kind].format("…")
    few = list(itertools.islice(value.items() if kind is dict else value, _PARTS))
    if kind is dict:
        parts = [f"{_described(key, depth - 1)}: {_described(part, depth - 1)}" for key, part in few]
    else:
        parts = [_described(part, depth - 1) for part in few]
    if kind in (set, frozenset):
        # The order of a set depends on hashes, and so does which of many parts come first.
        parts = sorted(parts) if len(value) <= _PARTS else [f"{len(value)} of them"]
    elif len(value) > len(few):
        parts.append("…")
    return _CONTAINERS[kind].format(", ".join(parts) + ("," if kind is tuple and len(value) == 1 else ""))


def _fields(value: Any, kind: type) -> list[tuple[str, Any]] | None:
    """Return the fields of a data class or a named tuple; None for anything else."""
    if issubclass(kind, tuple) and isinstance(vars(kind).get("_fields"), tuple):
        return list(zip(vars(kind)["_fields"], tuple.__iter__(value), strict=False))
    if not dataclasses.is_dataclass(kind):
        return None
    try:
        held = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None  # it has slots, which may be properties of the program's
    return [(name, held[name]) for name in kind.__dataclass_fields__ if name in held]
