"""``Queue.mutex``: what a program does below it is one step, for no operation of the queue takes it."""

from __future__ import annotations

from typing import Any

from schedule_explorer.errors import UncontrolledCallError
from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.outside import OUTSIDE
from schedule_explorer.interposition.queue_sides import Sides
from schedule_explorer.operations import WRITE, Operation


class QueueMutex:
    """Stands for the lock of a queue: ``with queue.mutex: queue.queue.clear()`` is one operation.

    Arguments:
        queue_: the queue.
    """

    def __init__(self, queue_: Any) -> None:
        self._queue = queue_
        self._accesses: tuple[Any, ...] = ()
        self._open: tuple[bool, ...] = ()

    def _gates(self) -> tuple[bool, ...]:
        """Say whether there is an item, room for one, and nothing left to be done."""
        size, most = int(self._queue._qsize()), self._queue.maxsize
        return size > 0, most <= 0 or size < most, not self._queue.unfinished_tasks

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Begin the step."""
        execution = virtual()
        if execution is None or execution.current is None:
            return True
        thread, sides = execution.current, self._queue._explorer_id

        def perform(operation: Operation) -> bool:
            size = int(self._queue._qsize())
            operation.opened = sides.opened(self._queue, size)
            if not self._queue.unfinished_tasks:
                operation.opened = (*operation.opened, sides.done)
            operation.accesses = tuple({sides.put: WRITE, sides.get: WRITE, sides.tasks: WRITE}.items())
            self._accesses = operation.accesses
            self._open = self._gates()
            return True

        execution.step(Operation("queue.mutex", sides, perform))
        thread.atomic += 1
        return True

    def release(self) -> None:
        """End the step."""
        execution = virtual()
        if execution is None or execution.current is None or execution.ending:
            return
        if not execution.current.atomic:
            raise RuntimeError("release unlocked lock")
        execution.current.atomic -= 1
        event, sides = execution.trace.events[-1], self._queue._explorer_id
        if sides.commuting:
            sides.stamps[:] = [event.index] * int(self._queue._qsize())
        if event.accesses is not self._accesses:  # even an equal one has been merged
            raise UncontrolledCallError(
                f"{sides}: operations are made while its mutex is held, which is one step"
            )
        if any(now and not before for now, before in zip(self._gates(), self._open, strict=True)):
            raise execution.stop(UncontrolledCallError(
                f"{sides}: what is done below its mutex lets a waiting call go on and notifies nobody, so "
                "that a call which waits already sleeps on: use the methods of the queue"
            ))

    def locked(self) -> bool:
        """Say whether somebody holds it: nobody can see it held."""
        return False

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc: object) -> None:
        self.release()


class QueueMutexAttribute:
    """Makes the mutex of a queue when somebody asks for it; a real queue has its own."""

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None or not isinstance(instance.__dict__.get("_explorer_id"), Sides):
            raise AttributeError("mutex")
        made = instance.__dict__["mutex"] = QueueMutex(instance)
        return made


class QueueCondition:
    """Stands for a condition of a queue, which the operations do without.

    Arguments:
        name: of the attribute.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None or not isinstance(instance.__dict__.get("_explorer_id"), Sides):
            raise AttributeError(self.name)
        if virtual() is None:
            return OUTSIDE
        raise UncontrolledCallError(
            f"queue.Queue.{self.name} is used directly: an operation of a queue is one step, which wakes "
            "nobody by it"
        )
