"""concurrent.futures.ThreadPoolExecutor: CPython's own code, over the primitives of the explorer.

What that code shares between all pools of the process (a lock, a table for the end of the interpreter, a
count for names, the order of addresses) would make one execution leak into the next, or pools depend on each
other: it is replaced for the length of an exploration.
"""

from __future__ import annotations

import sys
from concurrent import futures
from concurrent.futures import _base
from concurrent.futures import thread as pools
from typing import Any

from schedule_explorer.errors import UncontrolledThreadError
from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.simple_queues import SimpleQueue
from schedule_explorer.interposition.thread_state import number
from schedule_explorer.runtime import ThreadEnd


class _ShutdownLock:
    """Stands for the lock against the end of the interpreter, which no virtual thread lives to see."""

    def __enter__(self) -> Any:
        return True if virtual() is not None else _real_lock.__enter__()

    def __exit__(self, *exc: object) -> None:
        if virtual() is None:
            _real_lock.__exit__(*exc)


class _Table:
    """Stands for the table of workers to wake at the end of the interpreter; virtual ones are not kept."""

    def __setitem__(self, thread: Any, queue: Any) -> None:
        if virtual() is None:
            _real_table[thread] = queue

    def __getattr__(self, name: str) -> Any:
        return getattr(_real_table, name)


class _Logger:
    """Passes on what the library logs, except that a worker was ended with its execution."""

    def critical(self, *arguments: Any, **options: Any) -> None:
        """As the real one."""
        if not isinstance(sys.exc_info()[1], ThreadEnd):
            _real_logger.critical(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(_real_logger, name)


class _WorkQueue(SimpleQueue):
    """The work of a pool. A worker without work keeps no program from ending: the end would wake it."""

    def get(self, block: bool = True, timeout: Any = None) -> Any:
        """Take the oldest item."""
        execution = virtual()
        thread = execution.current if execution is not None else None
        if thread is None or not block:
            return super().get(block, timeout)
        thread.daemon = True
        try:
            return super().get(block, timeout)
        finally:
            thread.daemon = False


class _Threads(dict[Any, None]):
    """A set in the order in which its elements came."""

    def add(self, thread: Any) -> None:
        """Add an element."""
        self[thread] = None


class _AcquireFutures(_base._AcquireFutures):
    """Takes the locks of futures in the order of their creation, not of their addresses."""

    def __init__(self, wanted: Any) -> None:
        if virtual() is None:
            super().__init__(wanted)
        else:
            self.futures = sorted(wanted, key=_creation)


def _creation(future: Any) -> tuple[Any, ...]:
    held = future._condition.__dict__.get("_explorer_id")
    return (-1, 0) if held is None else tuple(held.key[1:])


def _future_hash(self: Any) -> int:
    """Hash by creation: sets of futures are gone through in the same order in every execution."""
    condition = self.__dict__.get("_condition")
    held = condition.__dict__.get("_explorer_id") if condition is not None else None
    return object.__hash__(self) if held is None or held.lasting else hash(held.key[1:])


def _init(self: Any, *arguments: Any, **options: Any) -> None:
    _originals["__init__"](self, *arguments, **options)
    execution = virtual()
    if execution is not None:
        self._explorer_execution = execution
        self._work_queue.__class__ = _WorkQueue
        self._threads = _Threads()


def _submit(self: Any, fn: Any, /, *arguments: Any, **options: Any) -> Any:
    execution = virtual()
    if execution is not None and self.__dict__.get("_explorer_execution") is not execution:
        raise UncontrolledThreadError(
            "work is submitted to a ThreadPoolExecutor that was not made in this execution: its threads are "
            "not of this execution; make the pool in the body"
        )
    return _originals["submit"](self, fn, *arguments, **options)


def _counter() -> int:
    execution = virtual()
    return _real_counter() if execution is None else number(execution, "pools") - 1


_real_lock: Any = pools._global_shutdown_lock
_real_table: Any = pools._threads_queues
_real_logger: Any = _base.LOGGER
_real_counter: Any = vars(futures.ThreadPoolExecutor)["_counter"]
METHODS: list[tuple[type, str, Any]] = [
    (futures.ThreadPoolExecutor, "__init__", _init),
    (futures.ThreadPoolExecutor, "submit", _submit),
]
_originals: dict[str, Any] = {name: vars(cls)[name] for cls, name, _ in METHODS}
METHODS += [
    (futures.ThreadPoolExecutor, "_counter", staticmethod(_counter)),
    (_base.Future, "__hash__", _future_hash),
]
PATCHES: list[tuple[object, str, Any]] = [
    (pools, "_global_shutdown_lock", _ShutdownLock()),
    (pools, "_threads_queues", _Table()),
    (_base, "LOGGER", _Logger()),
    (_base, "_AcquireFutures", _AcquireFutures),
]
