"""threading.Semaphore and BoundedSemaphore as operations: one a call.

A permit carries the order release before acquire, as an item of a queue does, so that the two commute where
an acquire is sure to wait. A release beyond the bound, and an acquire that may fail, look at the other side.
"""

from __future__ import annotations

import threading
from typing import Any

from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.events import LazyCondition
from schedule_explorer.interposition.identity import Identity, identity
from schedule_explorer.interposition.mutexes import hard, wait_limit
from schedule_explorer.operations import READ, WRITE, Operation
from schedule_explorer.runtime import Execution


class _Name(Identity):
    """A semaphore's name, the accesses of its operations, and where its permits come from."""

    __slots__ = ("gate", "give", "look", "permits", "sure", "take", "unsure")

    def __init__(self, kind: str, execution: Execution, lasting: bool = False) -> None:
        super().__init__(kind, execution, lasting)
        self.take, self.give = (self.key, "take"), (self.key, "give")
        self.gate = (self.take, "permit")
        self.sure = ((self.take, WRITE),)
        self.unsure = ((self.take, WRITE), (self.give, READ))
        self.look = ((self.take, READ), (self.give, READ))
        #: [event that gave them, how many], oldest first; what was there from the start has no event
        self.permits: list[list[int]] = []

    def spend(self, execution: Execution) -> None:
        """Take the oldest permit, after the event that gave it."""
        if self.permits:
            first = self.permits[0]
            execution.enabled_by(first[0])
            first[1] -= 1
            if not first[1]:
                del self.permits[0]


def _named(self: Any, execution: Execution) -> Any:
    held = self.__dict__.get("_explorer_id")
    if held is not None and held.execution is execution:
        return held
    found: _Name = identity(self, "Semaphore", execution, _Name)
    value = self._value
    found.permits = [[-1, value]] if value else []

    def restore() -> None:
        self._value = value

    execution.at_end.append(restore)
    return found


def _init(self: Any, value: int = 1) -> None:
    execution = virtual()
    if execution is None:
        _originals["Semaphore.__init__"](self, value)
        return
    if value < 0:
        raise ValueError("semaphore initial value must be >= 0")
    self._value = value
    name = self.__dict__["_explorer_id"] = _Name("Semaphore", execution)
    name.permits = [[-1, value]] if value else []


def _acquire(self: Any, blocking: bool = True, timeout: Any = None) -> bool:
    execution = virtual()
    if execution is None:
        return bool(_originals["Semaphore.acquire"](self, blocking, timeout))
    if not blocking and timeout is not None:
        raise ValueError("can't specify timeout for non-blocking acquire")
    name = _named(self, execution)
    wrong: Exception | None = None
    limit = None if blocking else 0.0
    if timeout is not None:
        try:
            limit = wait_limit(0.0 + timeout)
        except (TypeError, ValueError, OverflowError) as error:
            wrong, limit = error, 0.0  # which a permit that is there keeps from being seen
    sure = hard(execution, limit)

    def perform(operation: Operation) -> bool:
        if not self._value:
            operation.accesses = name.look
            if wrong is not None:
                raise wrong
            operation.note = "not acquired"
            return False
        operation.accesses = name.sure if sure else name.unsure
        operation.opened = (name.gate,)
        name.spend(execution)
        self._value -= 1
        return True

    if limit == 0:
        operation = Operation("semaphore.try_acquire", name, perform)
    else:
        operation = Operation(
            "semaphore.acquire", name, perform, lambda: self._value > 0,
            name.sure if sure else name.unsure, limit, gate=name.gate if sure else None,
        )
    return execution.step(operation)  # type: ignore[no-any-return]


def _release(self: Any, n: int = 1) -> None:
    execution = virtual()
    if execution is None:
        _originals["Semaphore.release"](self, n)
        return
    if n < 1:
        raise ValueError("n must be one or more")
    name = _named(self, execution)

    def perform(operation: Operation) -> None:
        operation.accesses = ((name.give, WRITE),)
        _give(self, name, n, execution)

    execution.step(Operation("semaphore.release", name, perform))


def _release_bounded(self: Any, n: int = 1) -> None:
    execution = virtual()
    if execution is None:
        _originals["BoundedSemaphore.release"](self, n)
        return
    if n < 1:
        raise ValueError("n must be one or more")
    name = _named(self, execution)

    def perform(operation: Operation) -> None:
        # Whether it is one too many depends on who has acquired.
        operation.opened = (name.gate,) if self._value > 0 else ()
        if self._value + n > self._initial_value:
            operation.accesses = name.look
            raise ValueError("Semaphore released too many times")
        operation.accesses = ((name.give, WRITE), (name.take, READ))
        _give(self, name, n, execution)

    execution.step(Operation("semaphore.release", name, perform))


def _give(self: Any, name: _Name, n: int, execution: Execution) -> None:
    name.permits.append([len(execution.trace.events) - 1, n])
    self._value += n


METHODS: list[tuple[type, str, Any]] = [
    (threading.Semaphore, "__init__", _init),
    (threading.Semaphore, "acquire", _acquire),
    (threading.Semaphore, "__enter__", _acquire),
    (threading.Semaphore, "release", _release),
    (threading.BoundedSemaphore, "release", _release_bounded),
    (threading.Semaphore, "_cond", LazyCondition()),
]
_originals: dict[str, Any] = {
    f"{cls.__name__}.{name}": vars(cls)[name] for cls, name, _ in METHODS if name in vars(cls)
}
