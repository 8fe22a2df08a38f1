"""What an exploration establishes: a verdict, its reason, and the failures as they can be replayed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from schedule_explorer.reporting.text import explain
from schedule_explorer.runtime import Trace


class Verdict(str, Enum):  # noqa: UP042 - str(Verdict.PROVED) stays "Verdict.PROVED" on 3.11 and later
    """What an exploration established.

    `PROVED`: every schedule that matters was run, without any bound, and none failed. `FAILED`: one failed.
    `UNFINISHED`: neither; the reason says why.
    """

    PROVED = "proved"
    FAILED = "failed"
    UNFINISHED = "unfinished"


@dataclass
class Failure:
    """One failing execution.

    Attributes:
        error: what was raised, or a `DeadlockError` or `LeakedThreadError`.
        schedule: a token in one line: ``replay(body, schedule)`` fails the same way.
        trace: what the execution did.
    """

    error: BaseException
    schedule: str
    trace: Trace
    _again: Callable[[], Trace] | None = field(default=None, repr=False)

    def explain(self) -> str:
        """Tell the execution as columns, one a thread; the token is the last line."""
        if self._again is not None:
            # Source lines are noted in a second run, which only a failure that is looked at is worth.
            self.trace, self._again = self._again(), None
            if self.trace.errors:
                self.error = self.trace.errors[0][1]
        return explain(self.trace, self.error, self.schedule)


@dataclass
class Result:
    """What `explore` found.

    Attributes:
        verdict: see `Verdict`.
        reason: why the verdict is not `PROVED`; empty when it is.
        executions: complete executions; for a finished optimal DPOR the number of Mazurkiewicz traces.
        blocked: executions cut off because every enabled thread slept.
        deadlocks: executions that ended with a thread blocked for ever.
        failing: executions that failed; `failures` keeps the first of them.
        seconds: real time.
    """

    verdict: Verdict = Verdict.UNFINISHED
    reason: str = ""
    executions: int = 0
    blocked: int = 0
    deadlocks: int = 0
    failing: int = 0
    seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)

    @property
    def failure(self) -> Failure | None:
        """The first failure, or None."""
        return self.failures[0] if self.failures else None

    def raise_for_failure(self) -> None:
        """Raise the error of the first failure, with its explanation as a note."""
        if self.failures:
            error = self.failures[0].error
            error.add_note(self.failures[0].explain())
            raise error
