"""Mutants of the production store's protocol: each is caught by verification, or it is said why not."""

from __future__ import annotations

import os
import sys
from collections import Counter
from dataclasses import asdict
from typing import Any

from evidence.page import Page, table
from schedule_explorer.targets.boundary_store.mutants import MUTANTS
from schedule_explorer.targets.boundary_store.mutation import check, unexpected

#: for a mutant that is said to survive, after which no other program is begun: most need all of it
SECONDS = 30.0


def run(seconds: float = SECONDS, *, most: int | None = None) -> Page:
    """Verify every mutant.

    Arguments:
        seconds: for a mutant that is said to survive; forty times as many for one that is to be caught.
        most: the first ones alone; None: all.
    """
    chosen = list(MUTANTS)[:most]
    rows = check(
        chosen, seconds, os.cpu_count() or 1, lambda line: print(line, file=sys.stderr, flush=True)
    )
    told = unexpected(chosen, rows)
    both = [{**asdict(mutant), **asdict(row)} for mutant, row in zip(chosen, rows, strict=True)]
    return page(both, told)


def page(rows: list[dict[str, Any]], told: list[str]) -> Page:
    """Lay out the rows of `mutation`.

    Arguments:
        rows: of a mutant and what came of it.
        told: what is not as the explanations say.
    """
    caught = [row for row in rows if row["caught"]]
    survivors = [row for row in rows if not row["caught"]]
    stages = Counter(row["stage"] for row in caught)
    parts = [
        f"{len(caught)} of {len(rows)} changes of the store's protocol are caught by verification; "
        f"{len(survivors)} survive, and below it is said of each why.",
        *(["Not as expected:\n\n" + "\n".join(f"* {line}" for line in told)] if told else []),
        table(["caught in the stage", "mutants"], [[name, count] for name, count in stages.most_common()]),
        "## Caught",
        table(
            ["mutant", "file", "program", "what failed", "programs", "executions"],
            [[row["mutant"], row["file"], f"`{row['program']}`", row["oracle"][:100], row["programs"],
              row["executions"]] for row in caught],
        ),
        "## Survivors",
        table(
            ["mutant", "file", "why", "the test that sees it", "programs", "executions", "all gone through"],
            [[row["mutant"], row["file"], row["survives"], row["test"] and f"`{row['test']}`",
              row["programs"], row["executions"], row["whole"]]
             for row in survivors],
        ),
    ]  # fmt: skip
    return Page("mutants", "Mutants of the production store", "\n\n".join(parts),
                {"mutants": rows, "unexpected": told}, good=not told)  # fmt: skip
