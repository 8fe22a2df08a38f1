"""What an object that belongs to an execution does where no virtual thread is: in an oracle, a finalizer."""

from __future__ import annotations

from typing import Any

from schedule_explorer.errors import ExecutionOverError


class _Outside:
    """A condition with nobody else around: notifying does nothing, and a wait would never end."""

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *exc: object) -> None:
        return None

    def notify(self, n: int = 1) -> None:
        """Wake nobody."""

    def notify_all(self) -> None:
        """Wake nobody."""

    def wait(self, timeout: Any = None) -> bool:
        """Say that nobody will come."""
        raise ExecutionOverError("a wait on an object of an execution that is over would never end")

    wait_for = wait


OUTSIDE = _Outside()
