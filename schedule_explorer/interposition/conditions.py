"""threading.Condition as operations.

A wait is: become a waiter, release the lock, sleep, take the lock again. A timed wait that ran out leaves
the waiters only once it has the lock again; a notify that comes before that may pick it, and is lost
(as in CPython). Which of the waiters a notify wakes is a choice.

Becoming a waiter and releasing an RLock are one operation, for only its owner may notify. With any other
lock they are two: whoever finds it locked may notify in between.
"""

from __future__ import annotations

import threading
from collections import deque
from itertools import combinations
from typing import Any

from schedule_explorer.errors import UncontrolledBlockingError
from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.identity import Identity, identity
from schedule_explorer.interposition.mutexes import (
    HeldLock,
    LockType,
    RLockType,
    VirtualLock,
    VirtualRLock,
    hard,
    wait_limit,
)
from schedule_explorer.operations import READ, WRITE, Accesses, Gate, Operation
from schedule_explorer.runtime import Execution


class _Waiter:
    """One thread that waits to be notified."""

    __slots__ = ("gate", "notified_at", "operation", "tid")

    def __init__(self, tid: int, gate: Gate | None) -> None:
        self.tid = tid
        self.gate = gate
        self.notified_at = -1
        self.operation: Operation | None = None

    def notify(self, index: int) -> None:
        """Be woken by the event `index`."""
        self.notified_at = index
        if self.operation is not None:
            # From now on only the lock is in the way.
            self.operation.order, self.operation.gate = (index,), self.gate


#: what a condition keeps of its lock
_OF_THE_LOCK = ("_lock", "acquire", "release", "_release_save", "_acquire_restore", "_is_owned")


def bind(condition: Any, lock: Any) -> None:
    """Make `lock` the lock of `condition`, as ``Condition.__init__`` does."""
    state = condition.__dict__
    state["_lock"] = lock
    state["acquire"] = lock.acquire
    state["release"] = lock.release
    for name in ("_release_save", "_acquire_restore", "_is_owned"):
        state.pop(name, None)
        if hasattr(lock, name):
            state[name] = getattr(lock, name)


def _init(self: threading.Condition, lock: Any = None) -> None:
    execution = virtual()
    if execution is None:
        _originals["__init__"](self, lock)
        return
    if lock is None:
        lock = VirtualRLock(execution)
    bind(self, lock)
    self.__dict__["_waiters"] = deque()
    self.__dict__["_explorer_id"] = Identity("Condition", execution)


def named(self: Any, execution: Execution) -> Identity:
    """Return the identity of a condition; one that was made outside gets a lock of the explorer's."""
    held = self.__dict__.get("_explorer_id")
    if held is not None and held.execution is execution:
        return held  # type: ignore[no-any-return]
    found: Identity = identity(self, "Condition", execution)
    lock = self._lock
    self._waiters.clear()
    if type(lock) in (LockType, RLockType):
        if lock.locked() if type(lock) is LockType else lock._is_owned():
            raise execution.stop(UncontrolledBlockingError(
                f"{found}: its lock was made before the exploration and is held for real; make the condition "
                "in the body"
            ))
        made: VirtualLock | VirtualRLock = (VirtualLock if type(lock) is LockType else VirtualRLock)(
            execution, True
        )
        # Named after the condition: with a new name in every execution no two of its acquires would conflict.
        key = (made.kind, "of", *found.key)
        made._name.key, made._gate, made._write = key, (key, "free"), ((key, WRITE),)
        state = self.__dict__
        before = {name: state[name] for name in _OF_THE_LOCK if name in state}
        bind(self, made)

        def restore() -> None:
            for name in _OF_THE_LOCK:
                state.pop(name, None)
            # Not looked up anew: for the length of an exploration a real lock has other methods.
            state.update(before)

        execution.at_end.append(restore)
        execution.at_end.append(self._waiters.clear)
    return found


def _enter(self: Any) -> Any:
    execution = virtual()
    if execution is not None:
        named(self, execution)
    return self._lock.__enter__()


class _Bound:
    """A method of the lock that a condition keeps in its dictionary, under this name.

    That of a real lock was looked up when the condition was made; in a virtual thread the condition gets a
    lock of the explorer's first, as everywhere.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        state = {} if instance is None else instance.__dict__
        if type(state.get("_lock")) in (LockType, RLockType):
            execution = virtual()
            if execution is not None:
                named(instance, execution)
        if self.name not in state:
            raise AttributeError(self.name)
        return state[self.name]

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.name] = value

    def __delete__(self, instance: Any) -> None:
        del instance.__dict__[self.name]


def _wait(self: Any, timeout: Any = None) -> bool:
    execution = virtual()
    if execution is None:
        return bool(_originals["wait"](self, timeout))
    name = named(self, execution)
    lock = self._lock
    thread = execution.current
    assert thread is not None
    ours = isinstance(lock, HeldLock)
    waiter = _Waiter(thread.tid, lock._gate if ours else None)
    if type(lock) is VirtualRLock:
        if not lock._is_owned():
            raise RuntimeError("cannot wait on un-acquired lock")
        saved: Any = (lock._count, 0)

        def park(operation: Operation) -> None:
            operation.accesses = ((name.key, WRITE), *lock._write)
            lock.drop()
            self._waiters.append(waiter)

        execution.step(Operation("condition.wait", name, park))
    else:
        _join_waiters(self, execution, name, waiter)
        saved = self._release_save()
    if timeout is None and ours:
        _sleep_and_acquire(execution, name, waiter, lock, saved)
        return True
    woken = False
    try:
        woken = _sleep(execution, name, waiter, timeout, locks=_locks(self))
    finally:
        if woken:
            self._acquire_restore(saved)
        else:
            _acquire_and_leave(self, execution, name, waiter, saved)
    return woken


def _join_waiters(self: Any, execution: Execution, name: Identity, waiter: _Waiter) -> None:
    """Become a waiter while the lock is held: by anybody, for a Lock does not know its owner."""
    lock = self._lock
    plain = type(lock) is VirtualLock
    if not plain and not self._is_owned():
        raise RuntimeError("cannot wait on un-acquired lock")

    def join(operation: Operation) -> None:
        if plain and not lock._held:
            operation.accesses, operation.opened = ((name.key, READ), (lock.key, READ)), (lock._gate,)
            raise RuntimeError("cannot wait on un-acquired lock")
        operation.accesses = ((name.key, WRITE), (lock.key, READ)) if plain else ((name.key, WRITE),)
        self._waiters.append(waiter)

    execution.step(Operation("condition.enter", name, join))


def _sleep_and_acquire(
    execution: Execution, name: Identity, waiter: _Waiter, lock: Any, saved: Any
) -> None:
    """Wait without a limit: waking up alone is seen by nobody, so it is one step with the acquire."""

    def wake(operation: Operation) -> None:
        operation.opened = (lock._gate,)
        lock.take(execution)

    waiter.operation = Operation(
        "condition.wake", name, wake, lambda: waiter.notified_at >= 0 and not lock._held, lock._write, None,
        lambda: lock.holder() if waiter.notified_at >= 0 else None,
    )
    if waiter.notified_at >= 0:
        waiter.notify(waiter.notified_at)
    execution.step(waiter.operation)
    if lock.reentrant:
        lock._count = saved[0]


def _locks(condition: Any) -> bool:
    """Say whether a thread whose wait has run out acquires a lock next, whatever a subclass makes of it."""
    lock = type(condition._lock)
    return lock is VirtualRLock or (
        lock is VirtualLock and type(condition) is threading.Condition
        and "_acquire_restore" not in condition.__dict__
    )


def _sleep(execution: Execution, name: Identity, waiter: _Waiter, timeout: Any, *, locks: bool) -> bool:
    """Wait to be notified, and return whether that came before the time ran out.

    Arguments:
        locks: the thread then acquires a lock, before anything else.
    """
    wake = (name.key, "wake")
    sure = timeout is not None and hard(execution, wait_limit(timeout))

    def notice(operation: Operation) -> bool:
        if timeout is None:
            return True
        # Where it may expire at any point, whether it was notified in time is a race.
        operation.accesses = () if sure and waiter.notified_at >= 0 else ((wake, READ),)
        if waiter.notified_at < 0:
            operation.note = "expired"
        return waiter.notified_at >= 0

    def notified() -> bool:
        return waiter.notified_at >= 0

    if timeout is None:
        waiter.operation = operation = Operation("condition.wake", name, notice, notified)
        if waiter.notified_at >= 0:
            waiter.notify(waiter.notified_at)
    elif limit := wait_limit(timeout):
        operation = Operation("condition.timed_wake", name, notice, notified, timeout=limit)
        if sure:
            waiter.gate, waiter.operation = None, operation
            if waiter.notified_at >= 0:
                waiter.notify(waiter.notified_at)
    else:
        operation = Operation("condition.timed_wake", name, notice)
    operation.effective = locks
    return execution.step(operation)  # type: ignore[no-any-return]


def _acquire_and_leave(self: Any, execution: Execution, name: Identity, waiter: _Waiter, saved: Any) -> None:
    lock = self._lock

    def leave(operation: Operation) -> Accesses:
        if waiter not in self._waiters:
            return ((name.key, READ),)
        self._waiters.remove(waiter)
        return ((name.key, WRITE),)

    if type(lock) is VirtualRLock:

        def acquire_and_leave(operation: Operation) -> None:
            # Whoever notifies owns the lock, so its key alone orders the two. An access to the list as well
            # would hide that race: the notify would stand between the two acquires.
            leave(operation)
            operation.accesses, operation.opened = lock._write, (lock._gate,)
            lock.take(execution)

        execution.step(Operation(
            "lock.acquire", lock._name, acquire_and_leave, lock.free, lock._write, None,
            lock.holder, lock._gate,
        ))
        lock._count = saved[0]
        return

    def leave_alone(operation: Operation) -> None:
        operation.accesses = leave(operation)

    self._acquire_restore(saved)
    execution.step(Operation("condition.leave", name, leave_alone))


def _notify(self: Any, n: int = 1) -> None:
    execution = virtual()
    if execution is None:
        _originals["notify"](self, n)
    else:
        _wake_up(self, n, execution)


def _notify_all(self: Any) -> None:
    execution = virtual()
    if execution is None:
        _originals["notify_all"](self)
    else:
        _wake_up(self, None, execution)


def _wake_up(self: Any, n: int | None, execution: Execution) -> None:
    name = named(self, execution)
    lock = self._lock
    plain = type(lock) is VirtualLock
    if not plain and not self._is_owned():
        raise RuntimeError("cannot notify on un-acquired lock")
    key, wake = name.key, (name.key, "wake")

    def perform(operation: Operation) -> None:
        held: Accesses = ((lock.key, READ),) if plain else ()
        waiters = self._waiters
        count = len(waiters) if n is None else min(max(n, 0), len(waiters)) if waiters else 0
        if count:
            operation.accesses = ((key, WRITE), (wake, WRITE), *held)
        else:
            operation.accesses = ((key, READ), (wake, READ), *held)
        if plain and not lock._held:
            operation.accesses, operation.opened = ((key, READ), (wake, READ), *held), (lock._gate,)
            raise RuntimeError("cannot notify on un-acquired lock")
        here = len(execution.trace.events) - 1
        chosen = list(waiters)
        if count < len(chosen):
            chosen.sort(key=lambda waiter: waiter.tid)
            sets = list(combinations(chosen, count))
            chosen = list(sets[execution.choose("notify", len(sets))])
        for waiter in chosen:
            waiter.notify(here)
            waiters.remove(waiter)

    execution.step(Operation("condition.notify", name, perform))


METHODS: list[tuple[type, str, Any]] = [
    (threading.Condition, "__init__", _init),
    (threading.Condition, "__enter__", _enter),
    (threading.Condition, "acquire", _Bound("acquire")),
    (threading.Condition, "release", _Bound("release")),
    (threading.Condition, "wait", _wait),
    (threading.Condition, "notify", _notify),
    (threading.Condition, "notify_all", _notify_all),
]
_originals: dict[str, Any] = {name: vars(cls)[name] for cls, name, _ in METHODS if name in vars(cls)}
