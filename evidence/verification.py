"""The production store: all client programs of a scope, every schedule of each, every oracle.

A section that was interrupted goes on where it ended: each campaign has its journal, which is not used for
other code, and all journals are removed once the section is made and as it should be.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evidence.page import Page, table
from evidence.stamp import ROOT


@dataclass(frozen=True)
class Campaign:
    """One call of ``schedule-explorer verify boundary_store``.

    Attributes:
        what: which programs these are.
        options: of the command.
        whole: whether every program is to be explored to its end.
    """

    what: str
    options: tuple[str, ...]
    whole: bool = True


#: where the commands run, and so keep their journals
WORK = ROOT / ".schedule_explorer" / "evidence"
_ONE = ("--ids", "x", "--keys", "0")
CAMPAIGNS = (
    Campaign("2 threads of 1 call, two ids, two keys", ("--threads", "2", "--calls", "1")),
    Campaign("1 thread of up to 3 calls, one id and key", ("--threads", "1", "--calls", "3", *_ONE)),
    Campaign("2 threads of up to 2 calls, 3 in all, one id and key",
             ("--threads", "2", "--calls", "2", "--total", "3", *_ONE)),
    # Whole, it would take hours.
    Campaign("2 threads of up to 2 calls, one id and key; 100 executions of a program at most",
             ("--threads", "2", "--calls", "2", "--program-executions", "100", "--keep-going", *_ONE),
             whole=False),
    Campaign("3 threads of 1 call, two ids, two keys; 100 executions of a program at most",
             ("--threads", "3", "--calls", "1", "--program-executions", "100", "--keep-going"), whole=False),
)  # fmt: skip


def run(*, quick: bool = False) -> Page:
    """Run the campaigns, the smaller ones alone when `quick`."""
    chosen = CAMPAIGNS[:1] if quick else CAMPAIGNS
    work = WORK / ("quick" if quick else "whole")
    work.mkdir(parents=True, exist_ok=True)
    made = page([(campaign, _verified(campaign, work)) for campaign in chosen])
    if made.good:
        shutil.rmtree(work)
    return made


def _verified(campaign: Campaign, work: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "verdict.json")
        command = [
            sys.executable, "-m", "schedule_explorer.cli", "verify", "boundary_store", *campaign.options,
            "--json", str(file),
        ]  # fmt: skip
        ended = subprocess.run(command, cwd=work, stdout=sys.stderr, check=False)
        if not file.exists():
            raise RuntimeError(f"verify ended with {ended.returncode} and wrote nothing")
        found: dict[str, Any] = json.loads(file.read_text())
        return found


def page(verdicts: list[tuple[Campaign, dict[str, Any]]]) -> Page:
    """Lay out what ``verify --json`` wrote."""
    rows: list[list[object]] = []
    unfinished: list[str] = []
    good = True
    for campaign, found in verdicts:
        rows.append([
            campaign.what, found["verdict"], *(found[key] for key in _FIGURES),
        ])  # fmt: skip
        good &= not found["failed"] and (found["verdict"] == "proved" or not campaign.whole)
        if found["verdict"] != "proved":
            unfinished.append(f"* {campaign.what}: {found['verdict']}: {found['reason']}")
    parts = [
        "Every program of a scope (of those that differ only in the names of ids, keys and threads, one), "
        "explored with optimal DPOR. In every execution no file outlives its cleanup, the calls are "
        "linearizable (a history is one order of them that the trace allows), no thread is left or blocked "
        "for ever, and at quiescence disk and tables agree and keep nothing else.",
        table(["scope", "verdict", "programs", *_FIGURES[1:]], rows),
        "A campaign is `proved` only when each of its programs was explored to its end; a program that "
        "reached a bound is `unfinished`, and nothing is claimed of the schedules that were not run.",
        "\n".join(unfinished),
        "The commands:\n\n" + "\n".join(
            f"    schedule-explorer verify boundary_store {' '.join(campaign.options)}"
            for campaign, _ in verdicts
        ),
    ]  # fmt: skip
    data = {"campaigns": [{"what": campaign.what, "options": campaign.options, **found}
                          for campaign, found in verdicts]}  # fmt: skip
    return Page("verification", "The production store, verified", "\n\n".join(p for p in parts if p), data,
                good=good)  # fmt: skip


_FIGURES = ("programs", "proved", "failed", "unfinished", "not_run", "executions", "blocked", "histories")
