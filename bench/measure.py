"""Timing side by side, ratios with what they are to reach, and tables of them.

Two times are compared only when they were taken in turn in one run: what else the machine does then falls on
both. A ratio is the median of the ratios of the turns, told with the least and the greatest of them.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
#: how much a time may be off by noise before a bound on growth is called missed
NOISE = 0.15


class NotMeasuredError(Exception):
    """A measurement that could not be made; its text is the reason, which the table shows."""


@dataclass(frozen=True)
class Options:
    """What the command line sets.

    Attributes:
        quick: few repetitions of small sizes, to see that every row runs.
        peer_timeout: seconds for one exploration by another tool.
        million: go on to 1,000,000 executions where memory is measured.
    """

    quick: bool = False
    peer_timeout: float = 60.0
    million: bool = False

    @property
    def repetitions(self) -> int:
        """How often each of two things is timed in turn."""
        return 2 if self.quick else 5


@dataclass(frozen=True)
class Ratio:
    """A quotient of two measurements, and what it is to reach.

    Attributes:
        value: the median; with `bound` all that is known is that it is at most (or at least) this.
        low, high: the least and the greatest of the single turns.
        at_most, at_least: what is to be reached; None: nothing is asked.
        bound: ``"<"`` or ``">"`` when one side was cut short.
    """

    name: str
    value: float
    low: float
    high: float
    at_most: float | None = None
    at_least: float | None = None
    bound: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether it reaches what is asked; None when nothing is, or when a bound leaves it open."""
        if self.at_most is None and self.at_least is None:
            return None
        above = self.at_least is None or self.value >= self.at_least
        below = self.at_most is None or self.value <= self.at_most
        if self.bound == "<" and (self.at_least is not None or not below):
            return None
        if self.bound == ">" and (self.at_most is not None or not above):
            return None
        return above and below

    def text(self) -> list[str]:
        """Return the cells of its line."""
        asked = "" if self.at_most is None else f"<= {_number(self.at_most)}"
        if self.at_least is not None:
            asked = f">= {_number(self.at_least)}"
        verdict = {True: "reached", False: "MISSED", None: "open" if asked else ""}[self.reached]
        spread = "" if self.low == self.high else f"{_number(self.low)} .. {_number(self.high)}"
        return [self.name, f"{self.bound}{_number(self.value)}", spread, asked, verdict]


@dataclass
class Table:
    """What one row has measured.

    Attributes:
        problems: measurements that failed or could not be made, each with its reason.
    """

    title: str
    columns: list[str] = field(default_factory=list)
    lines: list[list[str]] = field(default_factory=list)
    ratios: list[Ratio] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return it as plain text."""
        parts = [self.title, "=" * len(self.title)]
        if self.lines:
            parts += _aligned([self.columns, *self.lines])
        if self.ratios:
            head = ["ratio", "median", "spread", "to reach", ""]
            parts += ["", *_aligned([head, *[ratio.text() for ratio in self.ratios]])]
        parts += [f"note: {note}" for note in self.notes]
        parts += [f"NOT MEASURED: {problem}" for problem in self.problems]
        return "\n".join(parts)

    def data(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        found = asdict(self)
        for ratio, values in zip(self.ratios, found["ratios"], strict=True):
            values["reached"] = ratio.reached
        return found


def interleaved(
    measurements: Mapping[str, Callable[[], float]], repetitions: int
) -> dict[str, list[float]]:
    """Take every measurement in turn, `repetitions` times; the order is reversed each time."""
    names = list(measurements)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(repetitions):
        for name in names if turn % 2 == 0 else reversed(names):
            taken[name].append(measurements[name]())
    return taken


def ratio(
    name: str,
    over: Sequence[float],
    under: Sequence[float],
    *,
    at_most: float | None = None,
    at_least: float | None = None,
    bound: str = "",
) -> Ratio:
    """Divide two series turn by turn.

    Raises:
        NotMeasuredError: a series is empty, they differ in length, or a divisor is zero.
    """
    if not over or len(over) != len(under) or not all(under):
        raise NotMeasuredError(f"{name}: nothing to divide ({len(over)} and {len(under)} measurements)")
    quotients = [a / b for a, b in zip(over, under, strict=True)]
    return Ratio(
        name, statistics.median(quotients), min(quotients), max(quotients), at_most, at_least, bound
    )


def seconds(function: Callable[[], object]) -> float:
    """Return how long one call takes."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def milliseconds(values: Sequence[float]) -> str:
    """Write the median of seconds as milliseconds."""
    return f"{statistics.median(values) * 1e3:.3f} ms"


def child(command: Sequence[str], timeout: float, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run a command from the project's directory and return the JSON of its last line.

    Raises:
        NotMeasuredError: it took longer than `timeout` seconds, failed, or printed something else.
    """
    name = " ".join(command[-4:])
    try:
        done = subprocess.run(
            command, cwd=ROOT, timeout=timeout, capture_output=True, text=True, check=False,
            env=None if env is None else {**os.environ, **env},
        )
    except subprocess.TimeoutExpired as error:
        raise NotMeasuredError(f"{name}: did not end within {timeout:g} s and was killed") from error
    except OSError as error:
        raise NotMeasuredError(f"{name}: {error.strerror}") from error
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise NotMeasuredError(f"{name}: exit status {done.returncode}: {said}")
    try:
        found = json.loads(lines[-1])
    except ValueError as error:
        raise NotMeasuredError(f"{name}: printed {lines[-1][:80]!r}") from error
    if not isinstance(found, dict):
        raise NotMeasuredError(f"{name}: printed {lines[-1][:80]!r}")
    return found


def resident_mib() -> float:
    """Return the resident set of this process in MiB.

    Raises:
        NotMeasuredError: the system tells it in no way that is known here.
    """
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        try:
            told = subprocess.run(
                ["ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, text=True, check=True
            )
            return int(told.stdout) / 1024
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            raise NotMeasuredError(f"the resident set: {error}") from error
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def progress(text: str) -> None:
    """Say what is going on, on standard error."""
    print(f"  .. {text}", file=sys.stderr, flush=True)


def _number(value: float) -> str:
    if value == 0 or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Put cells below each other; the first line is the head and gets a rule."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines]
    return [text[0], "  ".join("-" * width for width in widths), *text[1:]]
