"""Interposed names that modules under test bound early, elsewhere than in a module global.

``def wait(clock=time.monotonic)`` keeps the function of the time of the definition, as do the closures of
decorators, ``field(default_factory=threading.Lock)`` in the ``__init__`` of a dataclass,
``make_lock = threading.Lock`` in the body of a class, and ``ACTIONS = {"remove": os.unlink}``. For the length
of an exploration they get what stands for it (see `early_holders`); a real lock in a closure, or in a list or
dictionary, gets a proxy of `global_locks`.
"""

from __future__ import annotations

import builtins
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import BuiltinMethodType, FunctionType, ModuleType
from typing import Any

from schedule_explorer.interposition.early_attributes import Attribute
from schedule_explorer.interposition.early_holders import SHALLOW, Walk
from schedule_explorer.interposition.early_items import put_back, put_in_class
from schedule_explorer.interposition.early_owners import of_program
from schedule_explorer.interposition.global_locks import GlobalLock, proxy_of
from schedule_explorer.interposition.mutexes import LockType, RLockType

_WRAPPERS = (staticmethod, classmethod)
#: kinds of object that may hold something interposed, or are bound to a class of the clock (`dates.stand`)
KINDS = (FunctionType, *_WRAPPERS, property, list, dict, BuiltinMethodType)
_LOCKS = frozenset((LockType, RLockType))
#: every module holds it, and no lock is in it
_BUILTINS = vars(builtins)


@contextmanager
def rebound(
    modules: Iterable[ModuleType], attributes: Iterable[Attribute], replacements: Mapping[int, Any],
    kinds: Collection[type], proxies: dict[int, GlobalLock],
) -> Iterator[None]:
    """Exchange early bindings while the block runs.

    Arguments:
        modules: those under test.
        attributes: their globals, and the attributes of their classes.
        replacements: what stands for an object, by the ``id`` of the object.
        kinds: the types of those objects.
        proxies: what stands for a real lock; those found in a closure alone are added.
    """
    with ExitStack() as undo:
        deep, shallow = (Walk(replacements, kinds, proxies, undo, deep) for deep in (True, False))
        programs = {module.__name__ for module in modules if of_program(module.__name__)}
        for module in modules:
            if module.__name__ in programs:
                deep.module(module)
        deep.go()
        for owner, name, where, dotted, value in attributes:
            kind = type(value)
            if (kind is list or kind is dict) and value is not _BUILTINS:
                _fill_with_proxies(value, where, dotted, proxies, undo)
                if where not in programs and not replacements.keys().isdisjoint(
                    map(id, value if kind is list else value.values())
                ):
                    deep.stand_for(value, f"{where}.{dotted}")
            if where in programs:
                continue
            nothing = not shallow.holds(value) if kind is FunctionType else kind not in SHALLOW
            if nothing and id(value) not in replacements:
                continue
            stand = shallow.stand_for(value, f"{where}.{dotted}")
            if stand is None:
                continue
            if isinstance(owner, type):
                put_in_class(owner, name, value, stand, undo)
            elif id(value) not in replacements:
                undo.callback(setattr, owner, name, value)
                setattr(owner, name, stand)
        deep.go()
        shallow.go()
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
                undo.callback(put_back, type(held), held, stand, value)
