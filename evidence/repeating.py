"""Exploring against repeating: how often must a program of the zoo be run until its bug is met?

On real threads the scheduler decides, so a loop has a rate of failures, and with it the number of runs after
which the chances are even. The explorer's strategies are measured in executions of the same program.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from evidence.page import Page, table
from evidence.plots import chances, dots
from evidence.zoo import STRATEGIES, measured
from schedule_explorer.campaigns.stress import Programs, Stress, interval, stress
from schedule_explorer.programs import parse
from schedule_explorer.targets.original_store.quarries import QUARRIES
from schedule_explorer.targets.original_store.table import DRAWING, executions_to_failure

#: amplifiers that showed the original race most often of all that were tried
AMPLIFIED = ("yields", "slow-writer")
#: the bug whose chances are plotted: the race that all this began with
RACE = 1
_PLAIN, _HARDER = "real threads", "real threads, amplified"
_ARRAYS = " (MLX arrays)"


@dataclass(frozen=True)
class Repeated:
    """A loop of one program on real threads.

    Attributes:
        number: of the bug.
        amplifiers: their names.
        arrays: snapshots are MLX arrays, not bytes.
        runs: of the program.
        failures: of those, in the way of the bug.
        seconds: that the loop took.
    """

    number: int
    amplifiers: tuple[str, ...]
    arrays: bool
    runs: int
    failures: int
    seconds: float

    @property
    def name(self) -> str:
        """Say how it was run."""
        return (_HARDER if self.amplifiers else _PLAIN) + (_ARRAYS if self.arrays else "")

    @property
    def even(self) -> int | None:
        """Runs after which the chances are even that one failed; None where none did."""
        return None if not self.failures else runs_for(0.5, self.failures / self.runs)

    @property
    def bound(self) -> int:
        """The least that `even` may be where no run failed, with a confidence of 95 %."""
        return runs_for(0.5, interval(0, self.runs)[1])


def runs_for(chance: float, rate: float) -> int:
    """Return after how many runs a failure of this rate was met with that chance.

    Arguments:
        chance, rate: shares of 1, above 0.
    """
    return 1 if rate >= chance else math.ceil(math.log1p(-chance) / math.log1p(-rate))


def numbers_on_real_threads() -> list[int]:
    """Return the bugs that need no fault that only the explorer makes."""
    return [quarry.number for quarry in QUARRIES if not quarry.target().needs_explorer()]


def run(
    numbers: Sequence[int] | None = None, *, seconds: float = 10.0, seeds: int = 50, limit: int = 1000
) -> Page:
    """Measure the strategies in processes beside one another, then the loops one after the other.

    Arguments:
        numbers: of bugs; None: all that real threads can show.
        seconds: of each loop.
        seeds: runs of each strategy that draws, for the chances; the medians are of 5.
        limit: executions after which a run is given up.
    """
    chosen = list(numbers or numbers_on_real_threads())
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), context) as pool:
        taken = pool.map(partial(measured, seeds=min(seeds, 5), limit=limit), chosen)
        drawn = {name: pool.map(partial(_drawn, name, limit=limit), range(seeds)) for name in DRAWING}
        rows = list(taken)
        draws = {name: list(found) for name, found in drawn.items()}
    loops = []
    for number, arrays in [*((number, False) for number in chosen), (RACE, True)]:
        for amplifiers in ((), AMPLIFIED):
            # in a process of its own: a run that hangs takes it along
            with ProcessPoolExecutor(1, context) as alone:
                loops.append(alone.submit(repeat, number, amplifiers, arrays, seconds).result())
            print(loops[-1], file=sys.stderr, flush=True)
    return page(rows, loops, draws, limit)


def repeat(number: int, amplifiers: tuple[str, ...], arrays: bool, seconds: float) -> Repeated:
    """Run the program that is known for a bug on real threads, again and again.

    Arguments:
        number: of the bug.
        amplifiers, arrays: see `Repeated`.
        seconds: that it takes.
    """
    quarry = QUARRIES[number - 1]
    quarry = replace(quarry, setting=replace(quarry.setting, arrays=arrays))
    found = stress(
        quarry.target(), Programs(parse(quarry.program)), Stress(None, seconds, amplifiers=amplifiers)
    )
    failures = sum(found.symptoms[name] for name in quarry.where.wanted)
    return Repeated(number, amplifiers, arrays, found.runs, failures, round(found.seconds, 1))


def _drawn(strategy: str, seed: int, limit: int) -> int | None:
    return executions_to_failure(QUARRIES[RACE - 1], strategy, seed, limit)


def page(
    rows: list[dict[str, Any]], loops: list[Repeated], draws: dict[str, list[int | None]], limit: int
) -> Page:
    """Lay out what was measured.

    Arguments:
        rows: of `targets.original_store.table.table`, one for each bug.
        loops: two for each bug, and two more of the race with arrays.
        draws: by strategy, the executions to the race for each seed.
        limit: executions after which a run was given up.
    """
    by_bug = {(loop.number, loop.name): loop for loop in loops}
    both = [[by_bug[row["number"], name] for name in (_PLAIN, _HARDER)] for row in rows]
    met, met_harder = (sum(bool(pair[index].failures) for pair in both) for index in (0, 1))
    met_at_all = sum(bool(plain.failures or harder.failures) for plain, harder in both)
    found = sum(row["executions"]["optimal-dpor"] is not None for row in rows)
    race = [loop for loop in loops if loop.number == RACE]
    parts = [
        f"Of the {len(rows)} bugs of the zoo that need no failing disk, optimal DPOR meets {found} within "
        f"{limit:,} executions of the program that is known for the bug. The same program in a loop on real "
        f"threads met {met} of them, and {met_harder} when pauses are drawn at every call on a lock or a "
        f"file and the writer is slow; {met_at_all} were met in at least one of the two. A loop "
        "also never says that a bug is not there.",
        "![executions or runs to the first failure](repeating.svg)",
        "A hollow mark is a lower bound: no run of the loop failed, and the true number lies above it with a "
        f"confidence of 95 %. The dashed line is the limit of {limit:,} executions; a mark above it was not "
        "found within them.",
        table(
            ["bug", "name", "program", *STRATEGIES, "runs", "failed", "even chance after", "amplified: runs",
             "failed", "even chance after"],
            [[
                row["number"], row["name"], f"`{row['program']}`",
                *(row["executions"][name] for name in STRATEGIES), *_cells(plain), *_cells(harder),
            ] for row, (plain, harder) in zip(rows, both, strict=True)],
        ),
        "Executions of a strategy that draws are the median of several seeds; `even chance after` is the "
        "number of runs after which a failure of that rate was met with a chance of one half.",
        "## The race that all this began with\n\nThe chance that it was met, after so many executions or "
        "runs of `" + QUARRIES[RACE - 1].program + "`. With MLX arrays, as in a server, computing them lets "
        "other threads run. Optimal DPOR and sleep-set DFS have no chance in them: they find it after the "
        "same number each time, and when there is nothing to find they end.",
        "![chance that the race was met](repeating-race.svg)",
        table(
            ["how", "runs or seeds", "met", "even chance after", "95 % after"],
            [[name, len(counts), sum(count is not None for count in counts), _quantile(counts, 0.5),
              _quantile(counts, 0.95)] for name, counts in draws.items()]
            + [[loop.name, loop.runs, loop.failures, loop.even,
                runs_for(0.95, loop.failures / loop.runs) if loop.failures else None] for loop in race],
        ),
    ]  # fmt: skip
    executions = {name: [(row["number"], row["executions"][name]) for row in rows] for name in STRATEGIES}
    real = {
        loops[index].name: [(loops[index].number, loops[index].even) for loops in both] for index in (0, 1)
    }
    bounds = {
        loops[index].name: [(loops[index].number, loops[index].bound) for loops in both
                            if not loops[index].failures]
        for index in (0, 1)
    }  # fmt: skip
    plots = {
        "repeating.svg": dots(
            {**executions, **real}, "bug of the zoo", "executions, or runs for an even chance", limit, bounds
        ),
        "repeating-race.svg": chances(
            {**draws, **{name: [count] for row in rows if row["number"] == RACE
                         for name, count in row["executions"].items() if name not in DRAWING}},
            {loop.name: loop.failures / loop.runs for loop in race if loop.failures},
            "executions, or runs", "chance that the race was met",
        ),
    }  # fmt: skip
    data = {
        "limit": limit, "strategies": rows, "loops": [{**asdict(loop), "even": loop.even} for loop in loops],
        "race": draws,
    }  # fmt: skip
    return Page("repeating", "Exploring against repeating", "\n\n".join(parts), data, plots,
                good=found == len(rows))  # fmt: skip


def _cells(loop: Repeated) -> list[object]:
    return [loop.runs, loop.failures, f"{loop.even:,}" if loop.even else f"more than {loop.bound:,}"]


def _quantile(counts: Sequence[int | None], share: float) -> int | None:
    """Return the count within which that share of the runs met it; None where they did not."""
    ordered = sorted(math.inf if count is None else count for count in counts)
    found = ordered[math.ceil(share * len(ordered)) - 1]
    return None if found == math.inf else int(found)
