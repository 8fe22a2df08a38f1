"""The resident set after more and more executions, in processes of their own."""

from __future__ import annotations

import gc
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from bench import programs
from bench.measure import NotMeasuredError, Options, Table, child, progress, ratio, resident_mib
from bench.watching import Watching
from schedule_explorer import explore
from schedule_explorer.strategies import Strategy
from schedule_explorer.strategies.optimal_dpor import OptimalDPOR
from schedule_explorer.strategies.random_walk import RandomWalk

#: what the last resident set may be of the one before it
_FLAT = 1.1
#: seconds for one process, at 1,000,000 executions much more; the files took more than 240 on a slow day
_LIMIT = 600.0
#: strategy, programs one after the other, and what part of the executions, for these take longer
_CASES: dict[str, tuple[str, tuple[str, ...], int]] = {
    "random, 2 threads of 1 increment": ("random", ("1",), 1),
    "optimal-dpor, 2 threads of 3, 4, 5 and 6 increments": ("optimal-dpor", ("3", "4", "5", "6"), 1),
    "random, a queue-fed writer of files (a tenth of the executions)": ("random", ("queue_fed",), 10),
}


def run(options: Options) -> list[Table]:
    """Return one table; the processes run beside each other, for nothing is timed."""
    marks = [1_000] if options.quick else [1_000, 10_000, 100_000]
    if options.quick:
        marks.append(3_000)
    if options.million:
        marks.append(1_000_000)
    table = Table(
        "Memory: resident set in MiB after so many executions",
        ["exploration", "before", *[f"{mark:,}" for mark in marks]],
    )
    with ThreadPoolExecutor(len(_CASES)) as pool:
        jobs = {
            name: pool.submit(_measured, strategy, names, [mark // part for mark in marks])
            for name, (strategy, names, part) in _CASES.items()
        }
        for name, job in jobs.items():
            try:
                found = job.result()
            except NotMeasuredError as error:
                table.problems.append(f"{name}: {error}")
                continue
            own = [mark // _CASES[name][2] for mark in marks]
            cells = [f"{found[mark]:.1f}" if mark in found else "-" for mark in (0, *own)]
            table.lines.append([name, *cells])
            if own[-1] in found:
                for first, asked in ((own[0], None), (own[-2], _FLAT)):
                    table.ratios.append(
                        ratio(f"{name}: after {own[-1]:,} / after {first:,}", [found[own[-1]]],
                              [found[first]], at_most=asked)
                    )
            else:
                table.problems.append(f"{name}: it ended after {max(found):,} executions")
    table.notes.append(
        "executions are counted over all sizes of a program, explored one after the other in one process; "
        f"flat is: over the last tenfold not more than {_FLAT:g} of what it was"
    )
    return [table]


def _measured(strategy: str, names: tuple[str, ...], marks: list[int]) -> dict[int, float]:
    progress(f"memory under {strategy}: {marks[-1]:,} executions")
    command = [sys.executable, "-m", "bench.rows.memory", strategy, json.dumps(names), json.dumps(marks)]
    found = child(command, _LIMIT * max(1, marks[-1] // 100_000))
    return {int(mark): mib for mark, mib in found.items()}


def sample(strategy: str, names: list[str], marks: list[int]) -> dict[int, float]:
    """Explore until the last mark and return the resident set at each; 0 is before the first execution.

    Arguments:
        names: of programs, one after the other: a number is that of the increments of two threads.
    """
    left = [0, *marks]
    found: dict[int, float] = {}
    before = 0

    def at(executions: int) -> None:
        while left and before + executions >= left[0]:
            gc.collect()
            found[left.pop(0)] = resident_mib()

    for name in names:
        inner: Strategy = RandomWalk() if strategy == "random" else OptimalDPOR()
        watching = Watching(inner, at)
        body = (
            partial(programs.increments, int(name), check=False) if name.isdecimal()
            else partial(getattr(programs, name), check=False)
        )  # fmt: skip
        explore(body, watching, max_executions=marks[-1] - before)
        before += watching.executions
        at(0)
        if before >= marks[-1]:
            break
    return found


if __name__ == "__main__":
    print(json.dumps(sample(sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3]))))
