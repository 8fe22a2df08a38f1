"""queue.Queue and its subclasses: one operation a call, the item carries the order put before get."""

from __future__ import annotations

import queue
from typing import Any

from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.locks import _Label, name_of
from schedule_explorer.operations import ADD, READ, WRITE, Operation
from schedule_explorer.runtime import Execution


class _Keys:
    """What the operations of one queue access, and the gates of its blocking ones.

    The two sides of an unbounded FIFO commute: they have keys of their own. Elsewhere both sides are one.
    """

    __slots__ = ("commuting", "get", "items", "name", "put", "room", "tasks")

    def __init__(self, queue_: Any, execution: Execution) -> None:
        self.name: Any = name_of(queue_, "Queue", execution)
        kind = type(queue_)
        fifo = kind._get is queue.Queue._get and kind._put is queue.Queue._put
        self.commuting = fifo and queue_.maxsize <= 0
        self.put = (self.name, "put") if self.commuting else (self.name, "queue")
        self.get = (self.name, "get") if self.commuting else (self.name, "queue")
        self.tasks = (self.name, "tasks")
        self.items = (self.get, "items")
        self.room = (self.put, "room")

    def look(self, operation: Operation, queue_: Any) -> None:
        """Read both sides."""
        operation.accesses = ((self.put, READ), (self.get, READ)) if self.commuting else ((self.put, READ),)
        self.gates(operation, queue_)

    def gates(self, operation: Operation, queue_: Any) -> None:
        """Note which gates are open now."""
        if _size(queue_):
            operation.opened = (self.items,)
        if not self.commuting and (queue_.maxsize <= 0 or _size(queue_) < queue_.maxsize):
            operation.opened = (*operation.opened, self.room)


def _stamps(self: Any) -> list[int]:
    found: list[int] = self.__dict__.setdefault("_explorer_puts", [])
    return found


def _size(self: Any) -> int:
    return int(self._qsize())


def _init(self: Any, maxsize: int = 0) -> None:
    _originals["__init__"](self, maxsize)
    execution = virtual()
    if execution is not None:
        # Named where it is made: who uses it first depends on the schedule.
        name_of(self, "Queue", execution)


def _put(self: Any, item: Any, block: bool = True, timeout: float | None = None) -> None:
    execution = virtual()
    if execution is None:
        return _originals["put"](self, item, block, timeout)  # type: ignore[no-any-return]
    if block and timeout is not None and timeout < 0 and self.maxsize > 0:
        raise ValueError("'timeout' must be a non-negative number")
    keys = _Keys(self, execution)

    def room() -> bool:
        return bool(self.maxsize <= 0 or _size(self) < self.maxsize)

    def perform(operation: Operation) -> None:
        if not room():
            keys.look(operation, self)
            raise queue.Full
        keys.gates(operation, self)
        if not self.unfinished_tasks:
            operation.opened = (*operation.opened, (keys.tasks, "done"))
        operation.accesses = ((keys.put, WRITE), (keys.tasks, ADD))
        self._put(item)
        _stamps(self).append(len(execution.trace.events) - 1)
        self.unfinished_tasks += 1

    blocking = block and self.maxsize > 0
    limit = timeout if blocking else None
    kind = "queue.put" if block else "queue.put_nowait"
    execution.step(
        Operation(kind, _Label(keys.name), perform, room if blocking else None,
                  ((keys.put, WRITE), (keys.tasks, ADD)), limit,
                  gate=keys.room if blocking and limit is None else None)
    )


def _get(self: Any, block: bool = True, timeout: float | None = None) -> Any:
    execution = virtual()
    if execution is None:
        return _originals["get"](self, block, timeout)
    if block and timeout is not None and timeout < 0:
        raise ValueError("'timeout' must be a non-negative number")
    keys = _Keys(self, execution)
    sure = block and timeout is None

    def perform(operation: Operation) -> Any:
        if not _size(self):
            keys.look(operation, self)
            raise queue.Empty
        keys.gates(operation, self)
        if sure or not keys.commuting:
            operation.accesses = ((keys.get, WRITE),)
        else:
            operation.accesses = ((keys.put, READ), (keys.get, WRITE))
        stamps = _stamps(self)
        if stamps:
            # What was put before this execution carries no order.
            stamp = stamps.pop(0)
            if keys.commuting:
                execution.enabled_by(stamp)
        return self._get()

    limit = timeout if block else None
    kind = "queue.get" if block else "queue.get_nowait"
    ready = (lambda: _size(self) > 0) if block else None
    return execution.step(
        Operation(kind, _Label(keys.name), perform, ready, ((keys.get, WRITE),), limit,
                  gate=keys.items if sure else None)
    )


def _look(self: Any, kind: str, answer: Any, execution: Execution) -> Any:
    keys = _Keys(self, execution)

    def perform(operation: Operation) -> Any:
        keys.look(operation, self)
        return answer()

    return execution.step(Operation(kind, _Label(keys.name), perform))


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
    keys = _Keys(self, execution)

    def perform(operation: Operation) -> None:
        if self.unfinished_tasks <= 0:
            operation.accesses, operation.opened = ((keys.tasks, READ),), ((keys.tasks, "done"),)
            raise ValueError("task_done() called too many times")
        # Before the put that it answers it would have failed.
        operation.accesses = ((keys.tasks, WRITE),)
        self.unfinished_tasks -= 1

    execution.step(Operation("queue.task_done", _Label(keys.name), perform))


def _join(self: Any) -> None:
    execution = virtual()
    if execution is None:
        return _originals["join"](self)  # type: ignore[no-any-return]
    keys = _Keys(self, execution)
    execution.step(
        Operation("queue.join", _Label(keys.name), lambda _: None, lambda: self.unfinished_tasks == 0,
                  ((keys.tasks, READ),), gate=(keys.tasks, "done"))
    )


METHODS: list[tuple[type, str, Any]] = [
    (queue.Queue, "__init__", _init),
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
