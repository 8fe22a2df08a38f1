"""queue.Queue and its subclasses: one operation a call."""

from __future__ import annotations

import copy
import queue
from typing import Any

from schedule_explorer.errors import ExplorerError
from schedule_explorer.interposition import simple_queues
from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.identity import identity
from schedule_explorer.interposition.mutexes import check_wait, hard, limit_of
from schedule_explorer.interposition.queue_locks import QueueCondition, QueueMutexAttribute
from schedule_explorer.interposition.queue_sides import (
    ShutDown,
    Sides,
    get_operation,
    kind_of,
    size_of,
    store,
    take,
)
from schedule_explorer.operations import READ, WRITE, Operation
from schedule_explorer.runtime import Execution


def sides_of(self: Any, execution: Execution) -> Any:
    """Return the sides of a queue, found out on first use when it was made outside."""
    held = self.__dict__.get("_explorer_id")
    if held is not None and held.execution is execution:
        return held
    found: Sides = identity(self, "Queue", execution, Sides)
    fifo, custom = kind_of(self)
    found.shape(fifo=fifo, custom=custom)
    kept = {
        name: copy.copy(self.__dict__[name])
        for name in ("queue", "unfinished_tasks", "is_shutdown") if name in self.__dict__
    }
    execution.at_end.append(lambda: self.__dict__.update(kept))
    return found


def _init(self: Any, maxsize: int = 0) -> None:
    execution = virtual()
    if execution is None:
        _originals["__init__"](self, maxsize)
        return
    self.maxsize = maxsize
    self._init(maxsize)
    self.unfinished_tasks = 0
    if ShutDown is not queue.Empty:
        self.is_shutdown = False
    # Named where it is made: who uses it first depends on the schedule.
    sides = self.__dict__["_explorer_id"] = Sides("Queue", execution)
    fifo, custom = kind_of(self)
    sides.shape(fifo=fifo, custom=custom)


def _put(self: Any, item: Any, block: bool = True, timeout: Any = None) -> None:
    execution = virtual()
    if execution is None:
        return _originals["put"](self, item, block, timeout)  # type: ignore[no-any-return]
    sides = sides_of(self, execution)
    bounded = self.maxsize > 0
    if bounded and sides.commuting:
        raise ExplorerError(f"{sides}: its maxsize was set after its first use; give it when it is made")
    blocking = block and bounded
    limit = _limit(timeout) if blocking else None

    def perform(operation: Operation) -> None:
        size = size_of(self, execution, sides)
        over = getattr(self, "is_shutdown", False)
        operation.opened = sides.opened(self, size)
        if not self.unfinished_tasks:
            operation.opened = (*operation.opened, sides.done)
        if over or 0 < self.maxsize <= size:
            operation.accesses = ((sides.put, READ), (sides.tasks, READ))
            raise ShutDown if over else queue.Full
        operation.accesses = sides.putting
        store(self, item, execution, sides)
        self.unfinished_tasks += 1

    kind = "queue.put" if block else "queue.put_nowait"
    if not blocking or limit == 0:
        operation = Operation(kind, sides, perform, None, sides.putting)
    else:

        def room() -> bool:
            return bool(self._qsize() < self.maxsize) or getattr(self, "is_shutdown", False)

        operation = Operation(
            kind, sides, perform, room, sides.putting, limit,
            gate=sides.room if hard(execution, limit) else None,

        )
    execution.step(operation)
    return None


def _limit(timeout: Any) -> float | None:
    if timeout is None:
        return None
    if timeout < 0:
        raise ValueError("'timeout' must be a non-negative number")
    if timeout == 0:
        return 0.0
    check_wait(True, 0.0 + timeout)
    return limit_of(timeout)


def _get(self: Any, block: bool = True, timeout: Any = None) -> Any:
    execution = virtual()
    if execution is None:
        return _originals["get"](self, block, timeout)
    limit = _limit(timeout) if block else None
    return execution.step(get_operation(self, execution, sides_of(self, execution), block, limit))


def _look(self: Any, kind: str, answer: Any, execution: Execution) -> Any:
    sides = sides_of(self, execution)

    def perform(operation: Operation) -> Any:
        size = size_of(self, execution, sides)
        operation.accesses, operation.opened = sides.both, sides.opened(self, size)
        return answer(size)

    return execution.step(Operation(kind, sides, perform))


def _qsize(self: Any) -> Any:
    execution = virtual()
    if execution is None:
        return _originals["qsize"](self)
    return _look(self, "queue.qsize", lambda size: size, execution)


def _empty(self: Any) -> Any:
    execution = virtual()
    if execution is None:
        return _originals["empty"](self)
    return _look(self, "queue.empty", lambda size: not size, execution)


def _full(self: Any) -> Any:
    execution = virtual()
    if execution is None:
        return _originals["full"](self)
    return _look(self, "queue.full", lambda size: 0 < self.maxsize <= size, execution)


def _task_done(self: Any) -> None:
    execution = virtual()
    if execution is None:
        return _originals["task_done"](self)  # type: ignore[no-any-return]
    sides = sides_of(self, execution)

    def perform(operation: Operation) -> None:
        if self.unfinished_tasks <= 0:
            operation.accesses, operation.opened = ((sides.tasks, READ),), (sides.done,)
            raise ValueError("task_done() called too many times")
        # Before the put that it answers it would have failed.
        operation.accesses = ((sides.tasks, WRITE),)
        self.unfinished_tasks -= 1

    return execution.step(Operation("queue.task_done", sides, perform))  # type: ignore[no-any-return]


def _join(self: Any) -> None:
    execution = virtual()
    if execution is None:
        return _originals["join"](self)  # type: ignore[no-any-return]
    sides = sides_of(self, execution)
    return execution.step(  # type: ignore[no-any-return]
        Operation("queue.join", sides, lambda _: None, lambda: self.unfinished_tasks == 0,
                  ((sides.tasks, READ),), gate=sides.done)
    )


def _shutdown(self: Any, immediate: bool = False) -> None:
    execution = virtual()
    if execution is None:
        return _originals["shutdown"](self, immediate)  # type: ignore[no-any-return]
    sides = sides_of(self, execution)

    def perform(operation: Operation) -> None:
        size = size_of(self, execution, sides)
        operation.opened = sides.opened(self, size)
        accesses = {sides.put: WRITE, sides.get: WRITE}
        if immediate:
            accesses[sides.tasks] = WRITE
            if not self.unfinished_tasks:
                operation.opened = (*operation.opened, sides.done)
        operation.accesses = tuple(accesses.items())
        self.is_shutdown = True
        while immediate and size_of(self, execution, sides):
            take(self, execution, sides)
            if self.unfinished_tasks > 0:
                self.unfinished_tasks -= 1

    return execution.step(Operation("queue.shutdown", sides, perform))  # type: ignore[no-any-return]


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
if hasattr(queue.Queue, "shutdown"):
    METHODS.append((queue.Queue, "shutdown", _shutdown))
_originals: dict[str, Any] = {name: vars(cls)[name] for cls, name, _ in METHODS}
METHODS.append((queue.Queue, "mutex", QueueMutexAttribute()))
METHODS += [(queue.Queue, name, QueueCondition(name)) for name in ("not_empty", "not_full", "all_tasks_done")]
PATCHES: list[tuple[object, str, Any]] = simple_queues.PATCHES
