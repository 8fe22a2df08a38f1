"""Lock, RLock, Condition, Semaphore and Event as operations.

Lock and RLock replace the factories of `threading`; the classes written in Python keep their identity
and get new methods, so that subclasses and names bound early are covered. Outside of a virtual thread
the real thing is made.
"""

from __future__ import annotations

import _thread
import threading
from typing import Any

from schedule_explorer.errors import ExecutionOverError
from schedule_explorer.interposition.context import virtual
from schedule_explorer.operations import READ, WRITE, Gate, Key, Operation
from schedule_explorer.runtime import Execution, VirtualThread

_real_lock = _thread.allocate_lock
_real_rlock = threading.RLock


class VirtualLock:
    """`threading.Lock` in a virtual thread; `reentrant` makes it an RLock."""

    reentrant = False

    def __init__(self, execution: Execution) -> None:
        self._id = ("lock", *execution.new_id())
        self._gate = (self._id, "free")
        self._owner: VirtualThread | None = None
        self._count = 0
        self._held = False
        #: event that handed the lock over; acquiring happens after it
        self._released_at = -1

    def __str__(self) -> str:
        return f"{'RLock' if self.reentrant else 'Lock'} {self._id[1]}.{self._id[2]}"

    @property
    def key(self) -> Key:
        """What operations on this lock access."""
        return self._id

    def free(self) -> bool:
        """Nobody holds it."""
        return not self._held

    def holder(self) -> object:
        """The thread that acquired it last, while it is held."""
        return self._owner if self._held else None

    def take(self, execution: Execution) -> None:
        """Become held by the present thread; only from within an operation's `perform`."""
        self._held = True
        self._owner = execution.current
        self._count = 1

    def drop(self) -> None:
        """Become free; only from within an operation's `perform`."""
        self._held = False
        self._owner = None
        self._count = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As `threading.Lock.acquire`; a timed acquire that is not satisfied may expire."""
        if not blocking and timeout != -1:
            raise ValueError("can't specify a timeout for a non-blocking call")
        if blocking and timeout < 0 and timeout != -1:
            raise ValueError("timeout value must be a non-negative number")
        if timeout > threading.TIMEOUT_MAX:
            raise OverflowError("timestamp out of range for platform time_t")
        execution = virtual()
        if execution is None:
            if not self._held:
                self._held = True
                return True
            if not blocking or timeout >= 0:
                return False
            raise ExecutionOverError(f"{self} belongs to an execution that is over")
        if self.reentrant and self._owner is execution.current:
            self._count += 1
            return True

        def perform(operation: Operation) -> bool:
            if self._held:
                operation.accesses = ((self._id, READ),)
                operation.note = "not acquired"
                return False
            operation.accesses, operation.opened = ((self._id, WRITE),), (self._gate,)
            self.take(execution)
            return True

        if not blocking:
            return bool(execution.step(Operation("lock.try_acquire", self, perform)))
        limit = None if timeout == -1 else timeout
        return bool(
            execution.step(
                Operation(
                    "lock.acquire", self, perform, self.free, ((self._id, WRITE),), limit, self.holder,
                    self._gate if limit is None else None,
                )
            )
        )

    def release(self) -> None:
        """As `threading.Lock.release`."""
        execution = virtual()
        if self.reentrant:
            if execution is not None and self._owner is not execution.current and not execution.ending:
                raise RuntimeError("cannot release un-acquired lock")
            if self._count > 1:
                self._count -= 1
                return
        if execution is None or execution.ending:
            self.drop()
            return

        def perform(operation: Operation) -> None:
            operation.accesses = ((self._id, WRITE if self._held else READ),)
            if not self._held:
                operation.opened = (self._gate,)
                raise RuntimeError("release unlocked lock")
            self.drop()

        execution.step(Operation("lock.release", self, perform))

    def locked(self) -> bool:
        """As `threading.Lock.locked`."""
        execution = virtual()
        if execution is None:
            return self._held

        def perform(operation: Operation) -> bool:
            operation.opened = () if self._held else (self._gate,)
            return self._held

        return bool(execution.step(Operation("lock.locked", self, perform, accesses=((self._id, READ),))))

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc: object) -> None:
        self.release()

    def _at_fork_reinit(self) -> None:
        self.drop()

    # what threading.Condition asks of an RLock
    def _is_owned(self) -> bool:
        execution = virtual()
        return self._held and (execution is None or not self.reentrant or self._owner is execution.current)


class VirtualRLock(VirtualLock):
    """`threading.RLock` in a virtual thread."""

    reentrant = True


def make_lock() -> Any:
    """Replace `threading.Lock`: a virtual lock in a virtual thread, a real one elsewhere."""
    execution = virtual()
    return _real_lock() if execution is None else VirtualLock(execution)


def make_rlock() -> Any:
    """Replace `threading.RLock`."""
    execution = virtual()
    return _real_rlock() if execution is None else VirtualRLock(execution)


def name_of(instance: Any, kind: str, execution: Execution) -> Key:
    """Return the key of an object whose class is kept, naming it on first use in this execution."""
    held = instance.__dict__.get("_explorer_id")
    if held is None or held[0] is not execution:
        held = instance.__dict__["_explorer_id"] = (execution, (kind, *execution.new_id()))
    key: Key = held[1]
    return key


class _Label:
    """Names a kept object in an explanation."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def __str__(self) -> str:
        return f"{self.key[0]} {self.key[1]}.{self.key[2]}"


class _Waiter:
    __slots__ = ("gate", "notified_at", "operation", "tid")

    def __init__(self, tid: int, gate: Gate) -> None:
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


def _condition_init(self: threading.Condition, lock: Any = None) -> None:
    execution = virtual()
    if execution is None:
        _originals["Condition.__init__"](self, lock)
        return
    lock = make_rlock() if lock is None else lock
    self.__dict__["_lock"] = lock
    self.__dict__["acquire"] = lock.acquire
    self.__dict__["release"] = lock.release
    self.__dict__["_waiters"] = []
    name_of(self, "Condition", execution)


def _condition_wait(self: Any, timeout: float | None = None) -> bool:
    execution = virtual()
    if execution is None or not isinstance(self._lock, VirtualLock):
        return bool(_originals["Condition.wait"](self, timeout))
    lock: VirtualLock = self._lock
    if not lock._is_owned():
        raise RuntimeError("cannot wait on un-acquired lock")
    key = name_of(self, "Condition", execution)
    label = _Label(key)
    thread = execution.current
    assert thread is not None
    waiter = _Waiter(thread.tid, lock._gate)
    depth = lock._count

    def park(operation: Operation) -> None:
        operation.accesses = ((key, WRITE), (lock.key, WRITE))
        lock.drop()
        self._waiters.append(waiter)

    def wake(operation: Operation) -> bool:
        lock.take(execution)
        return True

    execution.step(Operation("condition.wait", label, park))
    limit = None if timeout is None else max(timeout, 0.0)
    if limit is not None:
        # Expiry and re-acquisition are two steps; a notified waiter only re-acquires.
        def notice(operation: Operation) -> bool:
            operation.accesses = ((key, READ),) if waiter.notified_at >= 0 else ((key, WRITE),)
            if waiter.notified_at >= 0:
                return True
            operation.note = "expired"
            self._waiters.remove(waiter)
            return False

        woken = bool(
            execution.step(
                Operation("condition.timed_wake", label, notice,
                          lambda: waiter.notified_at >= 0, timeout=limit)
            )
        )
        lock.acquire()
        lock._count = depth
        return woken
    waiter.operation = Operation(
        "condition.wake", label, wake, lambda: waiter.notified_at >= 0 and lock.free(),
        ((lock.key, WRITE),), None, lambda: lock.holder() if waiter.notified_at >= 0 else None,
        None, (lock._gate,),
    )
    if waiter.notified_at >= 0:
        waiter.notify(waiter.notified_at)
    execution.step(waiter.operation)
    lock._count = depth
    return True


def _condition_notify(self: Any, n: int = 1) -> None:
    execution = virtual()
    if execution is None or not isinstance(self._lock, VirtualLock):
        _originals["Condition.notify"](self, n)
        return
    if not self._lock._is_owned():
        raise RuntimeError("cannot notify on un-acquired lock")
    key = name_of(self, "Condition", execution)

    def perform(operation: Operation) -> None:
        operation.accesses = ((key, WRITE),)
        here = len(execution.trace.events) - 1
        for _ in range(min(n, len(self._waiters))):
            waiting = sorted(self._waiters, key=lambda w: w.tid)
            waiter = waiting[execution.choose("notify", len(waiting))]
            waiter.notify(here)
            self._waiters.remove(waiter)

    execution.step(Operation("condition.notify", _Label(key), perform))


def _permits(self: Any) -> list[int]:
    """Return, for every permit that can be taken, the event that gave it (-1: there from the start)."""
    found: list[int] | None = self.__dict__.get("_explorer_permits")
    if found is None:
        found = self.__dict__["_explorer_permits"] = [-1] * self._value
    return found


def _semaphore_init(self: Any, value: int = 1) -> None:
    execution = virtual()
    _originals["Semaphore.__init__"](self, value)
    if execution is not None:
        name_of(self, "Semaphore", execution)


def _semaphore_acquire(self: Any, blocking: bool = True, timeout: float | None = None) -> bool:
    execution = virtual()
    if execution is None:
        return bool(_originals["Semaphore.acquire"](self, blocking, timeout))
    if not blocking and timeout is not None:
        raise ValueError("can't specify timeout for non-blocking acquire")
    key: Any = name_of(self, "Semaphore", execution)
    take, give = (key, "take"), (key, "give")
    gate = (take, "permit")
    sure = blocking and timeout is None

    def perform(operation: Operation) -> bool:
        if self._value == 0:
            operation.accesses = ((take, READ), (give, READ))
            operation.note = "not acquired"
            return False
        # A permit carries the order release before acquire, as an item of a queue does.
        operation.accesses = ((take, WRITE),) if sure else ((take, WRITE), (give, READ))
        operation.opened = (gate,)
        execution.enabled_by(_permits(self).pop(0))
        self._value -= 1
        return True

    def ready() -> bool:
        return bool(self._value > 0)

    kind = "semaphore.acquire" if blocking else "semaphore.try_acquire"
    limit = None if timeout is None else max(timeout, 0.0)
    return bool(
        execution.step(
            Operation(kind, _Label(key), perform, ready if blocking else None, ((take, WRITE),), limit,
                      gate=gate if sure else None)
        )
    )


def _semaphore_release(self: Any, n: int = 1) -> None:
    execution = virtual()
    if execution is None:
        _originals["Semaphore.release"](self, n)
        return
    if n < 1:
        raise ValueError("n must be one or more")
    key: Any = name_of(self, "Semaphore", execution)
    take, give = (key, "take"), (key, "give")
    bound = getattr(self, "_initial_value", None)

    def perform(operation: Operation) -> None:
        operation.accesses = ((give, WRITE),)
        if bound is not None:
            # Whether it is one too many depends on who has acquired.
            operation.accesses = ((give, WRITE), (take, READ))
            operation.opened = ((take, "permit"),) if self._value > 0 else ()
            if self._value + n > bound:
                raise ValueError("Semaphore released too many times")
        _permits(self).extend([len(execution.trace.events) - 1] * n)
        self._value += n

    execution.step(Operation("semaphore.release", _Label(key), perform))


def _event_init(self: Any) -> None:
    execution = virtual()
    if execution is None:
        _originals["Event.__init__"](self)
        return
    self._flag = False
    self._cond = threading.Condition(make_lock())
    name_of(self, "Event", execution)


def _event_set(self: Any) -> None:
    execution = virtual()
    if execution is None:
        _originals["Event.set"](self)
        return
    _flag_operation(self, execution, "event.set", True)


def _event_clear(self: Any) -> None:
    execution = virtual()
    if execution is None:
        _originals["Event.clear"](self)
        return
    _flag_operation(self, execution, "event.clear", False)


def _flag_operation(self: Any, execution: Execution, kind: str, value: bool) -> None:
    key = name_of(self, "Event", execution)

    def perform(operation: Operation) -> None:
        operation.accesses = ((key, READ if self._flag == value else WRITE),)
        if self._flag:
            operation.opened = ((key, "set"),)
        self._flag = value

    execution.step(Operation(kind, _Label(key), perform))


def _event_is_set(self: Any) -> bool:
    execution = virtual()
    if execution is None:
        return bool(self._flag)
    key = name_of(self, "Event", execution)
    return bool(
        execution.step(
            Operation("event.is_set", _Label(key), lambda _: self._flag, accesses=((key, READ),))
        )
    )


def _event_wait(self: Any, timeout: float | None = None) -> bool:
    execution = virtual()
    if execution is None:
        return bool(_originals["Event.wait"](self, timeout))
    key = name_of(self, "Event", execution)
    limit = None if timeout is None else max(timeout, 0.0)
    operation = Operation(
        "event.wait", _Label(key), lambda _: self._flag, lambda: self._flag, ((key, READ),), limit,
        gate=(key, "set") if limit is None else None,
    )
    return bool(execution.step(operation))


#: (class, method, replacement): methods exchanged for the length of an exploration
METHODS: list[tuple[type, str, Any]] = [
    (threading.Condition, "__init__", _condition_init),
    (threading.Condition, "wait", _condition_wait),
    (threading.Condition, "notify", _condition_notify),
    (threading.Semaphore, "__init__", _semaphore_init),
    (threading.Semaphore, "acquire", _semaphore_acquire),
    (threading.Semaphore, "__enter__", _semaphore_acquire),
    (threading.Semaphore, "release", _semaphore_release),
    (threading.BoundedSemaphore, "release", _semaphore_release),
    (threading.Event, "__init__", _event_init),
    (threading.Event, "set", _event_set),
    (threading.Event, "clear", _event_clear),
    (threading.Event, "is_set", _event_is_set),
    (threading.Event, "wait", _event_wait),
]
_originals: dict[str, Any] = {
    f"{cls.__name__}.{name}": cls.__dict__[name] for cls, name, _ in METHODS if name in cls.__dict__
}
#: (module, attribute, replacement)
PATCHES: list[tuple[object, str, Any]] = [
    (threading, "Lock", make_lock),
    (threading, "RLock", make_rlock),
]
