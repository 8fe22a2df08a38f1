"""queue.Queue and its subclasses: one operation a call, the item carries the order put before get."""

from __future__ import annotations

import queue
from typing import Any

from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.locks import _Label, name_of
from schedule_explorer.operations import READ, WRITE, Accesses, Operation
from schedule_explorer.runtime import Execution


def _keys(self: Any, execution: Execution) -> tuple[Any, Any, bool]:
    """Return (put side, get side, commuting): an unbounded FIFO's two sides commute."""
    name: Any = name_of(self, "Queue", execution)
    fifo = type(self)._get is queue.Queue._get and type(self)._put is queue.Queue._put
    return (name, "put"), (name, "get"), fifo and self.maxsize <= 0


def _stamps(self: Any) -> list[int]:
    found: list[int] = self.__dict__.setdefault("_explorer_puts", [])
    return found


def _size(self: Any) -> int:
    return int(self._qsize())


def _put(self: Any, item: Any, block: bool = True, timeout: float | None = None) -> None:
    execution = virtual()
    if execution is None:
        return _originals["put"](self, item, block, timeout)  # type: ignore[no-any-return]
    if block and timeout is not None and timeout < 0:
        raise ValueError("'timeout' must be a non-negative number")
    put, get, commuting = _keys(self, execution)

    def room() -> bool:
        return bool(self.maxsize <= 0 or _size(self) < self.maxsize)

    def perform(operation: Operation) -> None:
        if not room():
            operation.accesses = ((put, READ), (get, READ))
            raise queue.Full
        operation.accesses = ((put, WRITE),) if commuting else ((put, WRITE), (get, WRITE))
        self._put(item)
        _stamps(self).append(len(execution.trace.events) - 1)
        self.unfinished_tasks += 1

    limit = timeout if block else None
    kind = "queue.put" if block else "queue.put_nowait"
    execution.step(Operation(kind, _Label(put[0]), perform, room if block else None, timeout=limit))


def _get(self: Any, block: bool = True, timeout: float | None = None) -> Any:
    execution = virtual()
    if execution is None:
        return _originals["get"](self, block, timeout)
    if block and timeout is not None and timeout < 0:
        raise ValueError("'timeout' must be a non-negative number")
    put, get, commuting = _keys(self, execution)
    sure = block and timeout is None

    def perform(operation: Operation) -> Any:
        if not _size(self):
            operation.accesses = ((put, READ), (get, READ))
            raise queue.Empty
        accesses: Accesses = ((get, WRITE),)
        if not commuting:
            accesses = ((put, WRITE), (get, WRITE))
        elif not sure:
            accesses = ((put, READ), (get, WRITE))
        operation.accesses = accesses
        stamps = _stamps(self)
        if commuting and stamps:
            execution.order_after(stamps.pop(0))
        return self._get()

    limit = timeout if block else None
    kind = "queue.get" if block else "queue.get_nowait"
    ready = (lambda: _size(self) > 0) if block else None
    return execution.step(Operation(kind, _Label(put[0]), perform, ready, timeout=limit))


def _look(self: Any, kind: str, answer: Any, execution: Execution) -> Any:
    put, get, _ = _keys(self, execution)
    return execution.step(
        Operation(kind, _Label(put[0]), lambda _: answer(), accesses=((put, READ), (get, READ)))
    )


def _qsize(self: Any) -> Any:
    execution = virtual()
    if execution is None:
        return _originals["qsize"](self)
    return _look(self, "queue.qsize", lambda: _size(self), execution)


def _empty(self: Any) -> Any:
    execution = virtual()
    if execution is None:
        return _originals["empty"](self)
    return _look(self, "queue.empty", lambda: not _size(self), execution)


def _full(self: Any) -> Any:
    execution = virtual()
    if execution is None:
        return _originals["full"](self)
    return _look(self, "queue.full", lambda: 0 < self.maxsize <= _size(self), execution)


def _task_done(self: Any) -> None:
    execution = virtual()
    if execution is None:
        return _originals["task_done"](self)  # type: ignore[no-any-return]
    put, _, _ = _keys(self, execution)

    def perform(operation: Operation) -> None:
        operation.accesses = (((put, "tasks"), WRITE), (put, WRITE))
        if self.unfinished_tasks <= 0:
            raise ValueError("task_done() called too many times")
        self.unfinished_tasks -= 1

    execution.step(Operation("queue.task_done", _Label(put[0]), perform))


def _join(self: Any) -> None:
    execution = virtual()
    if execution is None:
        return _originals["join"](self)  # type: ignore[no-any-return]
    put, _, _ = _keys(self, execution)
    execution.step(
        Operation("queue.join", _Label(put[0]), lambda _: None, lambda: self.unfinished_tasks == 0,
                  (((put, "tasks"), READ), (put, READ)))
    )


METHODS: list[tuple[type, str, Any]] = [
    (queue.Queue, "put", _put),
    (queue.Queue, "get", _get),
    (queue.Queue, "qsize", _qsize),
    (queue.Queue, "empty", _empty),
    (queue.Queue, "full", _full),
    (queue.Queue, "task_done", _task_done),
    (queue.Queue, "join", _join),
]
_originals: dict[str, Any] = {name: cls.__dict__[name] for cls, name, _ in METHODS}


class _SimpleQueue(queue.Queue[Any]):
    """queue.SimpleQueue in a virtual thread."""


def make_simple_queue() -> Any:
    """Replace `queue.SimpleQueue`."""
    return _real_simple() if virtual() is None else _SimpleQueue()


_real_simple: Any = queue.SimpleQueue
PATCHES: list[tuple[object, str, Any]] = [(queue, "SimpleQueue", make_simple_queue)]
