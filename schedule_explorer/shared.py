"""Shared memory with one operation an access: how the programs of the literature are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from schedule_explorer.interposition.context import virtual
from schedule_explorer.operations import READ, WRITE, Key, Operation
from schedule_explorer.runtime import Execution

T = TypeVar("T")


class SharedVariable(Generic[T]):
    """One memory cell under sequential consistency.

    Arguments:
        initial: its first value.
        name: shown in explanations.
    """

    def __init__(self, initial: T, name: str = "") -> None:
        execution = virtual()
        self._value = initial
        self._key: Key = ("variable", *(execution.new_id() if execution else (id(self),)))
        self._name = name or f"variable {self._key[1]}.{self._key[-1]}"

    def __str__(self) -> str:
        return self._name

    def _step(self, kind: str, mode: int, change: Callable[[Operation], T]) -> T:
        execution: Execution | None = virtual()
        if execution is None:
            return change(Operation(kind, self, change))
        result: T = execution.step(Operation(kind, self, change, accesses=((self._key, mode),)))
        return result

    def load(self) -> T:
        """Return the value."""
        return self._step("load", READ, lambda _: self._value)

    def store(self, value: T) -> None:
        """Replace the value."""

        def change(operation: Operation) -> T:
            operation.note = repr(value)
            self._value = value
            return value

        self._step("store", WRITE, change)

    def update(self, function: Callable[[T], T]) -> T:
        """Replace the value by ``function(value)`` atomically and return the value it had."""

        def change(operation: Operation) -> T:
            old = self._value
            self._value = function(old)
            operation.note = repr(self._value)
            return old

        return self._step("update", WRITE, change)
