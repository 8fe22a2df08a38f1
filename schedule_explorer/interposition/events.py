"""threading.Event as operations: one a call.

CPython sets and waits under a condition. Nobody can see whether a thread is already asleep in ``wait`` or
about to go there, so that a wait which takes place while the flag is set stands for both.
"""

from __future__ import annotations

import threading
from typing import Any

from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.identity import Identity, identity
from schedule_explorer.interposition.mutexes import VirtualLock, hard, wait_limit
from schedule_explorer.interposition.outside import OUTSIDE
from schedule_explorer.operations import READ, WRITE, Operation
from schedule_explorer.runtime import Execution


class _Name(Identity):
    """An event's name, and the accesses of its operations."""

    __slots__ = ("gate", "read", "write")

    def __init__(self, kind: str, execution: Execution, lasting: bool = False) -> None:
        super().__init__(kind, execution, lasting)
        self.read = ((self.key, READ),)
        self.write = ((self.key, WRITE),)
        self.gate = (self.key, "set")


class LazyCondition:
    """Stands for ``_cond``, which the operations do without: made when somebody asks for it."""

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            raise AttributeError("_cond")
        execution = virtual()
        if execution is None:
            return OUTSIDE
        made = instance.__dict__["_cond"] = threading.Condition(VirtualLock(execution))  # type: ignore[arg-type]
        return made


def _named(self: Any, execution: Execution) -> Any:
    held = self.__dict__.get("_explorer_id")
    if held is not None and held.execution is execution:
        return held
    found = identity(self, "Event", execution, _Name)
    flag = self._flag

    def restore() -> None:
        self._flag = flag

    execution.at_end.append(restore)
    return found


def _init(self: Any) -> None:
    execution = virtual()
    if execution is None:
        _originals["__init__"](self)
        return
    self._flag = False
    self.__dict__["_explorer_id"] = _Name("Event", execution)


def _set(self: Any) -> None:
    execution = virtual()
    if execution is None:
        _originals["set"](self)
    else:
        _change(self, execution, "event.set", True)


def _clear(self: Any) -> None:
    execution = virtual()
    if execution is None:
        _originals["clear"](self)
    else:
        _change(self, execution, "event.clear", False)


def _change(self: Any, execution: Execution, kind: str, value: bool) -> None:
    name = _named(self, execution)

    def perform(operation: Operation) -> None:
        operation.accesses = name.read if self._flag == value else name.write
        if self._flag:
            operation.opened = (name.gate,)
        self._flag = value

    execution.step(Operation(kind, name, perform))


def _is_set(self: Any) -> bool:
    execution = virtual()
    if execution is None:
        return bool(self._flag)
    name = _named(self, execution)
    operation = Operation("event.is_set", name, lambda _: self._flag, accesses=name.read)
    return execution.step(operation)  # type: ignore[no-any-return]


def _wait(self: Any, timeout: Any = None) -> bool:
    execution = virtual()
    if execution is None:
        return bool(_originals["wait"](self, timeout))
    name = _named(self, execution)

    wrong: Exception | None = None
    limit = None
    if timeout is not None:
        try:
            limit = wait_limit(timeout)
        except (TypeError, ValueError, OverflowError) as error:
            wrong, limit = error, 0.0  # which a flag that is set never gets to see

    def flag(operation: Operation | None = None) -> bool:
        if wrong is not None and not self._flag:
            raise wrong
        return self._flag  # type: ignore[no-any-return]

    if limit == 0:
        operation = Operation("event.wait", name, flag, None, name.read)
    else:
        operation = Operation(
            "event.wait", name, flag, flag, name.read, limit,
            gate=name.gate if hard(execution, limit) else None,
        )
    return execution.step(operation)  # type: ignore[no-any-return]


METHODS: list[tuple[type, str, Any]] = [
    (threading.Event, "__init__", _init),
    (threading.Event, "set", _set),
    (threading.Event, "clear", _clear),
    (threading.Event, "is_set", _is_set),
    (threading.Event, "wait", _wait),
    (threading.Event, "_cond", LazyCondition()),
]
_originals: dict[str, Any] = {name: vars(cls)[name] for cls, name, _ in METHODS if name != "_cond"}
