"""A disk that fails or hangs: an input/output call may raise an error, or take an hour.

A body says what may go wrong, before it starts a thread. Before each call that it covers comes a step in
which that is decided, a choice with one outcome more for each declaration, enumerated and recorded in the
token like any other. How often is counted for every virtual thread by itself, so that a fault in one thread
decides nothing in another.

* A call that fails is never begun: it performs nothing and touches nothing.
* A call that hangs is begun late: its thread waits before it like one that sleeps. It can then hang again, or
  fail, if that may happen.

Calls of the interpreter and the standard library that run as part of another step (a lock of theirs is held)
have no faults.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from schedule_explorer.interposition.context import virtual
from schedule_explorer.operations import Operation
from schedule_explorer.runtime import Execution, VirtualThread

#: operations that can fail by themselves: what they would do is then not begun
FAILING = frozenset((
    "access", "chmod", "fdatasync", "fstat", "fsync", "ftruncate", "link", "listdir", "mkdir", "open",
    "pread", "pwrite", "pwritev", "read", "readlink", "readv", "rename", "replace", "rmdir", "scandir",
    "stat", "symlink", "tensors.create", "tensors.open", "truncate", "unlink", "utime", "write", "writev",
))  # fmt: skip
#: operations that can hang: nor does what follows a tensor file's making return early
HANGING = FAILING | {"tensors.complete"}


@dataclass(frozen=True)
class Fault:
    """What may go wrong.

    Arguments:
        kinds: operations it may happen to, as an explanation names them: ``"mkdir"``, ``"tensors.create"``.
        code: the errno that the call fails with; 0: it hangs.
        seconds: virtual time that a hanging call takes.
        thread: name of the threads it may happen in; None: in every thread.
        at_most: times that it may happen in one thread.

    Raises:
        ValueError: a value is out of range, or an operation cannot go wrong.
    """

    kinds: frozenset[str]
    code: int = 0
    seconds: float = 3600.0
    thread: str | None = None
    at_most: int = 1

    def __post_init__(self) -> None:
        known = FAILING if self.code else HANGING
        if unknown := sorted(self.kinds - known):
            raise ValueError(
                f"{', '.join(unknown)} cannot {'fail' if self.code else 'hang'}: take some of "
                f"{', '.join(sorted(known))}"
            )
        if not self.kinds:
            raise ValueError("no operation is named: say what may go wrong")
        if self.code and self.code not in errno.errorcode:
            raise ValueError(f"{self.code} is no errno of this system")
        if not self.seconds > 0 or self.at_most < 1:
            raise ValueError(f"seconds is {self.seconds} and at_most {self.at_most}: give more than 0")


def may_fail(code: int, kinds: Iterable[str], *, thread: str | None = None, at_most: int = 1) -> None:
    """Let calls fail from now on, in every execution of this body.

    Arguments:
        code: the errno, e.g. `errno.ENOSPC`.
        kinds, thread, at_most: see `Fault`.

    Raises:
        ValueError: see `Fault`.
        RuntimeError: outside of an exploration, or after a thread was started.
    """
    declare(Fault(frozenset(kinds), code, thread=thread, at_most=at_most))


def may_hang(
    kinds: Iterable[str], *, seconds: float = 3600.0, thread: str | None = None, at_most: int = 1
) -> None:
    """Let calls return only after `seconds` of virtual time; otherwise as `may_fail`."""
    declare(Fault(frozenset(kinds), 0, seconds, thread, at_most))


def declare(fault: Fault) -> None:
    """Let one fault happen.

    Raises:
        RuntimeError: outside of an exploration, or after a thread was started, for which it would come
            sooner in one schedule than in another.
    """
    execution = virtual()
    if execution is None:
        raise RuntimeError("faults are declared by a body under explore()")
    if len(execution.threads) > 1:
        raise RuntimeError("declare what may fail before the body starts a thread")
    execution.state.setdefault("faults", []).append(fault)


def perform_or_fault(
    execution: Execution, kind: str, target: str, perform: Callable[[Operation], Any]
) -> Any:
    """Announce an operation that may go wrong.

    Returns:
        What `perform` returned.

    Raises:
        OSError: it failed, in earnest or by a fault.
    """
    thread = execution.current
    declared: list[Fault] = execution.state.get("faults", [])
    if not declared or thread is None or thread.atomic:
        return execution.step(Operation(kind, target, perform, steady=False))
    while possible := _possible(execution, thread, declared, kind):
        fault = execution.step(Operation("fault", f"{kind} {target}", _decision(execution, possible)))
        if fault is None:
            break
        _spend(execution, thread, fault)
        if fault.code:
            raise OSError(fault.code, os.strerror(fault.code), target)
        execution.step(Operation("hang", f"{kind} {target}", _nothing, _never, timeout=fault.seconds))
        thread.poll, thread.poll_frames = None, []
    return execution.step(Operation(kind, target, perform, steady=False))


def _decision(execution: Execution, possible: list[Fault]) -> Callable[[Operation], Fault | None]:
    """Return the step in which it is decided what goes wrong, if anything does.

    It is a step of its own, which touches nothing whatever comes out. Were it part of the call, a failing
    call, which commutes with everything, would hide that the same call commutes with nothing if it works.
    """

    def decide(operation: Operation) -> Fault | None:
        chosen = execution.choose("fault", 1 + len(possible))
        fault = possible[chosen - 1] if chosen else None
        operation.note = "works" if fault is None else errno.errorcode[fault.code] if fault.code else "hangs"
        return fault

    return decide


def _spent(execution: Execution, thread: VirtualThread) -> dict[Fault, int]:
    spent: dict[int, dict[Fault, int]] = execution.state.setdefault("faults spent", {})
    return spent.setdefault(thread.tid, {})


def _possible(execution: Execution, thread: VirtualThread, declared: list[Fault], kind: str) -> list[Fault]:
    spent = _spent(execution, thread)
    return [
        fault for fault in declared
        if kind in fault.kinds and fault.thread in (None, thread.name)
        and spent.get(fault, 0) < fault.at_most
    ]  # fmt: skip


def _spend(execution: Execution, thread: VirtualThread, fault: Fault) -> None:
    spent = _spent(execution, thread)
    spent[fault] = spent.get(fault, 0) + 1
    # What may happen has changed: a polling loop that met a fault is not where it was.
    thread.poll = None


def _nothing(operation: Operation) -> None:
    return None


def _never() -> bool:
    return False
