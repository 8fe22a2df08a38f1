"""threading.Lock and RLock, and `_thread.allocate_lock` below them: the factories are replaced.

Outside of a virtual thread they make the real thing. Synchronization classes written in Python keep their
identity and get new methods, so that subclasses and names bound early are covered: see `conditions`,
`semaphores`, `events` and `barriers`, whose lists are gathered here.
"""

from __future__ import annotations

import _thread
import _threading_local
import functools
import threading
from typing import Any

from schedule_explorer.interposition import barriers, conditions, events, semaphores
from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.mutexes import (
    LockType,
    RLockType,
    VirtualLock,
    VirtualRLock,
    real_lock,
    real_rlock,
)


class _Factory(type):
    """Stands for the type `threading.Lock` is: real and virtual locks are its instances."""

    made: Any = None

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.made)


class _LockFactory(metaclass=_Factory):
    made = LockType

    def __new__(cls) -> Any:
        execution = virtual()
        if execution is None:
            return real_lock()
        return VirtualLock(execution)


class _RLockFactory(metaclass=_Factory):
    made = RLockType

    def __new__(cls, *arguments: Any, **options: Any) -> Any:
        execution = virtual()
        if execution is None or arguments or options:
            return real_rlock(*arguments, **options)
        return VirtualRLock(execution)


def _allocate_lock() -> Any:
    execution = virtual()
    return real_lock() if execution is None else VirtualLock(execution)


def _allocate_rlock() -> Any:
    execution = virtual()
    return RLockType() if execution is None else VirtualRLock(execution)


#: (class, method, replacement): methods exchanged for the length of an exploration
METHODS: list[tuple[type, str, Any]] = [
    *conditions.METHODS, *semaphores.METHODS, *events.METHODS, *barriers.METHODS
]
#: (module, attribute, replacement); of two for one object the later is what modules under test get
PATCHES: list[tuple[object, str, Any]] = [
    (_thread, "allocate_lock", _allocate_lock),
    (_thread, "allocate", _allocate_lock),
    (_thread, "RLock", _allocate_rlock),
    (functools, "RLock", _allocate_rlock),
    (threading, "_allocate_lock", _allocate_lock),
    (threading, "_CRLock", _allocate_rlock),
    (threading, "Lock", _LockFactory),
    (_threading_local, "RLock", _RLockFactory),
    (threading, "RLock", _RLockFactory),
]
