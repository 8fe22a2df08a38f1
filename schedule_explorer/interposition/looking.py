"""Looking at the objects and files of an execution between two steps, without taking one.

Nothing of the program runs here: an item of a queue is described by its type and, where that type is
Python's own, by its value. Nothing is kept alive: objects are remembered by weak references.
"""

from __future__ import annotations

import os
import queue
import stat as stats
import threading
import weakref
from collections import deque
from collections.abc import Iterable
from types import FunctionType
from typing import Any

from schedule_explorer.interposition.describing import describe
from schedule_explorer.interposition.identity import Identity
from schedule_explorer.interposition.mutexes import HeldLock
from schedule_explorer.interposition.paths import World, real
from schedule_explorer.interposition.simple_queues import SimpleQueue
from schedule_explorer.operations import Operation
from schedule_explorer.runtime import Execution, VirtualThread
from schedule_explorer.shared import SharedVariable
from schedule_explorer.states import FileState, ObjectState, State, ThreadState

#: items of a queue, and names of files, that are told
ITEMS, FILES = 50, 300
_FAMILIES: tuple[tuple[str, Any], ...] = (
    ("lock", HeldLock), ("condition", threading.Condition), ("semaphore", threading.Semaphore),
    ("event", threading.Event), ("queue", (queue.Queue, SimpleQueue)), ("variable", SharedVariable),
)  # fmt: skip
_ORDER = {family: place for place, (family, _) in enumerate(_FAMILIES)}


class Looking:
    """Looks at one execution; it has to look before each operation to know the objects that there are."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        #: by name: (family, place in the order shown, the object)
        self._objects: dict[str, tuple[str, Any, weakref.ref[Any]]] = {}

    def look(self, options: Iterable[int]) -> State:
        """Tell how everything is.

        Arguments:
            options: tids of the threads that can move.
        """
        enabled = set(options)
        threads = tuple(
            _thread(thread, thread.tid in enabled)
            for _, thread in sorted(self._execution.by_tid.items())
        )
        for thread in self._execution.threads:
            if thread.pending is not None:
                self._meet(thread.pending)
        waiting: dict[str, list[int]] = {}
        for state in threads:
            if state.doing == "waits":
                waiting.setdefault(state.target, []).append(state.tid)
        objects = []
        for name, (family, _, reference) in sorted(self._objects.items(), key=lambda item: item[1][1]):
            found = reference()
            if found is not None:
                objects.append(_object(family, name, found, tuple(waiting.get(name, ()))))
        files, more = tree(self._execution)
        return State(threads, tuple(objects), files, more)

    def _meet(self, operation: Operation) -> None:
        """Note the object that an operation is done to, and the lock of a condition."""
        found = subject(operation)
        lock = found.__dict__.get("_lock") if _is(found, threading.Condition) else None
        each: Any
        for each in (found, lock):
            for family, kinds in _FAMILIES:
                if not _is(each, kinds):
                    continue
                identity = each if family == "variable" else _identity(each)
                if identity is not None and str(identity) not in self._objects:
                    key = each._key if family == "variable" else identity.key
                    place = (_ORDER[family], tuple((type(part).__name__, part) for part in key))
                    self._objects[str(identity)] = (family, place, weakref.ref(each))
                break


def subject(operation: Operation) -> object:
    """Return the object that an operation is done to: what its functions are methods of, or name ``self``."""
    function: Any
    for function in (operation.perform, operation.ready):
        owner = getattr(function, "__self__", None)
        if owner is not None:
            return owner
        names = function.__code__.co_freevars if type(function) is FunctionType else ()
        for name in ("self", "queue_"):
            if name in names:
                return function.__closure__[names.index(name)].cell_contents
    return None


def _is(value: object, kinds: Any) -> bool:
    """As ``isinstance``, by the type alone: a lock of the explorer's says that it is another's."""
    return issubclass(type(value), kinds)


def _identity(value: Any) -> Identity | None:
    found = value._name if _is(value, HeldLock) else value.__dict__.get("_explorer_id")
    return found if isinstance(found, Identity) else None


def _thread(thread: VirtualThread, enabled: bool) -> ThreadState:
    operation = thread.pending
    if operation is None:
        return ThreadState(thread.tid, "ended")
    holder = operation.owner() if operation.owner is not None and not enabled else None
    return ThreadState(
        thread.tid, "ready" if enabled else "waits", operation.kind, str(operation.target),
        holder.tid if isinstance(holder, VirtualThread) else None,
    )


def _object(family: str, name: str, found: Any, waiting: tuple[int, ...]) -> ObjectState:
    if family == "lock":
        holder = found.holder()
        value = "free" if not found._held else "held" if found._count < 2 else f"held {found._count} times"
        return ObjectState(family, name, value, holder.tid if holder is not None else None, (), waiting)
    if family == "queue":
        kept = found._items if _is(found, SimpleQueue) else found.__dict__.get("queue")
        if type(kept) not in (list, deque):
            return ObjectState(family, name, "kept in a way of its own", None, (), waiting)
        kept = list(kept)
        value = "empty" if not kept else f"{len(kept)} item{'s' * (len(kept) > 1)}"
        if found.__dict__.get("is_shutdown"):
            value += ", shut down"
        return ObjectState(family, name, value, None, tuple(map(describe, kept[:ITEMS])), waiting)
    if family == "condition":
        # Who has been notified and only lacks the lock is none of its waiters any more.
        waiting = tuple(waiter.tid for waiter in found._waiters)
        value = f"{len(waiting)} waiting" if waiting else "nobody waits"
        return ObjectState(family, name, value, None, (), waiting)
    if family == "semaphore":
        value = f"{found._value} permit{'s' * (found._value != 1)}"
    elif family == "event":
        value = "set" if found._flag else "not set"
    else:
        value = describe(found._value)
    return ObjectState(family, name, value, None, (), waiting)


def tree(execution: Execution) -> tuple[tuple[FileState, ...], int]:
    """List what is below the directory of `fresh_dir`; the second value counts names beyond `FILES`."""
    world: World | None = execution.state.get("files")
    if world is None or not world.root:
        return (), 0
    found: list[FileState] = []
    more = _list(world.root, "", found)
    return tuple(found), more


def _list(directory: str, prefix: str, found: list[FileState]) -> int:
    try:
        with real["scandir"](directory) as scan:
            names = sorted(entry.name for entry in scan)
    except OSError:
        return 0  # the program took away the right to look
    more = 0
    for name in names:
        path = f"{directory}/{name}"
        if len(found) >= FILES:
            more += 1
            continue
        try:
            status = real["lstat"](path)
        except OSError:
            continue
        if stats.S_ISDIR(status.st_mode):
            found.append(FileState(f"{prefix}{name}/", "directory"))
            more += _list(path, f"{prefix}{name}/", found)
        elif stats.S_ISLNK(status.st_mode):
            found.append(FileState(prefix + name, "link", 0, os.fsdecode(real["readlink"](path))))
        elif stats.S_ISREG(status.st_mode):
            found.append(FileState(prefix + name, "file", status.st_size))
        else:
            found.append(FileState(prefix + name, "other"))
    return more
