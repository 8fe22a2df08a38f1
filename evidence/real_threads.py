"""The world as it is: stress loops on real threads, and a long soak of the production store."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from evidence.page import Page, table
from evidence.plots import rates
from evidence.stamp import ROOT

#: of the production store
RUNS = 100_000
#: at nice 10 the soak took two fifths of two cores
_POLITE = ("nice", "-n", "19")


def _run(command: list[str], *, polite: bool = False) -> tuple[int, dict[str, Any]]:
    """Run a module that writes JSON to the file it is given last, and return its exit code and that.

    Arguments:
        polite: it gives way to other processes (`nice`).
    """
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "figures.json")
        whole = [*(_POLITE if polite else ()), sys.executable, "-m", *command, str(file)]
        ended = subprocess.run(whole, cwd=ROOT, stdout=sys.stderr, check=False)
        if not file.exists():
            raise RuntimeError(f"{command[0]} ended with {ended.returncode} and wrote nothing")
        found: dict[str, Any] = json.loads(file.read_text())
        return ended.returncode, found


def stress(seconds: float = 20.0) -> Page:
    """Run ``python -m stress``.

    Arguments:
        seconds: of each loop.
    """
    code, found = _run(["stress", "--seconds", str(seconds), "--json"])
    return stress_page(found, good=code == 0)


def stress_page(found: dict[str, Any], *, good: bool) -> Page:
    """Lay out what ``python -m stress --json`` wrote."""
    rows = found["rows"]
    parts = [
        "Client programs on real threads, real files and the real clock, under the oracles of the "
        "verification. `the race` is `save`, `save`, `cleanup_all` of the original bug with MLX arrays; an "
        "amplifier makes races likelier and controls no schedule. The interval is Wilson's of 95 %, and 3/n "
        "where nothing failed.",
        table(
            ["target", "what", "amplifiers", "runs", "failed", "rate, %", "from, %", "to, %", "runs/s",
             "verdict"],
            [[
                row["target"], row["what"], ", ".join(row["amplifiers"]) or "none", row["runs"],
                row["failures"], _percent(row["rate"]), _percent(row["low"]), _percent(row["high"]),
                round(row["timing"]["per_second"], 1), row["verdict"],
            ] for row in rows],
        ),
        "![rates of failure](stress-rates.svg)",
    ]  # fmt: skip
    races = [row for row in rows if row["fails"] and row["failures"]]
    if races:
        parts.append("\n".join(
            f"* Before its fix, amplifiers {', '.join(row['amplifiers']) or 'none'}: one run of "
            f"{math.ceil(1 / row['rate']):,} fails; to see it with a chance of 95 % takes "
            f"{_needed(row['rate']):,} runs. The explorer needs the executions in [the zoo](zoo.md), bug 1, "
            "each time." for row in races
        ))  # fmt: skip
    plot = rates([
        (f"{row['target']}, {row['what']}, {', '.join(row['amplifiers']) or 'none'}", row["rate"],
         (row["low"], row["high"])) for row in rows
    ])  # fmt: skip
    return Page("stress", "On real threads", "\n\n".join(parts), found, {"stress-rates.svg": plot}, good)


def many(runs: int = RUNS) -> Page:
    """Run the production store so many times, plainly and with its threads disturbed, half and half.

    Arguments:
        runs: in all.
    """
    loops = []
    for amplify in ((), ("--amplify", "switch,yields,gc")):
        command = ["stress", "boundary_store", "--runs", str(-(-runs // 2)), *amplify, "--json"]
        loops.append(_run(["schedule_explorer.cli", *command])[1])
    return many_page({"loops": loops})


def many_page(found: dict[str, Any]) -> Page:
    """Lay out what ``schedule-explorer stress boundary_store --json`` wrote, of each loop."""
    loops = found["loops"]
    failed = sum(loop["failures"] for loop in loops)
    parts = [
        f"{sum(loop['runs'] for loop in loops):,} runs of the production store on real threads: all client "
        f"programs of two threads of up to two calls, in turn. {failed} failed. The interval is "
        "Wilson's of 95 %, and 3/n where nothing failed.",
        table(
            ["amplifiers", "programs", "runs", "failed", "from, %", "to, %"],
            [[
                ", ".join(loop["amplifiers"]) or "none", loop["programs"], loop["runs"], loop["failures"],
                _percent(loop["low"]), _percent(loop["high"]),
            ] for loop in loops],
        ),
    ]  # fmt: skip
    return Page("many", "Many runs of the production store", "\n\n".join(parts), found, good=not failed)


def _percent(share: float) -> float:
    return float(f"{100 * share:.2g}")


def _needed(rate: float) -> int:
    """Return how many runs meet a failure of this rate with a chance of 95 %."""
    return 1 if rate >= 0.95 else math.ceil(math.log(0.05) / math.log1p(-rate))


def soak(minutes: float = 60.0, *, beside: bool = False) -> Page:
    """Run ``python -m stress.soak``.

    Arguments:
        minutes: it takes.
        beside: other sections are made meanwhile; it gives way to them.
    """
    with tempfile.TemporaryDirectory() as directory:
        picture = Path(directory, "soak.svg")
        code, found = _run(
            ["stress.soak", "--minutes", str(minutes), "--plot", str(picture), "--json"], polite=beside
        )
        plot = picture.read_text() if picture.exists() else ""
    return soak_page({**found, "beside": beside}, plot, good=code == 0)


def soak_page(found: dict[str, Any], plot: str, *, good: bool) -> Page:
    """Lay out what ``python -m stress.soak --json`` wrote.

    Arguments:
        found: that, and whether it ran ``beside`` other sections.
        plot: SVG.
        good: it ended well.
    """
    parts = [
        f"The production store for {found['seconds'] / 60:.0f} minutes: several stores in several processes "
        f"on one directory, {found['kills']:,} kills (SIGKILL), a disk that is full for two seconds of every "
        f"ten ({found['failed']:,} writes found no room). {found['operations']:,} calls, "
        f"{len(found['errors'])} wrong answers, {len(found['left'])} files left after the end. Verdict: "
        f"**{found['verdict']}**."
        + (" It ran at low priority beside the pages that count executions." if found["beside"] else ""),
        table(
            ["quantity", "median", "growth", "allowed", "flat"],
            [[name, trend["median"], trend["growth"], trend["allowed"], trend["flat"]]
             for name, trend in found["trends"].items()],
        ),
        "Growth is over the last two thirds of the time, by the slope of Theil and Sen; memory is that of "
        "the largest process that is not killed, in bytes, as is the disk.",
        *(["![samples over time](soak.svg)"] if plot else []),
        "\n".join(f"* {error}" for error in found["errors"]),
    ]  # fmt: skip
    return Page("soak", "A soak of the production store", "\n\n".join(part for part in parts if part), found,
                {"soak.svg": plot} if plot else {}, good)  # fmt: skip
