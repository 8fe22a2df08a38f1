"""fcntl: locks on files, and the rest of what it does to descriptors."""

from __future__ import annotations

import fcntl
from typing import Any

from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.descriptors import (
    canonical,
    controlled,
    duplicate,
    touched,
)
from schedule_explorer.interposition.file_steps import BASE, distinct, step
from schedule_explorer.interposition.paths import world_of
from schedule_explorer.operations import READ, WRITE, Access, Key, Operation

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
        result = _real_fcntl(number, cmd, arg)
        if cmd in (fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC):
            result = canonical(execution, result) if arg < BASE else result
            duplicate(execution, operation, number, result)
        return result

    return step("fcntl", number, perform, execution)


_HARMLESS = {fcntl.F_GETFD, fcntl.F_SETFD, fcntl.F_GETFL, fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC}


def _lockf(fd: Any, cmd: int, *arguments: Any) -> Any:
    execution = virtual()
    if execution is None or not controlled(execution, number := number_of(fd)):
        return _real_lockf(fd, cmd, *arguments)

    def perform(operation: Operation) -> Any:
        # Such a lock belongs to the process: threads never wait for each other.
        operation.accesses = distinct(touched(execution, number, READ, None))
        return _real_lockf(number, cmd | (fcntl.LOCK_NB if not cmd & fcntl.LOCK_UN else 0), *arguments)

    return step("lockf", number, perform, execution)


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
    (fcntl, "flock", _flock),
]
