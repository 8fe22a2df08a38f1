"""The zoo as data: how many executions each strategy takes to each bug, and what the hunts find.

``python -m schedule_explorer.targets.original_store.table`` prints the first as JSON, with ``hunts`` behind
it the second.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from schedule_explorer.campaigns.hunt import search
from schedule_explorer.programs import parse, text
from schedule_explorer.targets.original_store.quarries import QUARRIES, Quarry
from schedule_explorer.targets.original_store.zoo import ZOO

DRAWING = ("random", "pct", "pos")
ORDERED = ("optimal-dpor", "sleep-set-dfs")


def executions_to_failure(quarry: Quarry, strategy: str, seed: int, limit: int) -> int | None:
    """Return the executions up to and with the first one that fails in the way of the bug.

    Arguments:
        limit: executions after which it is given up.

    Returns:
        None when none of `limit` executions did.
    """
    where = replace(quarry.where, strategy=strategy, seed=seed)
    found = search(quarry.target(), parse(quarry.program), where, limit)
    return found.executions if found.traces else None


def table(
    numbers: Iterable[int] | None = None, *, seeds: int = 10, limit: int = 2000
) -> list[dict[str, Any]]:
    """Measure every bug with every strategy.

    Arguments:
        numbers: of bugs; None: all.
        seeds: how often a strategy that draws is run; its entry is the median.
        limit: executions after which one run is given up.

    Returns:
        A row for each bug: ``number``, ``name``, ``guarantee``, ``left_by_fix``, ``program`` and
        ``executions``, which has an entry for each strategy: a number, or None for more than `limit` (for a
        strategy that draws: in half of its runs or more).
    """
    rows = []
    for number in numbers or range(1, len(ZOO) + 1):
        bug, quarry = ZOO[number - 1], QUARRIES[number - 1]
        taken: dict[str, float | None] = {}
        for strategy in DRAWING:
            runs = [executions_to_failure(quarry, strategy, seed, limit) for seed in range(seeds)]
            median = statistics.median(run if run is not None else limit + 1 for run in runs)
            taken[strategy] = median if median <= limit else None
        for strategy in ORDERED:
            taken[strategy] = executions_to_failure(quarry, strategy, 0, limit)
        rows.append({
            "number": number, "name": bug.name, "guarantee": bug.guarantee, "left_by_fix": bug.left_by_fix,
            "program": quarry.program, "executions": taken,
        })  # fmt: skip
    return rows


def hunts(numbers: Iterable[int] | None = None) -> list[dict[str, Any]]:
    """Hunt every bug, and say what was found.

    Arguments:
        numbers: of bugs; None: all.

    Returns:
        A row for each bug: ``number``, ``name``, ``guarantee``, ``left_by_fix`` (the store after its fix has
        it as it is), ``found``, and if so ``program``, ``symptoms``, ``schedule`` (its token), ``switches``,
        ``programs`` and ``executions`` up to the first failure.
    """
    rows = []
    for number in numbers or range(1, len(ZOO) + 1):
        bug, found = ZOO[number - 1], QUARRIES[number - 1].hunt()
        row: dict[str, Any] = {
            "number": number, "name": bug.name, "guarantee": bug.guarantee, "left_by_fix": bug.left_by_fix,
            "found": found is not None,
        }  # fmt: skip
        if found is not None:
            row |= {
                "program": text(found.program), "symptoms": sorted(found.symptoms),
                "schedule": found.schedule, "switches": found.switches, "programs": found.programs,
                "executions": found.executions,
            }  # fmt: skip
        rows.append(row)
    return rows


def main(arguments: list[str]) -> int:
    """Print the rows as JSON; see the module."""
    parser = argparse.ArgumentParser(prog="table", description=__doc__)
    parser.add_argument("what", choices=("strategies", "hunts"), nargs="?", default="strategies")
    parser.add_argument("--bugs", type=int, nargs="+", metavar="NUMBER", help="only these")
    parser.add_argument("--seeds", type=int, default=10, help="runs of a strategy that draws")
    parser.add_argument("--limit", type=int, default=2000, help="executions of one run at most")
    given = parser.parse_args(arguments)
    if given.what == "hunts":
        rows = hunts(given.bugs)
    else:
        rows = table(given.bugs, seeds=given.seeds, limit=given.limit)
    json.dump(rows, sys.stdout, indent=2)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
