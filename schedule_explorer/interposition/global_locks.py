"""Locks that modules under test made at import: in a module global, in an object there, or in a class.

For the length of an exploration each is exchanged for a proxy. In a virtual thread the proxy is a lock of the
explorer's that every execution makes anew, named after where it was found, not after who takes it first;
anywhere else it is the real one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from types import BuiltinMethodType, FunctionType
from typing import Any

from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.early_attributes import Attribute
from schedule_explorer.interposition.mutexes import HeldLock, LockType, RLockType, VirtualLock, VirtualRLock
from schedule_explorer.operations import WRITE
from schedule_explorer.runtime import Execution

Exchange = tuple[object, str, Any]
#: the kinds of object that may have to be exchanged, or changed
KINDS: tuple[type, ...] = (LockType, RLockType, threading.Condition, BuiltinMethodType)


def _name(lock: HeldLock, module: str, attribute: str) -> None:
    """Name a lock after the place where it is held."""
    key = ("global-lock", module, attribute)
    lock._name.key = (lock.kind, module, attribute)
    lock._gate = (key, "free")
    lock._write = ((key, WRITE),)


class GlobalLock:
    """Stands for a real Lock, found at `attribute` of `module`."""

    __slots__ = ("__weakref__", "_real", "_where")
    kind: type[HeldLock] = VirtualLock

    def __init__(self, real: Any, module: str, attribute: str) -> None:
        self._real = real
        self._where = (module, attribute)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self._real)

    def _lock(self) -> Any:
        execution = virtual()
        return self._real if execution is None else self._of(execution)

    def _of(self, execution: Execution) -> HeldLock:
        locks: dict[tuple[str, str], HeldLock] = execution.state.setdefault("global locks", {})
        found = locks.get(self._where)
        if found is None:
            found = locks[self._where] = self.kind(execution, True)
            _name(found, *self._where)
        return found

    def acquire(self, *arguments: Any, **options: Any) -> Any:
        """As the real one."""
        return self._lock().acquire(*arguments, **options)

    def release(self) -> None:
        """As the real one."""
        self._lock().release()

    def __enter__(self) -> Any:
        return self._lock().__enter__()

    def __exit__(self, *exc: object) -> None:
        self._lock().__exit__(*exc)

    def __repr__(self) -> str:
        return repr(self._lock())

    def __getattr__(self, name: str) -> Any:
        # `locked` is of a Lock alone, `_is_owned` of an RLock alone: what the real one lacks is missing.
        return getattr(self._lock(), name)


class GlobalRLock(GlobalLock):
    """Stands for a real RLock. A condition asks for these three once and keeps them."""

    __slots__ = ()
    kind = VirtualRLock

    def _is_owned(self) -> Any:
        return self._lock()._is_owned()

    def _release_save(self) -> Any:
        return self._lock()._release_save()

    def _acquire_restore(self, saved: Any) -> None:
        self._lock()._acquire_restore(saved)


def _held(lock: Any) -> bool:
    """Say whether somebody holds a real lock: then its state is none that an execution could begin with."""
    if type(lock) is RLockType and lock._is_owned():
        return True
    if not lock.acquire(blocking=False):
        return True
    lock.release()
    return False


def proxy_of(value: Any, module: str, dotted: str, proxies: dict[int, GlobalLock]) -> GlobalLock | None:
    """Return what stands for `value`, made if need be; None when it is no lock, or held by somebody."""
    kind = type(value)
    if kind is not LockType and kind is not RLockType:
        return None
    proxy = proxies.get(id(value))
    if proxy is None and not _held(value):
        stand = GlobalLock if kind is LockType else GlobalRLock
        proxy = proxies[id(value)] = stand(value, module, dotted)
    return proxy


def exchanges(attributes: Iterable[Attribute], proxies: dict[int, GlobalLock]) -> list[Exchange]:
    """Return what to exchange for what; one proxy for each lock, under however many names.

    Arguments:
        proxies: those that there are, by the ``id`` of the lock; it is added to.
    """
    found: list[Exchange] = []
    conditions: list[Any] = []
    for owner, attribute, module, dotted, value in attributes:
        kind = type(value)
        if kind is FunctionType or kind is type or module.startswith("concurrent."):
            continue  # the last exchanged by `futures`
        if kind is BuiltinMethodType:
            # ``acquire = lock.acquire``
            proxy = proxy_of(value.__self__, module, dotted, proxies)
            if proxy is not None:
                found.append((owner, attribute, getattr(proxy, value.__name__)))
            continue
        proxy = proxy_of(value, module, dotted, proxies)
        if proxy is not None:
            found.append((owner, attribute, proxy))
        elif issubclass(kind, threading.Condition):
            conditions.append(value)
    for condition in conditions:
        # Two conditions over one lock go on sharing it.
        shared = proxies.get(id(condition.__dict__.get("_lock")))
        if shared is not None:
            found.append((condition, "_lock", shared))
            found += [
                (condition, name, getattr(shared, name))
                for name in ("acquire", "release", "_release_save", "_acquire_restore", "_is_owned")
                if name in condition.__dict__
            ]
    return found
