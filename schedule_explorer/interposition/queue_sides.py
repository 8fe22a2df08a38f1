"""What the operations of a queue touch, and how they put, take and look; shared by all kinds of queue.

The two sides of an unbounded FIFO commute where a get is sure to wait: the item carries the order put before
get. Anywhere else both sides are one key.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

from schedule_explorer.errors import UncontrolledCallError
from schedule_explorer.interposition.identity import Identity
from schedule_explorer.interposition.mutexes import hard
from schedule_explorer.operations import ADD, READ, WRITE, Gate, Operation
from schedule_explorer.runtime import Execution

_OVERRIDABLE = ("_init", "_qsize", "_put", "_get")
#: `queue.ShutDown`, which Python 3.13 brought
ShutDown: Any = getattr(queue, "ShutDown", queue.Empty)


class Sides(Identity):
    """The name of a queue, the accesses and gates of its operations, and where its items come from."""

    __slots__ = (
        "both", "commuting", "custom", "done", "get", "getting", "items", "put", "putting", "room", "stamps",
        "taking", "tasks", "trying",
    )

    def shape(self, *, fifo: bool, custom: bool) -> None:
        """Give both sides one key, or each its own.

        Arguments:
            fifo: it is unbounded, and the first item put is the first one got.
            custom: a subclass of the program puts and takes by code of its own.
        """
        self.commuting = fifo
        self.custom = custom
        self.put = (self.key, "put") if fifo else (self.key, "queue")
        self.get = (self.key, "get") if fifo else self.put
        self.tasks = (self.key, "tasks")
        self.items: Gate = (self.get, "items")
        self.room: Gate = (self.put, "room")
        self.done: Gate = (self.tasks, "done")
        self.putting = ((self.put, WRITE), (self.tasks, ADD))
        self.taking = ((self.get, WRITE),)
        self.trying = ((self.put, READ), (self.get, WRITE)) if fifo else self.taking
        self.both = ((self.put, READ), (self.get, READ)) if fifo else ((self.put, READ),)
        #: the events that put what is in an unbounded FIFO, oldest first
        self.stamps: list[int] = []

    def opened(self, queue_: Any, size: int) -> tuple[Gate, ...]:
        """Return the gates that are open now."""
        over = getattr(queue_, "is_shutdown", False)
        gates = (self.items,) if size or over else ()
        if not self.commuting and (over or queue_.maxsize <= 0 or size < queue_.maxsize):
            gates = (*gates, self.room)
        return gates


def kind_of(queue_: Any) -> tuple[bool, bool]:
    """Say whether a `queue.Queue` is an unbounded FIFO, and whether it puts by code of the program's."""
    cls = type(queue_)
    custom = any(
        getattr(cls, name) not in [vars(known).get(name) for known in _KNOWN] for name in _OVERRIDABLE
    )
    plain = not custom and cls._get is queue.Queue._get
    return plain and queue_.maxsize <= 0, custom


_KNOWN = (queue.Queue, queue.LifoQueue, queue.PriorityQueue)


def by_hook(hook: Callable[..., Any], execution: Execution, sides: Sides, *arguments: Any) -> Any:
    """Call code of a subclass within a step.

    Raises:
        UncontrolledCallError: it made an operation, for which there is no room within a step.
    """
    thread = execution.current
    assert thread is not None
    before = execution.inner
    thread.atomic += 1
    try:
        return hook(*arguments)
    finally:
        thread.atomic -= 1
        if execution.inner != before:
            raise UncontrolledCallError(
                f"{sides}: {getattr(hook, '__qualname__', hook)} makes operations of its own (a lock, a "
                "file) within one step of the queue"
            )


def size_of(queue_: Any, execution: Execution, sides: Sides) -> int:
    """Return the number of items."""
    return int(by_hook(queue_._qsize, execution, sides) if sides.custom else queue_._qsize())


def store(queue_: Any, item: Any, execution: Execution, sides: Sides) -> None:
    """Put an item, from within `perform`."""
    if sides.custom:
        by_hook(queue_._put, execution, sides, item)
    else:
        queue_._put(item)
    if sides.commuting:
        sides.stamps.append(len(execution.trace.events) - 1)


def take(queue_: Any, execution: Execution, sides: Sides) -> Any:
    """Take an item, from within `perform`; what was put before this execution carries no order."""
    if sides.stamps:
        execution.enabled_by(sides.stamps.pop(0))
    return by_hook(queue_._get, execution, sides) if sides.custom else queue_._get()


def get_operation(
    queue_: Any, execution: Execution, sides: Sides, block: bool, limit: float | None
) -> Operation:
    """Return the operation of a get."""
    sure = block and hard(execution, limit)

    def perform(operation: Operation) -> Any:
        size = size_of(queue_, execution, sides)
        if not size:
            # A get that is sure to wait finds nothing only when the queue was shut down.
            over = getattr(queue_, "is_shutdown", False)
            operation.accesses = ((sides.get, READ),) if sure and over else sides.both
            operation.opened = sides.opened(queue_, size)
            raise ShutDown if over else queue.Empty
        operation.opened = sides.opened(queue_, size)
        operation.accesses = sides.taking if sure else sides.trying
        return take(queue_, execution, sides)

    if not block or limit == 0:
        return Operation("queue.get_nowait" if not block else "queue.get", sides, perform)

    def ready() -> bool:
        return bool(queue_._qsize()) or getattr(queue_, "is_shutdown", False)

    return Operation(
        "queue.get", sides, perform, ready, sides.taking if sure else sides.trying, limit,
        gate=sides.items if sure else None,
    )
