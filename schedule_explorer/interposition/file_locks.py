"""fcntl: locks on files, and the rest of what it does to descriptors.

There are three kinds of lock. ``flock`` and the locks of an open file description (``F_OFD_SETLK``) are
dropped with the last descriptor of their description; both write the key of the inode's locks, as does the
close that drops one. POSIX locks belong to the process: threads never meet in them, so they write nothing,
and their order is not explored. Only a lock of a description can meet one: a program that mixes the two is
not proved.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable
from typing import Any

from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.descriptors import (
    canonical,
    controlled,
    duplicate,
    touched,
)
from schedule_explorer.interposition.file_steps import BASE, distinct, refuse, step
from schedule_explorer.interposition.paths import inode_id, real, world_of
from schedule_explorer.operations import READ, WRITE, Access, Key, Operation
from schedule_explorer.runtime import Execution, site_text, user_frames

_real_fcntl: Any = fcntl.fcntl
_real_flock: Any = fcntl.flock
_real_lockf: Any = fcntl.lockf


def number_of(file: Any) -> Any:
    """Return the descriptor of what `fcntl` takes: a number, or something with a fileno."""
    if isinstance(file, int) or not hasattr(file, "fileno"):
        return file
    record = getattr(file, "_explorer", None)
    return record.fd if record is not None else file.fileno()


def _fcntl(fd: Any, cmd: int, arg: Any = 0) -> Any:
    execution = virtual()
    if execution is None or not controlled(execution, number := number_of(fd)):
        return _real_fcntl(fd, cmd, arg)

    def perform(operation: Operation) -> Any:
        accesses = touched(execution, number, WRITE, WRITE if cmd not in _HARMLESS else None)
        operation.accesses = distinct(accesses)
        if cmd in _OF_DESCRIPTION:
            lock, mode = _of_description(execution, number, cmd)
            operation.accesses = distinct([*touched(execution, number, WRITE, None), (lock, mode)])
            try:
                result = _try(cmd in _WAITING, lambda: _real_fcntl(number, _WAITING.get(cmd, cmd), arg))
            except OSError:
                operation.accesses = distinct([*touched(execution, number, READ, None), (lock, READ)])
                raise
            if cmd != _OF_DESCRIPTION[0]:
                world_of(execution).descriptors[number].locked = True
            return result
        if cmd in _OF_PROCESS:
            _note_kind(execution, number, "POSIX")
        result = _try(cmd in _WAITING, lambda: _real_fcntl(number, _WAITING.get(cmd, cmd), arg))
        if cmd in (fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC):
            result = canonical(execution, result) if arg < BASE else result
            duplicate(execution, operation, number, result)
        return result

    return step("fcntl", number, perform, execution)


#: commands on the locks of a description, the one that only looks first; and on those of the process
_OF_DESCRIPTION = [
    getattr(fcntl, name) for name in ("F_OFD_GETLK", "F_OFD_SETLK", "F_OFD_SETLKW") if hasattr(fcntl, name)
]
_OF_PROCESS = (fcntl.F_GETLK, fcntl.F_SETLK, fcntl.F_SETLKW)
#: commands that wait, with those that do not
_WAITING = {fcntl.F_SETLKW: fcntl.F_SETLK}
if _OF_DESCRIPTION:
    _WAITING[_OF_DESCRIPTION[2]] = _OF_DESCRIPTION[1]
_HARMLESS = {fcntl.F_GETFD, fcntl.F_SETFD, fcntl.F_GETFL, fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC}


def _of_description(execution: Execution, fd: int, cmd: int) -> Access:
    """Return what a call on the locks of a description accesses besides the file."""
    description = world_of(execution).descriptors.get(fd)
    if description is None:
        real["fstat"](fd)  # says so when it is closed
        refuse("a lock of a file that was opened before the exploration")
    assert description is not None
    _note_kind(execution, fd, "description")
    return ("flock", description.inode), READ if cmd == _OF_DESCRIPTION[0] else WRITE


def _note_kind(execution: Execution, fd: int, kind: str) -> None:
    """Spoil the proof where both kinds of lock are used on one file."""
    try:
        inode = inode_id(execution, real["fstat"](fd))
    except OSError:
        return
    kinds: set[str] = execution.state.setdefault("record locks", {}).setdefault(inode, set())
    kinds.add(kind)
    if len(kinds) > 1:
        where = site_text(user_frames(sys._getframe(1), 50))
        execution.trace.unmodelled.add(f"POSIX locks and F_OFD_SETLK are used on one file, at {where}")


def _try(waits: bool, call: Callable[[], Any]) -> Any:
    """Take a lock without waiting for it; where the program would wait, nothing could be explored."""
    try:
        return call()
    except (BlockingIOError, PermissionError):
        if waits:
            refuse("waiting for a lock of fcntl or lockf")
        raise


def _lockf(fd: Any, cmd: int, *arguments: Any) -> Any:
    execution = virtual()
    if execution is None or not controlled(execution, number := number_of(fd)):
        return _real_lockf(fd, cmd, *arguments)

    def perform(operation: Operation) -> Any:
        # Such a lock belongs to the process: threads never wait for each other.
        operation.accesses = distinct(touched(execution, number, READ, None))
        _note_kind(execution, number, "POSIX")
        takes = not cmd & fcntl.LOCK_UN
        now = cmd | (fcntl.LOCK_NB if takes else 0)
        return _try(takes and not cmd & fcntl.LOCK_NB, lambda: _real_lockf(number, now, *arguments))

    return step("lockf", number, perform, execution)


def _os_lockf(fd: Any, command: int, length: int, /) -> Any:
    execution = virtual()
    if execution is None or not controlled(execution, fd):
        return real["lockf"](fd, command, length)

    def perform(operation: Operation) -> Any:
        operation.accesses = distinct(touched(execution, fd, READ, None))
        _note_kind(execution, fd, "POSIX")
        waits = command == os.F_LOCK
        return _try(waits, lambda: real["lockf"](fd, os.F_TLOCK if waits else command, length))

    return step("lockf", fd, perform, execution)


def _flock(fd: Any, operation: int) -> None:
    execution = virtual()
    number = number_of(fd) if execution is not None else fd
    if execution is None or not controlled(execution, number):
        return _real_flock(fd, operation)  # type: ignore[no-any-return]
    world = world_of(execution)
    description = world.descriptors.get(number)
    kind = operation & (fcntl.LOCK_SH | fcntl.LOCK_EX)
    open_file: Access = (("descriptor", number), READ)
    if description is None or not (kind or operation & fcntl.LOCK_UN):

        def refuse(op: Operation) -> None:
            op.accesses = (open_file,)
            _real_flock(number, operation | fcntl.LOCK_NB)

        return step("flock", number, refuse, execution)  # type: ignore[no-any-return]
    key: Key = ("flock", description.inode)
    gates = ((key, "exclusive"), (key, "shared"))
    holders = world.locks.setdefault(description.inode, {})

    def free(wanted: int = kind) -> bool:
        if world.descriptors.get(number) is not description:
            return True
        return not holders if wanted == fcntl.LOCK_EX else fcntl.LOCK_EX not in holders.values()

    def note(op: Operation) -> None:
        kinds = (fcntl.LOCK_EX, fcntl.LOCK_SH)
        op.opened = tuple(gate for gate, wanted in zip(gates, kinds, strict=True) if free(wanted))

    def unlock(op: Operation) -> None:
        op.accesses = (open_file, (key, WRITE))
        note(op)
        _real_flock(number, fcntl.LOCK_UN)
        holders.pop(description, None)

    def lock(op: Operation) -> None:
        note(op)
        granted = free()
        op.accesses = (open_file, (key, WRITE if granted else READ))
        # The refusal of LOCK_NB is the real one; so is that of a descriptor which was closed.
        _real_flock(number, kind | fcntl.LOCK_NB)
        if granted:
            holders[description] = kind

    if operation & fcntl.LOCK_UN or description in holders:
        # A lock is changed by dropping it first: others may come in between.
        step("flock.release", number, unlock, execution)
        if operation & fcntl.LOCK_UN:
            return None
    if operation & fcntl.LOCK_NB:
        return step("flock.try_acquire", number, lock, execution)  # type: ignore[no-any-return]
    return execution.step(Operation(  # type: ignore[no-any-return]
        "flock.acquire", "descriptor", lock, free, ((key, WRITE), (open_file[0], READ)),
        gate=gates[0 if kind == fcntl.LOCK_EX else 1], steady=False,
    ))


PATCHES: list[tuple[object, str, Any]] = [
    (fcntl, "fcntl", _fcntl),
    (fcntl, "lockf", _lockf),
    (os, "lockf", _os_lockf),
    (fcntl, "flock", _flock),
]
