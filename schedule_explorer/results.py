"""What an exploration establishes: a verdict, its reason, and the failures as they can be replayed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from schedule_explorer.errors import ExplorerError
from schedule_explorer.reporting.text import explain
from schedule_explorer.runtime import Trace
from schedule_explorer.states import State


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
    _watch: Callable[[], tuple[Trace, dict[int, State]]] | None = field(default=None, repr=False)
    _states: dict[int, State] = field(default_factory=dict, repr=False)
    _why_not: str = field(default="the body was not run again", repr=False)

    def explain(self) -> str:
        """Tell the execution as columns, one a thread; the token is the last line."""
        if self._again is not None:
            # Source lines are noted in a second run, which only a failure that is looked at is worth.
            self._noted(self._again())
        return explain(self.trace, self.error, self.schedule)

    def watch(self) -> None:
        """Run the execution once more, unless it was done, and note how everything is after each step.

        `html` does it; it is for those whose body runs in surroundings that will be gone by then. Where the
        body does something else this time, there will be no states.
        """
        watch, self._watch = self._watch, None
        if watch is None:
            return
        try:
            trace, self._states = watch()
        except ExplorerError as error:
            self._why_not = f"{type(error).__name__}: {error}"
        else:
            self._noted(trace)

    def html(self, command: str = "") -> str:
        """Tell the execution as a page: one file that needs no other and no network.

        Lanes of the threads with happens-before as arrows, and for every step its source line and the state
        of locks, queues and files, for which the body is run once more. Where that does not repeat, the page
        has the steps without the state, and says why.

        Arguments:
            command: a line for the shell that replays it; shown with the token.
        """
        from schedule_explorer.reporting.html.failure import failure_page

        self.watch()
        return failure_page(self.trace, self.error, self.schedule, self._states, self._why_not, command)

    def write_html(self, path: str | os.PathLike[str], command: str = "") -> None:
        """Write the page of `html` to a file; the file is whole or is not there.

        Raises:
            OSError: it cannot be written.
        """
        from schedule_explorer.reporting.html.pages import write

        write(self.html(command), path)

    def _noted(self, trace: Trace) -> None:
        self.trace, self._again = trace, None
        if trace.errors:
            self.error = trace.errors[0][1]


@dataclass
class Result:
    """What `explore` found.

    Attributes:
        verdict: see `Verdict`.
        reason: why the verdict is not `PROVED`; empty when it is.
        executions: complete executions; for a finished optimal DPOR the number of Mazurkiewicz traces.
        blocked: executions cut off because every enabled thread slept.
        deadlocks: executions that ended with a thread blocked for ever.
        failing: executions that failed; `failures` keeps the first of them, and where the exploration ended
            with it, in the schedule with the fewest switches that was found (see `shortest`).
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
