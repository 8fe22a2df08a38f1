"""What became of one program, and within which limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Limits:
    """How much one program may take.

    Arguments:
        seconds: real time; None: no limit.
        executions: complete executions; None: no limit.
    """

    seconds: float | None = None
    executions: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of one program. All of it but `seconds` is the same on every run.

    Attributes:
        program: its one-line text.
        verdict: ``"proved"``, ``"failed"`` or ``"unfinished"``.
        reason: why it is not proved.
        executions: complete executions.
        blocked: executions cut off because every enabled thread slept.
        histories: histories that were checked.
        schedule: of a failure, the token that replays it.
        explanation: of a failure, the story.
        seconds: real time that it took.
    """

    program: str
    verdict: str
    reason: str = ""
    executions: int = 0
    blocked: int = 0
    histories: int = 0
    schedule: str = ""
    explanation: str = ""
    seconds: float = field(default=0.0, compare=False)

    def as_json(self) -> dict[str, Any]:
        """Return everything but the time, as JSON holds it; what is empty is left out."""
        fields = {name: getattr(self, name) for name in _FIELDS}
        return {name: value for name, value in fields.items() if value != "" or name == "program"}

    @classmethod
    def from_json(cls, found: dict[str, Any], seconds: float) -> Outcome:
        """Make an outcome of what `as_json` returned.

        Raises:
            TypeError: it is something else.
        """
        return cls(**found, seconds=seconds)


_FIELDS = (
    "program", "verdict", "reason", "executions", "blocked", "histories", "schedule", "explanation",
)  # fmt: skip
