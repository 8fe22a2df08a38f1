"""A long soak of the store: several stores in several processes on one directory, kills, a full disk.

    python -m stress.soak --minutes 60 --json soak.json --plot soak.png

Two kinds of processes work on one directory: steady ones, which are watched, and mortal ones, each of which
is killed (SIGKILL) every few seconds and begun again, so that what it left must be swept by the others. In
all of them the disk is full for two seconds of every ten; see `stress.soak_worker`. At the end every process
shuts its stores down, and nothing may be left.

Flat means: over the last two thirds of the time, the growth by the slope of Theil and Sen is within what
`ALLOWED` says. Exit code: 0 when every answer was right and everything is flat, 1 when not, 2 when it was
interrupted (the figures so far are written all the same).

The JSON: ``stress_soak`` is 1; ``verdict`` (``flat``, ``failed`` or ``interrupted``), ``errors``,
``operations``, ``failed`` (writes for which there was no room), ``kills``, ``left`` (files after the end),
``seconds``; ``trends`` has for each quantity ``slope`` (a second), ``growth``, ``median``, ``allowed`` and
``flat``; ``samples`` has the series, ``at`` in seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console

from schedule_explorer.campaigns.interrupts import on_interrupt
from schedule_explorer.campaigns.progress import PLAIN_SECONDS, duration
from schedule_explorer.campaigns.stress.runs import wait_until
from schedule_explorer.cli_options import output
from schedule_explorer.interposition.filesystem import fast_directory
from store import BoundarySnapshotStore
from stress.plot import check_plot, plot
from stress.soak_process import Process
from stress.trend import Allowance, Trend, trend

#: Bytes of the largest steady process, descriptors and threads of all of them, files and bytes on disk.
ALLOWED: dict[str, Allowance] = {
    "memory": Allowance(4 << 20, 0.05), "descriptors": Allowance(2), "threads": Allowance(2),
    "files": Allowance(20, 0.1), "disk": Allowance(4 << 20, 0.1),
}  # fmt: skip
#: seconds that the processes may take to begin, and to end
_SECONDS = 120.0


@dataclass
class Soak:
    """What a soak has seen.

    Attributes:
        at: seconds of each sample.
        samples: the series, by the names of `ALLOWED`.
        errors: what was wrong.
        operations: calls, those of killed processes included as far as they were told.
        failed: writes for which there was no room, counted likewise.
        kills: processes that were killed.
        left: files that were there after the end.
    """

    at: list[float] = field(default_factory=list)
    samples: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in ALLOWED})
    errors: list[str] = field(default_factory=list)
    operations: int = 0
    failed: int = 0
    kills: int = 0
    left: list[str] = field(default_factory=list)
    interrupted: bool = False

    def sample(self, at: float, steady: Sequence[Process], base: Path) -> None:
        """Take a sample, when every steady process has told its own."""
        told = [process.last for process in steady]
        if not all(told):
            return
        files, size = _disk(base)
        self.at.append(round(at, 3))
        values = {
            "memory": max(one["rss"] for one in told), "descriptors": sum(one["fds"] for one in told),
            "threads": sum(one["threads"] for one in told), "files": files, "disk": size,
        }  # fmt: skip
        for name, value in values.items():
            self.samples[name].append(value)

    def count(self, ended: Process) -> None:
        """Add what a process has done."""
        self.operations += ended.operations
        self.failed += int(ended.last.get("failed", 0))

    def trends(self) -> dict[str, Trend]:
        """Return the trend of each quantity.

        Raises:
            ValueError: there are too few samples.
        """
        return {name: trend(self.at, self.samples[name], ALLOWED[name]) for name in ALLOWED}


def soak(
    base: Path, seconds: float, *, steady: int = 2, mortal: int = 2, stores: int = 2, seed: int = 0,
    every: float = 5.0, console: Console | None = None,
) -> Soak:  # fmt: skip
    """Let processes work on a directory.

    Arguments:
        base: an empty directory.
        seconds: real time, from when all are at work until they are asked to end.
        steady: processes that are watched.
        mortal: processes that are killed.
        stores: of each process.
        every: seconds between two kills.
        console: where progress goes; None shows nothing.
    """
    found, random = Soak(), Random(seed)
    seeds = iter(range(seed * 1_000_000, (seed + 1) * 1_000_000))
    watched: list[Process] = []
    others: list[Process] = []

    def interrupt() -> None:
        found.interrupted = True

    try:
        with on_interrupt(interrupt):
            watched += [Process(base, next(seeds), stores) for _ in range(steady)]
            others += [Process(base, next(seeds), stores) for _ in range(mortal)]
            # The clock begins when the processes are at work.
            wait_until(lambda: found.interrupted or all(one.last or one.wrong() for one in watched), _SECONDS)
            began = shown = killed = time.monotonic()
            step = min(max(1.0, seconds / 1000), every)
            while time.monotonic() - began < seconds and not (found.interrupted or found.errors):
                time.sleep(step)
                now = time.monotonic()
                found.sample(now - began, watched, base)
                if others and now - killed >= every:
                    killed, place = now, random.randrange(mortal)
                    others[place].kill()
                    found.count(others[place])
                    found.kills += 1
                    others[place] = Process(base, next(seeds), stores)
                found.errors += [error for process in (*watched, *others) for error in process.wrong()]
                if console is not None and now - shown >= PLAIN_SECONDS:
                    shown = now
                    console.print(_progress(found, watched, now - began, seconds), highlight=False)
            for process in (*watched, *others):
                process.close()
            for process in (*watched, *others):
                found.errors += process.end(_SECONDS)
                found.count(process)
    finally:
        for process in (*watched, *others):
            process.kill()
    # The next start sweeps what the killed ones left.
    BoundarySnapshotStore(base).shutdown(cleanup=True)
    found.left = sorted(str(path.relative_to(base)) for path in base.rglob("*") if not path.is_dir())
    return found


def _disk(base: Path) -> tuple[int, int]:
    """Count files and directories, and the bytes of the files. What goes away meanwhile is not counted."""
    entries = size = 0
    for directory, names, files in os.walk(base):
        entries += len(names) + len(files)
        for name in files:
            with suppress(OSError):
                size += os.lstat(os.path.join(directory, name)).st_size
    return entries, size


def _progress(found: Soak, watched: Sequence[Process], passed: float, seconds: float) -> str:
    operations = found.operations + sum(process.operations for process in watched)
    latest = {name: values[-1] for name, values in found.samples.items() if values}
    memory = f", {latest['memory'] / (1 << 20):.0f} MiB, {latest['files']:.0f} files" if latest else ""
    return (
        f"{operations} calls, {found.kills} kills{memory}, about {duration(max(0.0, seconds - passed))} left"
    )


def judged(found: Soak) -> dict[str, Any]:
    """Return the verdict and the figures as JSON holds them; see the module."""
    try:
        trends = found.trends()
    except ValueError as error:
        trends = {}
        if not found.interrupted:
            found.errors.append(str(error))
    rising = [name for name, one in trends.items() if not one.flat]
    failed = bool(found.errors or found.left or rising)
    return {
        "stress_soak": 1,
        "verdict": "failed" if failed else "interrupted" if found.interrupted else "flat",
        "errors": list(dict.fromkeys(found.errors)), "left": found.left,
        "operations": found.operations, "failed": found.failed, "kills": found.kills,
        "seconds": found.at[-1] if found.at else 0.0,
        "trends": {
            name: {
                "slope": one.slope, "growth": one.growth, "median": one.middle, "allowed": one.allowed,
                "flat": one.flat,
            }
            for name, one in trends.items()
        },
        "samples": {"at": found.at, **found.samples},
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Soak, print the verdict, write what is asked for, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m stress.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--steady", type=int, default=2, help="processes that are watched")
    parser.add_argument("--mortal", type=int, default=2, help="processes that are killed again and again")
    parser.add_argument("--stores", type=int, default=2, help="of each process")
    parser.add_argument("--every", type=float, default=5.0, metavar="SECONDS", help="between two kills")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--base", type=Path, metavar="DIR", help="default: on the fastest file system")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="a picture of the samples (.png, .svg)")
    given = parser.parse_args(arguments)
    if min(given.steady, given.stores) < 1 or given.mortal < 0 or min(given.minutes, given.every) <= 0:
        parser.error("give at least one steady process, one store, and some time")
    if given.plot is not None and (missing := check_plot()):
        parser.error(missing)
    base = Path(tempfile.mkdtemp(prefix="soak-", dir=given.base or fast_directory()))
    console = output()
    try:
        found = soak(
            base, given.minutes * 60, steady=given.steady, mortal=given.mortal, stores=given.stores,
            seed=given.seed, every=given.every, console=console,
        )  # fmt: skip
    finally:
        shutil.rmtree(base, ignore_errors=True)
    result = judged(found)
    for name, one in result["trends"].items():
        sense = "flat" if one["flat"] else "RISES"
        grew = f"grew by {one['growth']:.0f}, {one['allowed']:.0f} is allowed"
        console.print(f"{name}: median {one['median']:.0f}, {grew}: {sense}", highlight=False)
    for error in (*result["errors"], *(f"left: {name}" for name in found.left)):
        console.print(error, highlight=False, soft_wrap=True)
    console.print(
        f"{result['verdict']}: {result['operations']} calls, {result['failed']} writes without room, "
        f"{result['kills']} kills, {result['seconds']:.0f} s", highlight=False,
    )  # fmt: skip
    if given.json is not None:
        given.json.write_text(json.dumps(result, indent=1) + "\n")
    if given.plot is not None:
        plot(result, given.plot)
    return {"flat": 0, "failed": 1, "interrupted": 2}[result["verdict"]]


if __name__ == "__main__":
    sys.exit(main())
