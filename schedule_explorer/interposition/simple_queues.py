"""queue.SimpleQueue, which is written in C: another class stands for it in a virtual thread."""

from __future__ import annotations

import queue
from collections import deque
from types import GenericAlias
from typing import Any

from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.identity import outlived
from schedule_explorer.interposition.mutexes import check_wait, limit_of
from schedule_explorer.interposition.queue_sides import Sides, get_operation, store
from schedule_explorer.operations import WRITE, Operation
from schedule_explorer.runtime import Execution

_Real: Any = queue.SimpleQueue


class _Standing(type):
    """Real simple queues, and those of a virtual thread, are instances of what stands for the class."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return type.__instancecheck__(cls, instance) or (cls is SimpleQueue and isinstance(instance, _Real))

    def __subclasscheck__(cls, subclass: Any) -> bool:
        return type.__subclasscheck__(cls, subclass) or (cls is SimpleQueue and issubclass(subclass, _Real))


class SimpleQueue(metaclass=_Standing):
    """An unbounded FIFO without tasks."""

    maxsize = 0
    _items: deque[Any]
    _explorer_id: Sides

    def __new__(cls, *arguments: Any, **options: Any) -> Any:
        execution = virtual()
        if execution is None and cls is SimpleQueue:
            return _Real(*arguments, **options)
        self = super().__new__(cls)
        self._items = deque()
        if execution is not None:
            self._explorer_id = Sides("SimpleQueue", execution)
            self._explorer_id.shape(fifo=True, custom=False)
        return self

    def __class_getitem__(cls, item: Any) -> Any:
        return GenericAlias(cls, item)

    def __repr__(self) -> str:
        return f"<_queue.{type(self).__name__} object at {id(self):#x}>"

    def _sides(self, execution: Execution) -> Sides:
        sides: Sides = self._explorer_id
        if sides.execution is not execution:
            if not sides.lasting:
                raise outlived(str(sides))
            sides.execution = execution
            sides.stamps.clear()
            self._items.clear()
        return sides

    def _qsize(self) -> int:
        return len(self._items)

    def _put(self, item: Any) -> None:
        self._items.append(item)

    def _get(self) -> Any:
        return self._items.popleft()

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put an item; never waits."""
        execution = virtual()
        if execution is None:
            self._items.append(item)
            return
        sides = self._sides(execution)

        def perform(operation: Operation) -> None:
            operation.accesses = ((sides.put, WRITE),)
            store(self, item, execution, sides)

        execution.step(Operation("queue.put", sides, perform))

    def put_nowait(self, item: Any) -> None:
        """Put an item."""
        self.put(item, False)

    def get(self, block: bool = True, timeout: Any = None) -> Any:
        """Take the oldest item, and wait for one if need be."""
        execution = virtual()
        limit: float | None = None
        if block and timeout is not None:
            if not isinstance(timeout, (int, float)) and not hasattr(timeout, "__index__"):
                _Real().get(True, timeout)
            if timeout < 0:
                raise ValueError("'timeout' must be a non-negative number")
            check_wait(True, timeout)
            limit = limit_of(timeout) if timeout else 0.0
        if execution is None:
            if not self._items:
                raise queue.Empty
            return self._items.popleft()
        return execution.step(get_operation(self, execution, self._sides(execution), block, limit))

    def get_nowait(self) -> Any:
        """Take the oldest item, or raise `queue.Empty`."""
        return self.get(False)

    def _look(self, kind: str, answer: Any) -> Any:
        execution = virtual()
        if execution is None:
            return answer(len(self._items))
        sides = self._sides(execution)

        def perform(operation: Operation) -> Any:
            operation.accesses, operation.opened = sides.both, sides.opened(self, len(self._items))
            return answer(len(self._items))

        return execution.step(Operation(kind, sides, perform))

    def empty(self) -> bool:
        """Say whether there is no item."""
        return self._look("queue.empty", lambda size: not size)  # type: ignore[no-any-return]

    def qsize(self) -> int:
        """Return the number of items."""
        return self._look("queue.qsize", lambda size: size)  # type: ignore[no-any-return]


SimpleQueue.__module__, SimpleQueue.__qualname__ = "_queue", "SimpleQueue"
PATCHES: list[tuple[object, str, Any]] = [(queue, "SimpleQueue", SimpleQueue)]
