"""How an item of a container, or an attribute of a class, is exchanged; no code of the program runs."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import ExitStack
from types import FunctionType
from typing import Any

#: read a type's own dictionary and order of bases past its metaclass
vars_of: Any = type.__dict__["__dict__"].__get__
_bases_of: Any = type.__dict__["__mro__"].__get__


def put_in_class(cls: Any, name: str, value: Any, stand: Any, undo: ExitStack) -> None:
    """Give a class an attribute for as long as `undo` says; what was no method must not become one."""
    undo.callback(type.__setattr__, cls, name, value)
    method = type(stand) is FunctionType and type(value) is not FunctionType
    type.__setattr__(cls, name, staticmethod(stand) if method else stand)


def set_for_now(cls: type, name: str, value: Any, undo: ExitStack) -> None:
    """Set an attribute of a class that may only have inherited it, for as long as `undo` says."""
    own = vars_of(cls)
    if name in own:
        undo.callback(type.__setattr__, cls, name, own[name])
    else:
        undo.callback(type.__delattr__, cls, name)
    type.__setattr__(cls, name, value)


def put_back(base: Any, held: Any, stand: Any, value: Any) -> None:
    """Put `value` wherever the program has left what stood for it."""
    for key, now in list(dict.items(held) if base is dict else enumerate(base.__iter__(held))):
        if now is stand:
            base.__setitem__(held, key, value)


def replace(held: Any, old: Any, new: Any) -> None:
    """Put one member of a set in the place of another, if that is there."""
    if set.__contains__(held, old):
        set.discard(held, old)
        set.add(held, new)


def rename(held: Any, new: dict[int, tuple[Any, Any]]) -> None:
    """Give a dictionary other keys, in the old order; `new` has them by the ``id`` of the old ones.

    Every key is put in anew: they must be of types whose hash is not the program's, see `hashed_in_c`.
    """
    base: Any = OrderedDict if issubclass(type(held), OrderedDict) else dict
    items = [(new[id(key)][0] if id(key) in new else key, value) for key, value in base.items(held)]
    base.clear(held)
    for key, value in items:
        base.__setitem__(held, key, value)


def hashed_in_c(key: Any) -> bool:
    """Say whether to hash a key, and to compare it, runs no code of the program."""
    kind = type(key)
    if kind is tuple or kind is frozenset:
        return all(map(hashed_in_c, key))
    return all(type(_found(kind, name)) is not FunctionType for name in ("__hash__", "__eq__"))


def _found(kind: type, name: str) -> Any:
    return next((vars_of(base)[name] for base in _bases_of(kind) if name in vars_of(base)), None)
