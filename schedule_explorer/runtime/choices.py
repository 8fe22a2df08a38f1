"""What an execution asks, and whom: the one place where a strategy and the runtime meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from schedule_explorer.runtime.execution import Execution


@dataclass(slots=True)
class Choice:
    """A point at which something is decided.

    `kind` is ``"thread"`` (options are tids, ascending) or the name of another choice, e.g.
    ``"notify"`` (options are 0..n-1). `execution` gives access to pending operations.
    """

    kind: str
    options: list[int]
    execution: Execution


class Chooser(Protocol):
    """What an execution needs of a strategy."""

    def choose(self, choice: Choice) -> int | None:
        """Return one of ``choice.options``, or None to cut the execution off here."""
