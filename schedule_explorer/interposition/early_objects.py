"""Objects written in C that modules under test made at import, other than locks (see `global_locks`).

A `threading.local`, a `queue.SimpleQueue` and a `random.Random` in a module global or a class attribute are
exchanged for stand-ins. In a virtual thread a stand-in is an object that every execution finds as it was
when the exploration began; anywhere else it is the real one. A class that a module derived from
`threading.local` cannot be exchanged, so its instances get the contents of the calling thread before each
access.
"""

from __future__ import annotations

import queue
import random
import threading
from collections import deque
from collections.abc import Iterable
from typing import Any

from schedule_explorer.errors import ExplorerError
from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.early_attributes import Attribute
from schedule_explorer.interposition.locals import VirtualLocal
from schedule_explorer.interposition.queue_sides import Sides
from schedule_explorer.interposition.simple_queues import SimpleQueue
from schedule_explorer.runtime import Execution

Exchange = tuple[object, str, Any]
Path = tuple[int, ...]
_RealLocal: Any = threading.local
_RealQueue: Any = queue.SimpleQueue


def exchanges(attributes: Iterable[Attribute], stands: dict[int, Any]) -> list[Exchange]:
    """Return what to exchange for what; one stand-in for each object, under however many names.

    Arguments:
        stands: those that there are, by the ``id`` of the object; it is added to.
    """
    found: list[Exchange] = []
    for owner, attribute, module, dotted, value in attributes:
        kind = type(value)
        make = _STANDS.get(kind)
        if make is not None:
            stand = stands.get(id(value))
            if stand is None:
                stand = stands[id(value)] = make(value, f"{module}.{dotted}")
            found.append((owner, attribute, stand))
        elif kind is type and value is not _RealLocal and _RealLocal in value.__bases__ and (
            id(value) not in stands
        ):
            stands[id(value)] = value
            found += _per_thread(value)
    return found


# -- threading.local ---------------------------------------------------------------------------------------


class EarlyLocal:
    """Stands for a real `threading.local`. The body's own thread finds what the exploring thread had set."""

    __slots__ = ("__weakref__", "_explorer_name", "_explorer_real")

    def _explorer_holds(self) -> list[Any]:
        return [_contents(self)]

    def __init__(self, real: Any, name: str) -> None:
        object.__setattr__(self, "_explorer_real", real)
        object.__setattr__(self, "_explorer_name", name)

    def __getattribute__(self, name: str) -> Any:
        return getattr(_contents(self), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(_contents(self), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(_contents(self), name)


def _contents(local: EarlyLocal) -> Any:
    execution = virtual()
    real = object.__getattribute__(local, "_explorer_real")
    if execution is None:
        return real
    made: dict[str, Any] = execution.state.setdefault("early locals", {})
    name = object.__getattribute__(local, "_explorer_name")
    found = made.get(name)
    if found is None:
        found = made[name] = VirtualLocal()
        object.__getattribute__(found, "_explorer_contents").dicts[()] = dict(vars(real))
    return found


class _Turns:
    """What each virtual thread has in one instance of a class derived from `threading.local`."""

    __slots__ = ("dicts", "instance", "path")

    def __init__(self, instance: Any, path: Path) -> None:
        self.instance = instance
        self.path = path
        self.dicts: dict[Path, dict[str, Any]] = {}

    def turn(self, path: Path) -> None:
        """Put the contents of the thread `path` in the place of those that are there."""
        real = _dictionary(self.instance)
        self.dicts[self.path] = dict(real)
        self.path = path
        real.clear()
        mine = self.dicts.get(path)
        if mine is not None:
            real.update(mine)
            return
        cls = type(self.instance)
        if cls.__init__ is object.__init__:
            return
        try:
            cls.__init__(self.instance)
        except TypeError as error:
            raise ExplorerError(
                f"{cls.__module__}.{cls.__qualname__}, a threading.local, was made with arguments, which are "
                f"not known in another thread ({error}): define the class in the body, or make it without"
            ) from error


def _dictionary(local: Any) -> dict[str, Any]:
    found: dict[str, Any] = _RealLocal.__getattribute__(local, "__dict__")
    return found


def _turn(local: Any) -> None:
    execution = virtual()
    if execution is None or execution.current is None:
        return
    path = execution.current.path
    all_turns: dict[int, _Turns] = execution.state.setdefault("early local classes", {})
    turns = all_turns.get(id(local))
    if turns is None:
        before = dict(_dictionary(local))
        # What is there already was set by the exploring thread, which is the body's.
        turns = all_turns[id(local)] = _Turns(local, () if before else path)

        def restore() -> None:
            real = _dictionary(local)
            real.clear()
            real.update(before)

        execution.at_end.append(restore)
    if turns.path != path:
        turns.turn(path)


def _per_thread(cls: Any) -> list[Exchange]:
    """Return methods for a class derived from `threading.local` that look at the calling thread first."""

    def method(name: str) -> Any:
        original = vars(cls).get(name, getattr(_RealLocal, name))

        def call(self: Any, *arguments: Any) -> Any:
            _turn(self)
            return original(self, *arguments)

        call.__name__ = name
        return call

    return [(cls, name, method(name)) for name in ("__getattribute__", "__setattr__", "__delattr__")]


# -- queue.SimpleQueue -------------------------------------------------------------------------------------


class EarlyQueue:
    """Stands for a real `queue.SimpleQueue`."""

    def __init__(self, real: Any, name: str) -> None:
        self._real = real
        self._name = name
        # One for all executions, with one name; it is emptied when it is first used in another.
        self._virtual: Any = object.__new__(SimpleQueue)
        self._virtual._items = deque()
        sides = self._virtual._explorer_id = Sides("SimpleQueue", None, True)  # type: ignore[arg-type]
        sides.shape(fifo=True, custom=False)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return _RealQueue

    def __getattr__(self, name: str) -> Any:
        if virtual() is None:
            return getattr(self._real, name)
        if self._real.qsize():
            raise ExplorerError(f"{self._name} was not empty when the exploration began: fill it in the body")
        return getattr(self._virtual, name)


# -- random.Random -----------------------------------------------------------------------------------------


class EarlyRandom(random.Random):
    """Stands for a real `random.Random`.

    The body's own thread goes on from the state of the real one; every other thread draws from a generator
    of its own, seeded by its path, so that what it draws does not depend on the schedule.
    """

    def __init__(self, real: random.Random, name: str) -> None:
        super().__init__(0)
        self._explorer = (real, name, real.getstate())

    def __getattribute__(self, name: str) -> Any:
        if name == "__class__":
            return EarlyRandom
        execution = virtual()
        held = object.__getattribute__(self, "__dict__").get("_explorer")
        if held is None:
            return super().__getattribute__(name)  # it is being made
        return getattr(held[0] if execution is None else _generator(execution, held[1], held[2]), name)

    def __setattr__(self, name: str, value: Any) -> None:
        held = object.__getattribute__(self, "__dict__").get("_explorer")
        if held is None:
            super().__setattr__(name, value)
        else:
            execution = virtual()
            setattr(held[0] if execution is None else _generator(execution, held[1], held[2]), name, value)


def _generator(execution: Execution, name: str, state: Any) -> random.Random:
    path: Path = ()
    if execution.current is not None:
        execution.current.gets_on()
        path = execution.current.path
    made: dict[tuple[str, Path], random.Random] = execution.state.setdefault("early generators", {})
    found = made.get((name, path))
    if found is None:
        found = made[name, path] = random.Random(f"{name} {path}")
        if not path:
            found.setstate(state)
    return found


_STANDS: dict[type, Any] = {_RealLocal: EarlyLocal, _RealQueue: EarlyQueue, random.Random: EarlyRandom}
#: the kinds of object that get one
KINDS: tuple[type, ...] = tuple(_STANDS)
