"""What holds the objects that a module bound early, and how each holder is given stands.

From a module global or a class attribute the walk goes on through containers, functions, partial objects,
classes and instances of the program's own. What can be changed is changed in place; what cannot (a tuple, a
staticmethod) is exchanged for its like by whoever holds it. No code of the program runs: attributes are read
through the types' own descriptors, and items through the methods of the built-in types.

Objects of installed packages and of the standard library are not looked into, but for `_OPEN`, nor are
tuples that are below `_DEEPEST` others. In the modules of installed packages, which are many, the walk sees
functions and what wraps them, and what a list or dictionary in a global or class attribute holds itself.
"""

from __future__ import annotations

import builtins
import functools
import gc
import sched
import sys
import types
from collections import ChainMap, OrderedDict, UserDict, UserList, defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import ExitStack
from types import BuiltinMethodType, FunctionType
from typing import Any

from schedule_explorer.errors import UncontrolledCallError
from schedule_explorer.interposition import dates, file_layers
from schedule_explorer.interposition.early_items import (
    hashed_in_c,
    put_back,
    put_in_class,
    rename,
    replace,
    set_for_now,
    vars_of,
)
from schedule_explorer.interposition.early_owners import explorers, of_program, own
from schedule_explorer.interposition.global_locks import GlobalLock, proxy_of
from schedule_explorer.interposition.mutexes import LockType, RLockType

#: classes of the standard library whose attributes are looked at
_OPEN = (
    types.SimpleNamespace, functools.partialmethod, functools.cached_property,
    functools.singledispatchmethod, ChainMap, UserDict, UserList, sched.scheduler,
)
#: type flags of CPython: made by a class statement; attributes cannot be set
_HEAP, _IMMUTABLE = 1 << 9, 1 << 8
_DEEPEST = 50
_DESCRIPTORS = (types.MemberDescriptorType, types.GetSetDescriptorType)
_FACTORY: Any = vars(defaultdict)["default_factory"]
_LOCKS = (LockType, RLockType)
_Cached: Any = functools._lru_cache_wrapper
_Partial: Any = functools.partial
_read: Any = type.__getattribute__


class Walk:
    """Goes through what modules under test hold, and exchanges what it finds.

    Arguments:
        stands: what stands for an object, by the ``id`` of the object.
        kinds: the types of those objects.
        proxies: what stands for a real lock; those found in a closure alone are added.
        undo: takes what puts everything back.
        deep: whether more is looked into than functions, and what wraps them.
    """

    def __init__(
        self, stands: Mapping[int, Any], kinds: Collection[type], proxies: dict[int, GlobalLock],
        undo: ExitStack, deep: bool = True,
    ) -> None:
        self._stands = stands
        self._kinds = kinds
        self._proxies = proxies
        self._undo = undo
        self._deep = deep
        #: of holders that were found; every module has the names of `builtins`
        self._seen = {id(vars(builtins)), *explorers()}
        self._todo: deque[tuple[Callable[..., None], Any, str]] = deque()
        #: by ``id``: what cannot be changed, and its like
        self._copies: dict[int, tuple[Any, Any]] = {}
        #: by type: what is done with objects of it, and whether now, for it may be exchanged, or later
        self._ways: dict[type, tuple[Callable[..., Any], bool] | None] = {}
        self._leaves: set[type] = {str, int, float, bool, bytes, type(None), types.ModuleType}
        self._slots: dict[type, list[Any]] = {}
        self._modules: dict[Any, bool] = {}
        #: locks in closures, by their names
        self._named: dict[str, Any] = {}
        self._depth = 0

    def stand_for(self, value: Any, place: str) -> Any:
        """Return what its holder is to hold in place of `value`, or None; what it holds itself comes later.

        Arguments:
            place: where it was found, for people.
        """
        stand = self._stands.get(id(value))
        if stand is not None:
            return stand if stand is not value else None
        kind = type(value)
        way = self._ways[kind] if kind in self._ways else self._way(kind)
        if way is None:
            return None
        handle, at_once = way
        known = self._copies.get(id(value))
        if known is not None:
            return known[1]
        if not at_once:
            if id(value) not in self._seen:
                self._seen.add(id(value))
                self._todo.append((handle, value, place))
            return None
        if self._depth == _DEEPEST:
            return None
        self._depth += 1
        try:
            stand = handle(self, value, place)
        finally:
            self._depth -= 1
        self._copies[id(value)] = (value, stand)
        return stand

    def holds(self, function: Any) -> bool:
        """Say whether a function that was not looked into yet may hold something; quick, for most do not."""
        return (
            self._deep or function.__closure__ is not None or function.__kwdefaults__ is not None
            or not self._leaves.issuperset(map(type, function.__defaults__ or ()))
        )

    def module(self, module: types.ModuleType) -> None:
        """Look at all that a module holds."""
        for name, value in list(vars(module).items()):
            stand = self.stand_for(value, f"{module.__name__}.{name}")
            if stand is not None and id(value) not in self._stands:
                self._undo.callback(setattr, module, name, value)
                setattr(module, name, stand)

    def go(self) -> None:
        """Look into everything that was found."""
        while self._todo:
            handle, value, place = self._todo.popleft()
            handle(self, value, place)

    # -- what is done with which type ------------------------------------------------------------------------

    def _way(self, kind: type) -> tuple[Callable[..., Any], bool] | None:
        if kind in self._ways:
            return self._ways[kind]
        way: tuple[Callable[..., Any], bool] | None = None
        if not self._deep and kind not in SHALLOW:
            pass
        elif kind in _LATER:
            way = (_LATER[kind], False)
        elif kind in _AT_ONCE:
            way = (_AT_ONCE[kind], True)
        elif issubclass(kind, type):
            way = (Walk._class, False)
        elif kind in _OPEN or (_read(kind, "__flags__") & _HEAP and self._of_program(kind)):
            way = (Walk._instance, False)
            base: Any
            for base in (tuple, frozenset):
                if issubclass(kind, base):
                    way = (Walk._items, True)
            for base in (property, staticmethod, classmethod):
                if issubclass(kind, base):
                    way = (Walk._derived, False)
        self._ways[kind] = way
        if way is None and kind not in self._kinds and kind not in _LOCKS:
            self._leaves.add(kind)
        return way

    def _of_program(self, cls: type) -> bool:
        module = vars_of(cls).get("__module__")
        known = self._modules.get(module)
        if known is None:
            known = self._modules[module] = of_program(module)
        return known

    def _plain(self, values: Iterable[Any]) -> bool:
        """Say whether nothing among the values is to be looked at."""
        return self._leaves.issuperset(map(type, values))

    # -- what is changed -------------------------------------------------------------------------------------

    def _dictionary(self, held: Any, place: str) -> None:
        if not self._plain(dict.values(held)):
            for index, (key, value) in enumerate(list(dict.items(held))):
                stand = self.stand_for(value, f"{place}[{repr(key) if type(key) is str else index}]")
                if stand is not None:
                    self._set_item(dict, held, key, value, stand)
        if not self._plain(dict.keys(held)):
            renamed = {
                id(key): (stand, key) for index, key in enumerate(dict.keys(held))
                if (stand := self.stand_for(key, f"{place}, key {index}")) is not None
            }
            if renamed:
                if not all(map(hashed_in_c, dict.keys(held))):
                    key = next(iter(renamed.values()))[1]
                    raise UncontrolledCallError(
                        f"{place}, a {type(held).__name__}, has {key!r} among its keys, beside some whose "
                        "hash is code of the program: use a name as the key"
                    )
                rename(held, renamed)
                self._undo.callback(rename, held, {id(new): (old, new) for new, old in renamed.values()})
        if issubclass(type(held), defaultdict):
            factory = _FACTORY.__get__(held)
            stand = self.stand_for(factory, f"{place}.default_factory")
            if stand is not None:
                self._set(_FACTORY, held, factory, stand)

    def _list(self, held: Any, place: str) -> None:
        base: Any = list if issubclass(type(held), list) else deque
        if not self._plain(base.__iter__(held)):
            for index, value in enumerate(list(base.__iter__(held))):
                stand = self.stand_for(value, f"{place}[{index}]")
                if stand is not None:
                    self._set_item(base, held, index, value, stand)

    def _set_item(self, base: Any, held: Any, key: Any, value: Any, stand: Any) -> None:
        base.__setitem__(held, key, stand)
        self._undo.callback(put_back, base, held, stand, value)

    def _members(self, held: Any, place: str) -> None:
        if not self._plain(set.__iter__(held)):
            for index, value in enumerate(list(set.__iter__(held))):
                stand = self.stand_for(value, f"{place}, member {index}")
                if stand is not None:
                    replace(held, value, stand)
                    self._undo.callback(replace, held, stand, value)

    def _set(self, descriptor: Any, owner: Any, value: Any, stand: Any) -> None:
        descriptor.__set__(owner, stand)
        self._undo.callback(descriptor.__set__, owner, value)

    def _function(self, function: Any, place: str) -> None:
        defaults, named, cells = function.__defaults__, function.__kwdefaults__, function.__closure__
        if own(function):
            return
        stand = self.stand_for(defaults, f"{place}.__defaults__") if defaults else None
        if stand is not None:
            self._undo.callback(setattr, function, "__defaults__", defaults)
            function.__defaults__ = stand
        if named:
            self._dictionary(named, place)
        if cells:
            self._closure(function, cells, place)
        if self._deep:
            self._dictionary(function.__dict__, place)
            names = function.__globals__
            module = sys.modules.get(names.get("__name__"))
            if not issubclass(type(module), types.ModuleType) or vars(module) is not names:
                # Made by exec(), or of a module that is not among the others.
                self.stand_for(names, f"{place}.__globals__")

    def _closure(self, function: Any, cells: tuple[Any, ...], place: str) -> None:
        for variable, cell in zip(function.__code__.co_freevars, cells, strict=True):
            try:
                held = cell.cell_contents
            except ValueError:
                continue  # not bound yet
            if type(held) in self._leaves:
                continue
            within = f"{place}.{variable}"
            stand = self.stand_for(held, within)
            if stand is None and type(held) in _LOCKS:
                # The name tells it from every other lock.
                while self._named.setdefault(within, held) is not held:
                    within += "'"
                stand = proxy_of(held, function.__module__, within, self._proxies)
            if stand is not None:
                self._undo.callback(setattr, cell, "cell_contents", held)
                cell.cell_contents = stand

    def _partial(self, held: Any, place: str) -> None:
        function, arguments, options = (
            vars_of(_Partial)[name].__get__(held) for name in ("func", "args", "keywords")
        )
        self.stand_for(options, place)
        stands = self.stand_for(function, f"{place}.func"), self.stand_for(arguments, f"{place}.args")
        if stands != (None, None):
            more = vars_of(_Partial)["__dict__"].__get__(held)
            self._undo.callback(_Partial.__setstate__, held, (function, arguments, options, more))
            new = tuple(old if stand is None else stand
                        for old, stand in zip((function, arguments), stands, strict=True))
            _Partial.__setstate__(held, (*new, options, more))
        if type(held) is not _Partial:
            self._attributes(held, place)

    def _class(self, cls: Any, place: str) -> None:
        if _read(cls, "__flags__") & (_HEAP | _IMMUTABLE) != _HEAP or not self._of_program(cls):
            return
        for name, value in list(vars_of(cls).items()):
            stand = self.stand_for(value, f"{place}.{name}")
            if stand is not None:
                put_in_class(cls, name, value, stand, self._undo)
        for base in _read(cls, "__mro__")[1:]:
            self.stand_for(base, _read(base, "__qualname__"))
            if id(base) in file_layers.GUARDED:
                set_for_now(cls, "__init__", file_layers.guard(cls, base), self._undo)

    def _instance(self, held: Any, place: str) -> None:
        for base, go in ((dict, Walk._dictionary), (list, Walk._list), (deque, Walk._list),
                         (set, Walk._members), (_Partial, Walk._partial)):
            if issubclass(type(held), base):
                go(self, held, place)
        self._attributes(held, place)

    def _attributes(self, held: Any, place: str) -> None:
        kind = type(held)
        self.stand_for(kind, _read(kind, "__qualname__"))
        for descriptor in self._descriptors(kind):
            try:
                value = descriptor.__get__(held)
            except AttributeError:
                continue  # a slot that is empty
            if descriptor.__name__ == "__dict__":
                self.stand_for(value, place)
            elif (stand := self.stand_for(value, f"{place}.{descriptor.__name__}")) is not None:
                self._set(descriptor, held, value, stand)

    def _descriptors(self, kind: type) -> list[Any]:
        """Return what gets at the dictionary of an instance, and at its slots."""
        found = self._slots.get(kind)
        if found is None:
            found = self._slots[kind] = []
            for base in _read(kind, "__mro__"):
                own = vars_of(base)
                found += [
                    value for name, value in own.items()
                    if (type(value) is types.MemberDescriptorType and "__slots__" in own)
                    or (name == "__dict__" and type(value) in _DESCRIPTORS)
                ]
        return found

    def _view(self, held: Any, place: str) -> None:
        for mapping in gc.get_referents(held):
            self.stand_for(mapping, place)

    def _derived(self, held: Any, place: str) -> None:
        """Look into what is derived from a property, which nothing could stand for."""
        for value in gc.get_referents(held):
            if value is not type(held) and self.stand_for(value, place) is not None:
                raise UncontrolledCallError(
                    f"{place}, a {type(held).__name__}, holds {value!r}, which was bound before the "
                    "exploration, and which it cannot be made to let go of: wrap a function that calls it"
                )
        self._attributes(held, place)

    # -- what is exchanged -----------------------------------------------------------------------------------

    def _items(self, held: Any, place: str) -> Any:
        """Return a tuple or frozenset of the stands; one of a class of the program with its attributes."""
        base: Any = tuple if issubclass(type(held), tuple) else frozenset
        descriptors = [] if type(held) is base else self._descriptors(type(held))
        for descriptor in descriptors:
            self.stand_for(descriptor.__get__(held), place)
        if self._plain(base.__iter__(held)):
            return None
        stands = [(value, self.stand_for(value, f"{place}[{index}]"))
                  for index, value in enumerate(base.__iter__(held))]
        if all(stand is None for _, stand in stands):
            return None
        made = base.__new__(type(held), [value if stand is None else stand for value, stand in stands])
        for descriptor in descriptors:
            descriptor.__set__(made, descriptor.__get__(held))
        return made

    def _wrapper(self, held: Any, place: str) -> Any:
        stand = self.stand_for(held.__func__, place)
        return None if stand is None else type(held)(stand)

    def _property(self, held: Any, place: str) -> Any:
        functions = (held.fget, held.fset, held.fdel)
        stands = [self.stand_for(function, place) for function in functions]
        if stands == [None, None, None]:
            return None
        new: Any = [old if stand is None else stand for old, stand in zip(functions, stands, strict=True)]
        return property(new[0], new[1], new[2], held.__doc__)

    def _method(self, held: Any, place: str) -> Any:
        self.stand_for(held.__self__, f"{place}.__self__")
        stand = self.stand_for(held.__func__, place)
        return None if stand is None else types.MethodType(stand, held.__self__)

    def _builtin(self, held: Any, place: str) -> Any:
        """Look at what a method of a built-in type belongs to."""
        if self._deep:
            self.stand_for(held.__self__, f"{place}.__self__")
        return dates.stand(held)

    def _cached(self, held: Any, place: str) -> Any:
        attributes = held.__dict__
        stand = self.stand_for(attributes.get("__wrapped__"), place)
        if stand is None:
            return None
        limits = attributes["cache_parameters"]() if "cache_parameters" in attributes else {"maxsize": None}
        return functools.lru_cache(**limits)(stand)


_LATER: dict[type, Callable[..., None]] = {
    dict: Walk._dictionary, defaultdict: Walk._dictionary, OrderedDict: Walk._dictionary,
    list: Walk._list, deque: Walk._list, set: Walk._members, FunctionType: Walk._function,
    _Partial: Walk._partial, types.MappingProxyType: Walk._view,
}
_AT_ONCE: dict[type, Callable[..., Any]] = {
    tuple: Walk._items, frozenset: Walk._items, staticmethod: Walk._wrapper, classmethod: Walk._wrapper,
    property: Walk._property, types.MethodType: Walk._method, BuiltinMethodType: Walk._builtin,
    _Cached: Walk._cached,
}
#: what is looked into everywhere; the second holds the defaults of functions
SHALLOW = (FunctionType, tuple, staticmethod, classmethod, property, BuiltinMethodType)
