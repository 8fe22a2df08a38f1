"""What every call on files does, whichever it is: announce a step, keep its accesses apart, refuse, and
spoil a proof where the model ends.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable, Collection
from typing import Any

import greenlet

from schedule_explorer.errors import UncontrolledCallError
from schedule_explorer.interposition.faults import perform_or_fault
from schedule_explorer.operations import WRITE, Access, Accesses, Key, Operation
from schedule_explorer.runtime import Execution, current_execution, site_text, user_frames

#: the first descriptor number that executions use
BASE = 256
_LIBRARY = sysconfig.get_path("stdlib") + os.sep


def distinct(accesses: Collection[Access]) -> Accesses:
    """Keep one access a key, the strongest."""
    united: dict[Key, int] = dict(accesses)
    if len(united) == len(accesses):
        return tuple(accesses)
    united.clear()
    for key, mode in accesses:
        old = united.get(key)
        united[key] = mode if old is None or old == mode else WRITE
    return tuple(united.items())


def step(kind: str, path: Any, perform: Callable[[Operation], Any], execution: Execution) -> Any:
    """Announce one file system operation."""
    # The number of a descriptor is the machine's business.
    target = path if type(path) is str else "descriptor" if isinstance(path, int) else os.fsdecode(path)
    # Which keys it touches depends on where the names lead then.
    return perform_or_fault(execution, kind, target, perform)


def is_path(path: Any) -> bool:
    """Say whether a call gets as far as the file system; what else there is raises TypeError for real."""
    return type(path) is str or isinstance(path, (str, bytes, os.PathLike))


def stale(execution: Execution, fd: int) -> None:
    """Note that a descriptor is used that is closed: for real its number may be another file's by now."""
    if fd >= BASE:
        frames = user_frames(sys._getframe(1), 50)
        below = greenlet.getcurrent().parent
        if not frames and below is not None:
            # Within a call on a file object, which runs in a greenlet of its own.
            frames = user_frames(below.gr_frame, 50)
        where = site_text(frames)
        execution.trace.unmodelled.add(
            f"a descriptor that is closed is used at {where}, and numbers are used again for real"
        )


def refuse(what: str) -> None:
    """Stop the exploration: the program does what no schedule would control."""
    execution = current_execution()
    frames = user_frames(sys._getframe(1), 50)
    program = tuple(frame for frame in frames if not frame[0].startswith(_LIBRARY)) or frames
    where = site_text(program)
    error = UncontrolledCallError(f"{what} is not controlled, at {where}: keep it out of the body")
    if execution is not None:
        # A program that swallows the error must not go on to a verdict.
        execution._abort(error)
    raise error
