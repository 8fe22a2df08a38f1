"""The figures of a stress loop, as numbers, as JSON and as a line."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from schedule_explorer.campaigns.stress.statistics import interval, percent

#: why a loop ended, and how to say it
ENDED = {
    "": "nothing yet", "runs": "the bound on runs", "time": "the time limit", "failure": "the first failure",
    "hang": "a run that hangs", "interrupted": "Ctrl-C",
}  # fmt: skip


@dataclass
class Figures:
    """What a loop has counted so far.

    Attributes:
        target: its name.
        options: what it was made with.
        amplifiers: their names.
        seed: draws programs and pauses.
        scope: what the programs are taken from: one program in its one-line form, or bounds.
        possible: programs in that scope.
        programs: different ones that were run.
        runs: complete ones, a failed one included.
        failures: runs that failed.
        symptoms: how often each was met; a run may have several.
        files: what was written about failures.
        seconds: real time.
        ended: why: ``"runs"``, ``"time"``, ``"failure"``, ``"hang"`` or ``"interrupted"``.
        first: the first symptom that was met, with its story.
    """

    target: str
    options: dict[str, Any] = field(default_factory=dict)
    amplifiers: tuple[str, ...] = ()
    seed: int = 0
    scope: str = ""
    possible: int = 1
    programs: int = 0
    runs: int = 0
    failures: int = 0
    symptoms: Counter[str] = field(default_factory=Counter)
    files: list[str] = field(default_factory=list)
    seconds: float = 0.0
    ended: str = ""
    first: str = ""

    @property
    def rate(self) -> float:
        """Failures per run; 0 where there was none."""
        return self.failures / self.runs if self.runs else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Bounds of the rate, with a confidence of 95 %."""
        return interval(self.failures, self.runs)

    @property
    def per_second(self) -> float:
        """Runs per second."""
        return self.runs / self.seconds if self.seconds else 0.0

    def line(self) -> str:
        """Return runs, failures, rate with its interval, and speed."""
        low, high = self.interval
        return (
            f"{self.runs} runs, {self.failures} failed: {percent(self.rate)} "
            f"({percent(low)} to {percent(high)}), {self.per_second:.0f}/s"
        )

    def told(self) -> str:
        """Return several lines: the first failure, the symptoms, the figures, and what can be done next."""
        lines = [f"the first failure: {self.first}", ""] if self.first else []
        lines += [f"  {count} with {name}" for name, count in sorted(self.symptoms.items())]
        covered = "" if self.possible == 1 else f"; {self.programs} of {self.possible} programs"
        lines.append(f"{self.line()}{covered}; ended by {ENDED[self.ended]}")
        if self.files:
            lines.append(f"find a schedule of it: schedule-explorer hunt --from {self.files[0]}")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON holds it; the package says what each field is. Times are apart."""
        low, high = self.interval
        return {
            "target": self.target, "options": self.options, "amplifiers": list(self.amplifiers),
            "seed": self.seed, "scope": self.scope, "possible": self.possible, "programs": self.programs,
            "runs": self.runs, "failures": self.failures, "rate": self.rate, "low": low, "high": high,
            "symptoms": dict(sorted(self.symptoms.items())), "files": self.files, "ended": self.ended,
            "first": self.first,
            "timing": {"seconds": round(self.seconds, 3), "per_second": round(self.per_second, 1)},
        }  # fmt: skip
