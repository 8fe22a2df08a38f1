"""threading.Barrier: CPython's own code over the conditions of the explorer.

Only what looks at its state without a lock becomes an operation, and the end of an action, because what the
barrier does next would otherwise belong to the last operation of the action.
"""

from __future__ import annotations

import threading
from typing import Any

from schedule_explorer.interposition.conditions import named
from schedule_explorer.interposition.context import virtual
from schedule_explorer.operations import READ, WRITE, Operation


def _looked(self: Any, kind: str, answer: Any) -> Any:
    execution = virtual()
    if execution is None:
        return answer(self)
    name = named(self._cond, execution)
    lock = self._cond._lock
    # The state changes in steps that take the lock, wake up with it, or notify.
    accesses = ((lock.key, READ), (name.key, READ), ((name.key, "wake"), READ))

    def look(operation: Operation) -> Any:
        if lock.free():
            operation.opened = (lock._gate,)
        return answer(self)

    return execution.step(Operation(kind, name, look, accesses=accesses))


def _n_waiting(self: Any) -> Any:
    return _looked(self, "barrier.n_waiting", _originals["n_waiting"].fget)


def _broken(self: Any) -> Any:
    return _looked(self, "barrier.broken", _originals["broken"].fget)


def _release(self: Any) -> None:
    execution = virtual()
    if execution is None or not self._action:
        _originals["_release"](self)
        return
    action = self._action

    def act() -> None:
        try:
            action()
        finally:
            if not execution.ending:
                name, accesses = named(self._cond, execution), ((self._cond._lock.key, WRITE),)
                execution.step(Operation("barrier.action", name, _nothing, None, accesses))

    self._action = act
    try:
        _originals["_release"](self)
    finally:
        self._action = action


def _nothing(operation: Operation) -> None:
    return None


def _repr(self: Any) -> str:
    cls = type(self)
    waiting = self._count if self._state == 0 else 0
    shown = "broken" if self._state == -2 else f"waiters={waiting}/{self._parties}"
    return f"<{cls.__module__}.{cls.__qualname__} at {id(self):#x}: {shown}>"


METHODS: list[tuple[type, str, Any]] = [
    (threading.Barrier, "n_waiting", property(_n_waiting)),
    (threading.Barrier, "broken", property(_broken)),
    (threading.Barrier, "_release", _release),
    (threading.Barrier, "__repr__", _repr),
]
_originals: dict[str, Any] = {name: vars(cls)[name] for cls, name, _ in METHODS}
