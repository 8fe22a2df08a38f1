"""A check of what operations declare: the gates that were open before them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from schedule_explorer.errors import ExplorerError
from schedule_explorer.operations import Operation, dependent
from schedule_explorer.runtime import Execution


@contextmanager
def gates_declared() -> Iterator[None]:
    """Hold every step to its gates while the block runs.

    A step that a waiting operation conflicts with on the resource that it waits for must say that the gate
    was open before it, if it was: else the race of the two is lost.
    """
    real = Execution._perform

    def perform(self: Execution, thread: Any, operation: Operation) -> Any:
        waiting = [
            (other.name, pending) for other in self.threads
            if other is not thread and (pending := other.pending) is not None
            and pending.gate is not None and pending.ready is not None and pending.ready()
        ]  # fmt: skip
        try:
            return real(self, thread, operation)
        finally:
            for name, pending in [] if self.ending else waiting:
                key = pending.gate[0]
                mine = [access for access in operation.accesses if access[0] == key]
                theirs = [access for access in pending.accesses if access[0] == key]
                if dependent(mine, theirs) and pending.gate not in operation.opened:
                    raise ExplorerError(f"{operation} does not say that {pending} of {name} could have run")

    Execution._perform = perform  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        Execution._perform = real  # type: ignore[method-assign]
