"""What objects are called: keys that are the same in equivalent executions, never an address.

An object made in a virtual thread is named after that thread and its own count of creations. One that was
there before the exploration, or that a module made while it was imported (see `imports`), is named once for
the process; the state it had is put back at the end of every execution. One that was made in an earlier
execution is a body that keeps state: named as an error, because nothing that was learnt about it holds any
more.
"""

from __future__ import annotations

import itertools
from typing import Any

from schedule_explorer.errors import DivergenceError
from schedule_explorer.runtime import Execution

_serial = itertools.count(1)


class Identity:
    """The name of one object: `key` for the explorer, ``str()`` for people.

    Arguments:
        kind: e.g. ``"Event"``.
        execution: in which it is known.
        lasting: it outlives executions.
    """

    __slots__ = ("execution", "key", "lasting")

    def __init__(self, kind: str, execution: Execution, lasting: bool = False) -> None:
        self.key: Any = (kind, -1, next(_serial)) if lasting else (kind, *execution.new_id())
        self.execution = execution
        self.lasting = lasting

    def __str__(self) -> str:
        return f"{self.key[0]} {self.key[1]}.{self.key[2]}"


def identity(instance: Any, kind: str, execution: Execution, make: Any = Identity) -> Any:
    """Return the `Identity` of an object whose class is kept; it is found out on first use if need be."""
    held = instance.__dict__.get("_explorer_id")
    if held is not None and held.execution is execution:
        return held
    if held is None:
        held = make(kind, execution, True)
    elif held.lasting:
        held.execution = execution
    else:
        raise outlived(str(held))
    instance.__dict__["_explorer_id"] = held
    return held


def outlived(name: str) -> DivergenceError:
    """Return the error for an object that was made in one execution and used in a later one."""
    return DivergenceError(
        f"{name} was made in an earlier execution and is used in this one: the body keeps state between "
        "runs; make it in every run, or before the exploration"
    )
