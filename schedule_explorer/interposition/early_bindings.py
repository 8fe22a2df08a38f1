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
from types import BuiltinMethodType, CellType, FunctionType, ModuleType
from typing import Any

from schedule_explorer.interposition import dates
from schedule_explorer.interposition.early_attributes import attributes_of
from schedule_explorer.interposition.global_locks import GlobalLock, proxy_of

_WRAPPERS = (staticmethod, classmethod)
#: kinds of object that may hold something interposed, or are bound to a class of the clock (`dates.stand`)
_HOLDERS = (FunctionType, *_WRAPPERS, property, list, dict, BuiltinMethodType)
#: every module holds it, and no lock is in it
_BUILTINS = vars(builtins)


@contextmanager
def rebound(
    modules: Iterable[ModuleType], replacements: Mapping[int, Any], kinds: Iterable[type],
    proxies: dict[int, GlobalLock],
) -> Iterator[None]:
    """Exchange early bindings while the block runs.

    Arguments:
        modules: those under test.
        replacements: what stands for an object, by the ``id`` of the object.
        kinds: the types of those objects.
        proxies: what stands for a real lock; those found in a closure alone are added.
    """
    with ExitStack() as undo:
        seen: set[int] = set()
        for owner, name, where, dotted, value in attributes_of(modules, {*_HOLDERS, *kinds}.__contains__):
            stand = _stand(value, replacements)
            if stand is not None and (isinstance(owner, type) or id(value) not in replacements):
                undo.callback(setattr, owner, name, value)
                # What was no method before must not become one.
                method = isinstance(owner, type) and type(stand) is FunctionType
                setattr(owner, name, staticmethod(stand) if method else stand)
            if type(value) in (list, dict):
                if value is not _BUILTINS:
                    _fill_with_proxies(value, where, dotted, proxies, undo)
            elif id(value) not in seen:
                _rebind(value, f"{where}.{dotted}", replacements, proxies, undo, seen)
        yield


def _fill_with_proxies(
    held: Any, module: str, dotted: str, proxies: dict[int, GlobalLock], undo: ExitStack
) -> None:
    """Exchange the locks among the items of a list, or those of a dictionary under a text or number."""
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
    return replacements.get(id(value)) or dates.stand(value)


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
    if (value.__closure__ or value.__defaults__ or value.__kwdefaults__) is None or _own(value):
        return
    defaults = value.__defaults__
    if defaults and any(_stand(held, replacements) is not None for held in defaults):
        undo.callback(setattr, value, "__defaults__", defaults)
        value.__defaults__ = tuple(_stand(held, replacements) or held for held in defaults)
    named = value.__kwdefaults__
    if named and any(_stand(held, replacements) is not None for held in named.values()):
        undo.callback(setattr, value, "__kwdefaults__", named)
        value.__kwdefaults__ = {name: _stand(held, replacements) or held for name, held in named.items()}
    for variable, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
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
