"""The bug zoo: every bug found from generated programs, and how many executions each strategy needs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from statistics import median
from typing import Any

from evidence.page import Page, table
from evidence.plots import dots
from schedule_explorer.campaigns.work import quiet
from schedule_explorer.targets.original_store.table import DRAWING, ORDERED, hunts
from schedule_explorer.targets.original_store.table import table as strategies
from schedule_explorer.targets.original_store.zoo import ZOO

STRATEGIES = (*DRAWING, *ORDERED)


def run(numbers: Sequence[int] | None = None, *, seeds: int = 5, limit: int = 1000) -> Page:
    """Hunt every bug, and measure every strategy on it.

    Arguments:
        numbers: of bugs; None: all.
        seeds: runs of a strategy that draws; the figure is their median.
        limit: executions after which a run is given up.
    """
    chosen = list(numbers or range(1, len(ZOO) + 1))
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(_hunted, chosen)
        taken = pool.map(partial(measured, seeds=seeds, limit=limit), chosen)
        return page(list(found), list(taken), seeds, limit)


def _hunted(number: int) -> dict[str, Any]:
    with quiet():
        return hunts([number])[0]


def measured(number: int, seeds: int, limit: int) -> dict[str, Any]:
    """Return the row of `table` for one bug."""
    with quiet():
        return strategies([number], seeds=seeds, limit=limit)[0]


def page(found: list[dict[str, Any]], taken: list[dict[str, Any]], seeds: int, limit: int) -> Page:
    """Lay out rows of `hunts` and of `table`, in the same order."""
    left = [row["number"] for row in found if row["left_by_fix"] and row["found"]]
    never: dict[str, list[int]] = {
        name: [row["number"] for row in taken if row["executions"][name] is None] for name in STRATEGIES
    }
    counts = {name: [row["executions"][name] for row in taken] for name in STRATEGIES}
    missing = [row["number"] for row in found if not row["found"]]
    parts = [
        f"{len(found) - len(missing)} of {len(found)} bugs of the original design were found from generated "
        "programs: `schedule-explorer hunt original_store --bug N` goes through all programs of the bug's "
        "alphabet, smaller ones first, until one fails in the way of the bug. A bug that the fix removed is "
        f"a switch; the store after its fix has the others as it is: {_list(left)}.",
        table(
            ["bug", "name", "guarantee", "left by the fix", "program", "symptom", "programs", "executions",
             "switches"],
            [[
                row["number"], row["name"], row["guarantee"], row["left_by_fix"],
                f"`{row['program']}`" if row["found"] else "NOT FOUND", ", ".join(row.get("symptoms", ())),
                row.get("programs"), row.get("executions"), row.get("switches"),
            ] for row in found],
        ),
        "`programs` and `executions` are those up to the first failure; the JSON has the schedules' tokens.",
        "## Executions to the first failure, by strategy\n\nOn the program that is known for the bug. A "
        f"strategy that draws is run with {seeds} seeds and has the median; an empty cell is more than "
        f"{limit:,}.",
        "![executions to the first failure](zoo-strategies.svg)",
        table(
            ["bug", "program", *STRATEGIES],
            [[row["number"], f"`{row['program']}`", *(row["executions"][name] for name in STRATEGIES)]
             for row in taken],
        ),
        table(
            ["strategy", "found", "median of those", f"not within {limit:,}"],
            [[name, len(taken) - len(never[name]), _median(counts[name]), _list(never[name])]
             for name in STRATEGIES],
        ),
    ]  # fmt: skip
    plot = dots(
        {name: [(row["number"], row["executions"][name]) for row in taken] for name in STRATEGIES},
        "bug of the zoo", f"executions to the first failure (top: more than {limit:,})", limit,
    )
    data = {"seeds": seeds, "limit": limit, "hunts": found, "strategies": taken}
    return Page(
        "zoo", "The bug zoo", "\n\n".join(parts), data, {"zoo-strategies.svg": plot}, good=not missing
    )


def _median(numbers: list[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return median(known) if known else None


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers)) or "none"
