"""Interposed names that modules under test bound early, elsewhere than in a module global.

``def wait(clock=time.monotonic)`` keeps the function of the time of the definition, as do the closures of
decorators, ``field(default_factory=threading.Lock)`` in the ``__init__`` of a dataclass, and
``make_lock = threading.Lock`` in the body of a class. For the length of an exploration they get what stands
for it; a real lock in a closure, or in a list or dictionary, gets a proxy of `global_locks`.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import BuiltinMethodType, CellType, FunctionType
from typing import Any

from schedule_explorer.interposition import dates
from schedule_explorer.interposition.early_attributes import Attribute
from schedule_explorer.interposition.global_locks import GlobalLock, proxy_of
from schedule_explorer.interposition.mutexes import LockType, RLockType

_WRAPPERS = (staticmethod, classmethod)
_REBOUND = (FunctionType, *_WRAPPERS, property)
#: kinds of object that may hold something interposed, or are bound to a class of the clock (`dates.stand`)
KINDS = (*_REBOUND, list, dict, BuiltinMethodType)
_LOCKS = frozenset((LockType, RLockType))
#: every module holds it, and no lock is in it
_BUILTINS = vars(builtins)


@contextmanager
def rebound(
    attributes: Iterable[Attribute], replacements: Mapping[int, Any], proxies: dict[int, GlobalLock]
) -> Iterator[None]:
    """Exchange early bindings while the block runs.

    Arguments:
        attributes: the globals of the modules under test, and the attributes of their classes.
        replacements: what stands for an object, by the ``id`` of the object.
        proxies: what stands for a real lock; those found in a closure alone are added.
    """
    with ExitStack() as undo:
        seen: set[int] = set()
        for owner, name, where, dotted, value in attributes:
            kind = type(value)
            if kind is list or kind is dict:
                if value is not _BUILTINS:
                    _fill_with_proxies(value, where, dotted, proxies, undo)
                continue
            stand = _stand(value, replacements)
            if stand is not None and (isinstance(owner, type) or id(value) not in replacements):
                undo.callback(setattr, owner, name, value)
                # What was no method before must not become one.
                method = isinstance(owner, type) and type(stand) is FunctionType
                setattr(owner, name, staticmethod(stand) if method else stand)
            if kind in _REBOUND and id(value) not in seen:
                _rebind(value, f"{where}.{dotted}", replacements, proxies, undo, seen)
        yield


def _fill_with_proxies(
    held: Any, module: str, dotted: str, proxies: dict[int, GlobalLock], undo: ExitStack
) -> None:
    """Exchange the locks among the items of a list, or those of a dictionary under a text or number."""
    if _LOCKS.isdisjoint(map(type, held if type(held) is list else list(held.values()))):
        return
    for key, value in list(enumerate(held) if type(held) is list else held.items()):
        if type(key) is str or type(key) is int:
            stand = proxy_of(value, module, f"{dotted}[{key!r}]", proxies)
            if stand is not None:
                held[key] = stand
                undo.callback(_put_back, held, stand, value)


def _put_back(held: Any, stand: Any, value: Any) -> None:
    """Put `value` wherever the program has left what stood for it."""
    for key, now in list(enumerate(held) if type(held) is list else held.items()):
        if now is stand:
            held[key] = value


def _stand(value: Any, replacements: Mapping[int, Any]) -> Any:
    """Return what stands for `value`, or None."""
    stand = replacements.get(id(value))
    return dates.stand(value) if stand is None and type(value) is BuiltinMethodType else stand


def _any_stands(values: Iterable[Any], replacements: Mapping[int, Any]) -> bool:
    for value in values:
        if id(value) in replacements or (
            type(value) is BuiltinMethodType and dates.stand(value) is not None
        ):
            return True
    return False


def _rebind(
    value: Any, dotted: str, replacements: Mapping[int, Any], proxies: dict[int, GlobalLock], undo: ExitStack,
    seen: set[int],
) -> None:
    """Exchange what a function holds; where it was found, `dotted`, names the locks in its closure."""
    kind = type(value)
    if kind in _WRAPPERS:
        value = value.__func__
    elif kind is property:
        for function in (value.fget, value.fset, value.fdel):
            _rebind(function, dotted, replacements, proxies, undo, seen)
        return
    if type(value) is not FunctionType or id(value) in seen:
        return
    seen.add(id(value))
    defaults, named, cells = value.__defaults__, value.__kwdefaults__, value.__closure__
    new_defaults = defaults and _any_stands(defaults, replacements)
    new_named = named and _any_stands(named.values(), replacements)
    if not (new_defaults or new_named or cells) or _own(value):
        return
    if defaults and new_defaults:
        undo.callback(setattr, value, "__defaults__", defaults)
        value.__defaults__ = tuple(_stand(held, replacements) or held for held in defaults)
    if named and new_named:
        undo.callback(setattr, value, "__kwdefaults__", named)
        value.__kwdefaults__ = {name: _stand(held, replacements) or held for name, held in named.items()}
    for variable, cell in zip(value.__code__.co_freevars, cells or (), strict=True):
        try:
            held = cell.cell_contents
        except ValueError:
            continue  # not bound yet
        within = f"{dotted}.{variable}"
        stand = _stand(held, replacements) or proxy_of(held, value.__module__, within, proxies)
        if stand is not None:
            undo.callback(_fill, cell, held)
            cell.cell_contents = stand
        else:
            _rebind(held, within, replacements, proxies, undo, seen)


def _own(function: FunctionType) -> bool:
    """Say whether it stands for another, which it goes on to call."""
    module = str(function.__globals__.get("__name__"))
    return module.startswith("schedule_explorer.") and ".targets." not in module


def _fill(cell: CellType, value: Any) -> None:
    cell.cell_contents = value
