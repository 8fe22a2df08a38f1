"""Who runs next. One protocol, one file each; the loop that runs executions is `exploration`."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from schedule_explorer.runtime import Choice, Trace

__all__ = ["Strategy"]


@runtime_checkable
class Strategy(Protocol):
    """Decides every choice of a sequence of executions.

    `exhaustive` says that the strategy covers the whole space when `begin` returns False.
    """

    @property
    def exhaustive(self) -> bool:
        """Whether nothing is left out when it ends."""

    def begin(self) -> bool:
        """Prepare the next execution; False when there is none left."""

    def choose(self, choice: Choice) -> int | None:
        """Return one of ``choice.options``, or None to cut the execution off."""

    def finish(self, trace: Trace) -> None:
        """Learn from the execution that has just ended."""
