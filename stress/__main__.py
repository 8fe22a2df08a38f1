"""The table of `make stress`. Exit code: 1 when something failed that should not, 2 when it was interrupted.

The JSON: ``stress_table`` is 1; a row has what `schedule_explorer.campaigns.stress` says of a loop, and
besides ``what`` (what was run), ``disk``, ``fails`` (it is expected to) and ``verdict``.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from schedule_explorer.campaigns.stress import Figures, Programs, Stress, StressProgress, amplifiers, stress
from schedule_explorer.campaigns.stress.statistics import percent
from schedule_explorer.cli_options import output
from schedule_explorer.programs import find, parse
from stress.rows import ROWS, Row

_DISK = Path(".schedule_explorer")
_VERDICTS = {
    (True, True): "fails, as expected", (True, False): "expected to fail, not met",
    (False, True): "FAILED", (False, False): "no failure",
}  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """A row with its figures."""

    row: Row
    figures: Figures

    @property
    def verdict(self) -> str:
        """Say whether it is as it should be."""
        return _VERDICTS[self.row.fails, self.figures.failures > 0]

    @property
    def bad(self) -> bool:
        """Whether it failed, and should not."""
        return self.figures.failures > 0 and not self.row.fails

    def as_json(self) -> dict[str, Any]:
        """Return the figures and the verdict as JSON holds them."""
        return {
            "what": self.row.what, "disk": self.row.disk, "fails": self.row.fails, "verdict": self.verdict,
            **self.figures.as_json(),
        }  # fmt: skip


def measure(row: Row, seconds: float, seed: int, console: Console) -> Measured:
    """Run the loop of a row.

    Arguments:
        seconds: that it takes.
        console: where progress goes.
    """
    options = dict(row.options) | amplifiers.options(row.amplifiers)
    _DISK.mkdir(exist_ok=True)
    how = Stress(
        None, seconds, amplifiers=row.amplifiers, seed=seed, directory=_DISK if row.disk else None,
        files=_DISK / "stress",
    )  # fmt: skip
    programs = Programs(parse(row.program) if row.program else None)
    progress = StressProgress(console)
    figures = stress(
        find(row.target, **options), programs, how, name=row.target, options=options, progress=progress
    )
    return Measured(row, figures)


def table(measured: list[Measured]) -> Table:
    """Make the table that is printed."""
    made = Table("target", "what", "amplifiers", "runs", "failed", "rate", "95 %", "runs/s", "verdict")
    for one in measured:
        figures, (low, high) = one.figures, one.figures.interval
        made.add_row(
            one.row.target, one.row.what, ",".join(figures.amplifiers) or "none", str(figures.runs),
            str(figures.failures), percent(figures.rate), f"{percent(low)} to {percent(high)}",
            f"{figures.per_second:.0f}", one.verdict,
        )  # fmt: skip
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run the loops, print the table, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m stress", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each loop")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", metavar="TARGET", help="the rows of this target")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(arguments)
    rows = [row for row in ROWS if given.only in ("", row.target)]
    if not rows:
        parser.error(f"no row has the target {given.only!r}: take {', '.join({row.target for row in ROWS})}")
    console = output(stderr=True)
    measured: list[Measured] = []
    for row in rows:
        under = ", ".join(row.amplifiers) or "no amplifier"
        console.print(f"{row.target}, {row.what}, {under}", highlight=False, soft_wrap=True)
        measured.append(measure(row, given.seconds, given.seed, console))
        if measured[-1].figures.ended in ("interrupted", "hang"):
            break
    out = Console() if console.is_terminal else Console(width=160)
    out.print(table(measured))
    for one in measured:
        if one.bad:
            out.print(one.figures.told(), highlight=False, soft_wrap=True)
    if given.json is not None:
        rows_as_json = [one.as_json() for one in measured]
        given.json.write_text(json.dumps({"stress_table": 1, "rows": rows_as_json}, indent=2) + "\n")
    if any(one.bad for one in measured):
        return 1
    return 2 if len(measured) < len(rows) or measured[-1].figures.ended == "interrupted" else 0


if __name__ == "__main__":
    sys.exit(main())
