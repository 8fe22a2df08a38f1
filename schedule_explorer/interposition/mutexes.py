"""What a Lock and an RLock are in a virtual thread."""

from __future__ import annotations

import _thread
import threading
from typing import Any

from schedule_explorer.errors import ExecutionOverError
from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.identity import Identity, outlived
from schedule_explorer.operations import READ, WRITE, Key, Operation
from schedule_explorer.runtime import Execution, VirtualThread

real_lock: Any = _thread.allocate_lock
real_rlock: Any = threading.RLock
LockType: Any = _thread.LockType
RLockType: Any = _thread.RLock


def check_wait(blocking: Any, timeout: Any) -> None:
    """Raise just what a real lock raises for these arguments of ``acquire``."""
    real_lock().acquire(blocking, timeout)


def limit_of(timeout: Any) -> float:
    """Return the seconds a wait lasts; below the clock's grain it would not move the clock at all."""
    return max(float(timeout), 1e-9)


def wait_limit(timeout: Any) -> float:
    """Return the seconds that a wait on a condition lasts, 0 when it only looks; raises as that does."""
    if timeout > 0:
        check_wait(True, timeout)
        return limit_of(timeout)
    return 0.0


def hard(execution: Execution, limit: float | None) -> bool:
    """Say whether a wait ends only when satisfied, as long as anything else can run.

    It then takes part in races through its gate. A timed wait does so in ``quiet`` mode, where its expiry
    comes after everything else.
    """
    return limit is None or (limit > 0 and execution.timeouts == "quiet")


class HeldLock:
    """What a Lock and an RLock have in common: they are free, or held by one thread."""

    __slots__ = (
        "__weakref__", "_count", "_execution", "_gate", "_held", "_lasting", "_name", "_owner", "_write"
    )
    kind = ""
    reentrant = False
    #: what a release raises that is none
    refusal = "release unlocked lock"

    def __init__(self, execution: Execution, lasting: bool = False) -> None:
        self._name = name = Identity(self.kind, execution, lasting)
        self._gate = (name.key, "free")
        self._write = ((name.key, WRITE),)
        self._execution = execution
        self._lasting = lasting
        self._owner: VirtualThread | None = None
        self._count = 0
        self._held = False

    @property
    def key(self) -> Key:
        """What operations on this lock access."""
        key: Key = self._gate[0]
        return key

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

    def enter(self, execution: Execution) -> None:
        """Belong to the present execution."""
        if not self._lasting:
            raise outlived(str(self._name))
        self._execution = execution
        self.drop()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As the real one; a timed acquire that is not satisfied may expire."""
        if blocking is not True or timeout != -1:
            check_wait(blocking, timeout)
        execution = virtual()
        if execution is None:
            return self._acquire_outside(blocking, timeout)
        if execution is not self._execution:
            self.enter(execution)
        if self.reentrant and self._owner is execution.current:
            self._count += 1
            return True
        if not blocking or timeout == 0:
            operation = Operation("lock.try_acquire", self._name, self._perform)
        elif timeout == -1:
            operation = Operation(
                "lock.acquire", self._name, self._perform, self.free, self._write, None, self.holder,
                self._gate,
            )
        else:
            limit = limit_of(timeout)
            operation = Operation(
                "lock.acquire", self._name, self._perform, self.free, self._write, limit, self.holder,
                self._gate if hard(execution, limit) else None,
            )
        return execution.step(operation)  # type: ignore[no-any-return]

    def _perform(self, operation: Operation) -> bool:
        if self._held:
            operation.accesses = ((self._gate[0], READ),)
            operation.note = "not acquired"
            return False
        operation.accesses, operation.opened = self._write, (self._gate,)
        self.take(self._execution)
        return True

    def _acquire_outside(self, blocking: bool, timeout: float) -> bool:
        """Acquire where no virtual thread is: in a finalizer after the end, say."""
        if not self._held:
            self._held, self._count = True, 1
            return True
        if self.reentrant:
            self._count += 1
            return True
        if not blocking or timeout >= 0:
            return False
        raise ExecutionOverError(f"{self._name} belongs to an execution that is over")

    def _release(self, operation: Operation) -> None:
        if not self._held:
            operation.accesses, operation.opened = ((self._gate[0], READ),), (self._gate,)
            raise RuntimeError(self.refusal)
        operation.accesses = self._write
        self.drop()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc: object) -> None:
        self.release()

    def release(self) -> None:
        """As the real one: a Lock any thread may release, an RLock its owner alone."""
        execution = virtual()
        if execution is None or execution.ending:
            if not self._held and execution is None:
                raise RuntimeError(self.refusal)
            self._count -= 1
            if self._count <= 0:
                self.drop()
            return
        if self.reentrant:
            if self._owner is not execution.current or execution is not self._execution:
                raise RuntimeError(self.refusal)
            if self._count > 1:
                self._count -= 1
                return
        elif execution is not self._execution:
            self.enter(execution)
        execution.step(Operation("lock.release", self._name, self._release))

    def _at_fork_reinit(self) -> None:
        self.drop()


class VirtualLock(HeldLock):
    """`threading.Lock` in a virtual thread."""

    __slots__ = ()
    kind = "Lock"

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return LockType

    def __repr__(self) -> str:
        return f"<{'locked' if self._held else 'unlocked'} _thread.lock object at {id(self):#x}>"

    def locked(self) -> bool:
        """Say whether somebody holds it."""
        execution = virtual()
        if execution is None:
            return self._held
        if execution is not self._execution:
            self.enter(execution)

        def perform(operation: Operation) -> bool:
            operation.opened = () if self._held else (self._gate,)
            return self._held

        return execution.step(  # type: ignore[no-any-return]
            Operation("lock.locked", self._name, perform, accesses=((self._gate[0], READ),))
        )

    acquire_lock = HeldLock.acquire
    release_lock = HeldLock.release
    locked_lock = locked


class VirtualRLock(HeldLock):
    """`threading.RLock` in a virtual thread. Its owner alone decides what only its owner sees."""

    __slots__ = ()
    kind = "RLock"
    reentrant = True
    refusal = "cannot release un-acquired lock"

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return RLockType

    def __repr__(self) -> str:
        owner = self._owner.ident if self._owner is not None else 0
        return (
            f"<{'locked' if self._held else 'unlocked'} _thread.RLock object owner={owner} "
            f"count={self._count} at {id(self):#x}>"
        )

    def _is_owned(self) -> bool:
        execution = virtual()
        if execution is None:
            return self._held
        return self._held and self._owner is execution.current

    def _recursion_count(self) -> int:
        return self._count if self._is_owned() else 0

    def _release_save(self) -> tuple[int, int]:
        if not self._count:
            raise RuntimeError(self.refusal)
        saved = (self._count, self._owner.ident if self._owner is not None else 0)
        self._count = 1
        self.release()
        return saved

    def _acquire_restore(self, saved: tuple[int, int]) -> None:
        self.acquire()
        self._count = saved[0]
