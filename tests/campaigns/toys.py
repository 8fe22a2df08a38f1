"""A small target: cells that calls put values into, get them from and swap; with a lock, or without."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from schedule_explorer import SharedVariable
from schedule_explorer.oracles import History, Recorded
from schedule_explorer.programs import Alphabet, Call, Method

METHODS = (Method("get", ("key",)), Method("swap", ("key",)), Method("put", ("key",)))


class Cells:
    """The object under test."""

    def __init__(self, keys: Sequence[str], racy: bool) -> None:
        self.cells = {key: SharedVariable(0) for key in keys}
        self.lock = threading.Lock()
        self.racy = racy

    def swap(self, key: str, value: int) -> int:
        """Put a value and return the one before."""
        if self.racy:
            return self._swap(key, value)
        with self.lock:
            return self._swap(key, value)

    def _swap(self, key: str, value: int) -> int:
        before = self.cells[key].load()
        self.cells[key].store(value)
        return before


class CellsSpecification:
    """The state is a tuple of (key, value), for the keys that have one."""

    def initial(self) -> tuple[tuple[str, int], ...]:
        return ()

    def outcomes(self, state: Any, recorded: Recorded) -> Iterable[tuple[Any, Any]]:
        key = recorded.call.arguments[0]
        before = dict(state).get(key, 0)
        after = tuple(sorted({**dict(state), key: recorded.value}.items()))
        if recorded.call.name == "get":
            yield state, before
        elif recorded.call.name == "put":
            yield after, None
        else:
            yield after, before

    def parts(self, call: Call) -> Sequence[Any]:
        return call.arguments


class CellsTarget:
    """The target."""

    def __init__(self, name: str, racy: bool, keys: tuple[str, ...]) -> None:
        self.name = name
        self.alphabet = Alphabet(METHODS, {"key": keys}, symmetric=("key",))
        self.specification = CellsSpecification()
        self._racy = racy
        self._keys = keys

    def make(self, root: Path) -> Cells:
        return Cells(self._keys, self._racy)

    def perform(self, system: Cells, recorded: Recorded) -> Any:
        key = str(recorded.call.arguments[0])
        if recorded.call.name == "get":
            return system.cells[key].load()
        if recorded.call.name == "put":
            with system.lock:
                return system.cells[key].store(recorded.value)
        return system.swap(key, recorded.value)

    def look(self, system: Cells, recorded: Recorded, history: History) -> None:
        pass

    def check_order(self, order: Sequence[Recorded]) -> None:
        pass

    def observe(self, system: Cells) -> list[tuple[Call, Any]]:
        return [(Call("get", (key,)), system.cells[key].load()) for key in self._keys]

    def at_quiescence(self, system: Cells, history: History) -> None:
        assert not system.lock.locked(), "the lock is held"


def locked(keys: tuple[str, ...] = ("a",)) -> CellsTarget:
    """Cells as they should be."""
    return CellsTarget("locked_cells", False, keys)


def racy(keys: tuple[str, ...] = ("a",)) -> CellsTarget:
    """Cells whose swap takes no lock: two swaps may return the same value."""
    return CellsTarget("racy_cells", True, keys)
