"""What a campaign established, in figures that are the same on every run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from schedule_explorer.campaigns.outcome import Outcome
from schedule_explorer.results import Verdict

#: failing and unfinished programs that are kept with their stories
KEPT = 20


@dataclass
class Row:
    """Programs with threads of the same lengths.

    Attributes:
        programs: how many there are.
    """

    programs: int
    proved: int = 0
    failed: int = 0
    unfinished: int = 0
    executions: int = 0
    blocked: int = 0
    histories: int = 0

    @property
    def left(self) -> int:
        """Programs that were not run to an outcome."""
        return self.programs - self.proved - self.failed - self.unfinished


@dataclass
class Report:
    """What a campaign established.

    Arguments:
        head: what was verified: target, options, bounds.
        sizes: how many programs there are, by the lengths of their threads.

    Attributes:
        rows: figures by the lengths of the threads.
        failures: the first failing programs.
        unfinished: the first programs that have neither been proved nor failed.
        first_failure: the first failing program, and the programs and executions up to and with it; None
            where none failed.
        stopped: why the campaign ended before its last program; empty when it did not.
        known: outcomes taken from the journal. With `seconds` and `processes`, a matter of time.
    """

    head: Mapping[str, Any]
    sizes: Mapping[tuple[int, ...], int]
    rows: dict[tuple[int, ...], Row] = field(init=False)
    failures: list[Outcome] = field(default_factory=list)
    unfinished: list[Outcome] = field(default_factory=list)
    first_failure: dict[str, Any] | None = None
    stopped: str = ""
    known: int = 0
    seconds: float = 0.0
    processes: int = 1

    def __post_init__(self) -> None:
        self.rows = {lengths: Row(programs) for lengths, programs in self.sizes.items()}

    def add(self, lengths: tuple[int, ...], outcome: Outcome) -> None:
        """Take in the outcome of the next program."""
        row = self.rows[lengths]
        row.executions += outcome.executions
        row.blocked += outcome.blocked
        row.histories += outcome.histories
        verdict = Verdict(outcome.verdict)
        if verdict is Verdict.PROVED:
            row.proved += 1
        elif verdict is Verdict.FAILED:
            row.failed += 1
            if self.first_failure is None:
                total = self.total
                self.first_failure = {
                    "program": outcome.program, "programs": total.programs - total.left,
                    "executions": total.executions,
                }  # fmt: skip
            if len(self.failures) < KEPT:
                self.failures.append(outcome)
        else:
            row.unfinished += 1
            if len(self.unfinished) < KEPT:
                self.unfinished.append(outcome)

    @property
    def total(self) -> Row:
        """The sum of all rows."""
        together = Row(0)
        for row in self.rows.values():
            for name in vars(together):
                setattr(together, name, getattr(together, name) + getattr(row, name))
        return together

    @property
    def verdict(self) -> Verdict:
        """Proved only when every program of the scope was; failed when one failed."""
        total = self.total
        if total.failed:
            return Verdict.FAILED
        everything = total.proved == total.programs > 0 and not self.stopped
        return Verdict.PROVED if everything else Verdict.UNFINISHED

    @property
    def reason(self) -> str:
        """Why the verdict is not proved; empty when it is."""
        total = self.total
        reasons = []
        if total.failed:
            reasons.append(f"{total.failed} failed, the first {self.failures[0].program!r}: "
                           f"{self.failures[0].reason.splitlines()[0]}")  # fmt: skip
        if total.unfinished:
            first = self.unfinished[0]
            reasons.append(f"{total.unfinished} unfinished, the first {first.program!r}: {first.reason}")
        if self.stopped:
            reasons.append(self.stopped)
        if total.left:
            reasons.append(f"{total.left} of {total.programs} programs were not run to their end")
        return "; ".join(reasons)

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON holds it; ``timing`` is all that may differ from run to run."""
        return {
            **self.head,
            "verdict": self.verdict.value,
            "reason": self.reason,
            **_figures(self.total),
            "sizes": [
                {"threads": len(lengths), "calls": list(lengths), **_figures(row)}
                for lengths, row in self.rows.items()
            ],
            "to_first_failure": self.first_failure,
            "failures": [outcome.as_json() for outcome in self.failures],
            "unfinished_programs": [outcome.as_json() for outcome in self.unfinished],
            "timing": {
                "seconds": round(self.seconds, 1), "processes": self.processes, "from_journal": self.known,
            },
        }  # fmt: skip


def _figures(row: Row) -> dict[str, int]:
    return {**vars(row), "not_run": row.left}
