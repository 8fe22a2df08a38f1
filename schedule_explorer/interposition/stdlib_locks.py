"""Regions in which a real lock of the standard library is held run as one step.

Such a lock was made at import. It belongs to the one OS thread that all virtual threads share, so an RLock
would let every one of them in, and a Lock would stop them all. Nothing is switched while one is held: what
happens below it belongs to the present step. Handing a record to a log handler is a step of its own, since
its order can be seen; the other regions only change what nobody sees, and add no step.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.global_locks import Exchange
from schedule_explorer.interposition.mutexes import RLockType
from schedule_explorer.operations import WRITE, Key, Operation


class RegionLock:
    """Stands for a real lock; its holder is not switched away from.

    Arguments:
        real: the lock.
        key: written by the step that begins the region; None: the region is part of the step before it.
        name: what is told of that step.
    """

    __slots__ = ("__weakref__", "_key", "_name", "_real")

    def __init__(self, real: Any, key: Key = None, name: str = "") -> None:
        self._real = real
        self._key = key
        self._name = name

    def acquire(self, *arguments: Any, **options: Any) -> Any:
        """As the real one."""
        execution = virtual()
        if execution is None or execution.current is None:
            return self._real.acquire(*arguments, **options)
        thread = execution.current
        if self._key is not None:
            if thread.held or not thread.atomic:
                execution.step(Operation("logging", self._name, self._begin, steady=False))
            elif outer := [other for other in thread.regions if other is not self and other._key is not None]:
                # Two that are taken in both orders can deadlock, and here the two are one step.
                execution.trace.unmodelled.add(
                    f"the log handler {self._name} is used while the lock of {outer[-1]._name} is held: one "
                    "step, where two threads could wait for each other; make both handlers in the body"
                )
        got = self._real.acquire(*arguments, **options)
        if got:
            thread.atomic += 1
            thread.regions.append(self)
        return got

    def _begin(self, operation: Operation) -> None:
        # What happens below it is not known beforehand: it is not declared.
        operation.accesses = ((self._key, WRITE),)

    def release(self) -> None:
        """As the real one."""
        self._real.release()
        execution = virtual()
        if execution is not None and execution.current is not None:
            execution.current.atomic -= 1
            if self in execution.current.regions:
                execution.current.regions.remove(self)

    def __enter__(self) -> Any:
        return self.acquire()

    def __exit__(self, *exc: object) -> None:
        self.release()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def exchanges() -> list[Exchange]:
    """Return the locks that are exchanged, with their owners: as they are at the start of an exploration."""
    found: list[Exchange] = []
    module_lock = logging._lock  # type: ignore[attr-defined]
    if type(module_lock) is RLockType:
        # Read anew by every region of `logging`, in each Python version under its own spelling.
        found.append((logging, "_lock", RegionLock(module_lock)))
    for index, handler in enumerate(_handlers()):
        lock = handler.__dict__.get("lock")
        if type(lock) is RLockType:
            region = RegionLock(lock, ("log handler", index), type(handler).__name__)
            found.append((handler, "lock", region))
    mock: Any = sys.modules.get("unittest.mock")
    if mock is not None and type(mock.NonCallableMock._lock) is RLockType:
        found.append((mock.NonCallableMock, "_lock", RegionLock(mock.NonCallableMock._lock)))
    return found


def _handlers() -> list[logging.Handler]:
    """Every handler there is: those that `logging` lists, and those of loggers, lest its list was cleared."""
    listed = [reference() for reference in logging._handlerList]  # type: ignore[attr-defined]
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    attached = [handler for logger in loggers for handler in getattr(logger, "handlers", ())]
    distinct = {id(handler): handler for handler in (*listed, *attached) if handler is not None}
    return list(distinct.values())
