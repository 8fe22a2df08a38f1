"""The explorer's own proof: known counts, random programs, pairs of file calls, mutants of its rules."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from evidence.page import Page, table
from evidence.stamp import ROOT

TESTS = (
    "tests/oracle_counts", "tests/strategies", "tests/interposition",
    "tests/targets/test_zoo_on_production_store.py",
)  # fmt: skip

#: random programs for each family of operations, unless told otherwise
EXAMPLES = 160
#: what makes the tests long
AT_LENGTH = {"FILESYSTEM_PAIRS": "1", "PROVE_ZOO": "1"}


def run(examples: int = EXAMPLES, processes: int = 2, *, quick: bool = False) -> Page:
    """Run the tests at length.

    Arguments:
        examples: random programs for each family of operations.
        processes: of pytest-xdist.
        quick: run them as `make test` does, all but `examples`.

    Returns:
        The page; it is not good when a test failed.
    """
    with tempfile.TemporaryDirectory() as directory:
        figures, junit = Path(directory, "figures"), Path(directory, "junit.xml")
        figures.touch()
        environment = {
            **os.environ, **({} if quick else AT_LENGTH),
            "PROVE_EXAMPLES": str(examples), "PROVE_FIGURES": str(figures),
        }  # fmt: skip
        command = [
            sys.executable, "-m", "pytest", *TESTS, "--timeout", "0", f"--junitxml={junit}",
            "-n", str(processes), "--maxprocesses", str(processes), "--dist", "worksteal",
        ]  # fmt: skip
        subprocess.run(command, cwd=ROOT, env=environment, check=False)
        if not junit.exists():
            raise RuntimeError("pytest ended without a result; what it printed says why")
        found = [json.loads(line) for line in figures.read_text().splitlines()]
        return page(found, ElementTree.parse(junit).getroot(), examples)


def page(figures: list[dict[str, Any]], junit: ElementTree.Element, examples: int) -> Page:
    """Lay out what the tests left.

    Arguments:
        figures: lines of `PROVE_FIGURES`.
        junit: the result of pytest.
        examples: random programs for each family.
    """
    tests, failed = _modules(junit)
    by_kind: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in figures:
        by_kind[line["kind"]].append(line)
    families = _families(by_kind["random program"])
    counts = sorted(by_kind["oracle count"], key=lambda line: (line["strategy"], line["name"]))
    orders = by_kind["order of creation"]
    pairs = sorted(by_kind["filesystem pairs"], key=lambda line: str(line["name"]))
    total = Counter[str]()
    for counted in families.values():
        total.update(counted)
    parts = [
        f"{sum(tests.values()):,} tests; {len(failed)} failed. A test that failed is named at the end.",
        f"## Random programs\n\n{examples} programs of each family, drawn by Hypothesis. Optimal DPOR, "
        "sleep-set DFS and plain enumeration reach the same final states (files included), the same "
        "deadlocks; the first two complete the same number of executions. A program too large for one of "
        "them within its limit is counted, and not compared with that one.",
        table(
            ["family", "programs", "explored to the end", "same as sleep-set DFS", "same as enumeration",
             "executions", "of enumeration", "with a deadlock"],
            [[name, *(one[key] for key in _KEYS)] for name, one in sorted(families.items())]
            + [["all", *(total[key] for key in _KEYS)]],
        ),
        f"{len(orders):,} programs whose threads were created in another order had the same verdict, "
        "count and final states.",
        "## Known counts\n\nExecutions against the number of Mazurkiewicz traces that the literature gives; "
        "`blocked` are executions cut off.",
        table(
            ["program", "strategy", "known", "executions", "deadlocks", "blocked"],
            [[line[key] for key in ("name", "strategy", "count", "executions", "deadlocks", "blocked")]
             for line in counts],
        ),
        "## Pairs of file calls",
        f"{_sum(pairs, 'pairs'):,} pairs over {len(pairs)} trees, both orders executed on the real "
        f"filesystem: {_sum(pairs, 'wrong')} called independent that do not commute; "
        f"{_sum(pairs, 'coarse'):,} called dependent that do (they cost executions, never a trace; "
        "`tests/interposition/false_dependence.json` lists a part).",
        "## Tests by module",
        table(["module", "tests"], [[name, count] for name, count in sorted(tests.items())]),
        "\n".join(f"* FAILED {name}" for name in failed),
    ]  # fmt: skip
    data = {
        "examples": examples, "tests": tests, "failed": failed, "families": families, "counts": counts,
        "orders_of_creation": len(orders), "filesystem_pairs": pairs,
    }  # fmt: skip
    return Page("explorer", "The explorer, proved", "\n\n".join(parts), data, good=not failed)


_KEYS = ("programs", "explored", "slept", "enumerated", "executions", "plain_executions", "deadlocks")


def _sum(lines: Iterable[dict[str, Any]], key: str) -> int:
    return sum(line[key] for line in lines)


def _families(lines: Iterable[dict[str, Any]]) -> dict[str, Counter[str]]:
    families: dict[str, Counter[str]] = defaultdict(Counter)
    for line in lines:
        counted = families[line["name"]]
        counted["programs"] += 1
        if not line["too_large"]:
            counted["explored"] += 1
            for key in _KEYS[2:]:
                counted[key] += int(line[key])
    return dict(families)


def _modules(junit: ElementTree.Element) -> tuple[dict[str, int], list[str]]:
    """Count the tests of each module that were not skipped, and name those that failed."""
    tests: Counter[str] = Counter()
    failed = []
    for case in junit.iter("testcase"):
        module = case.get("classname", "")
        if case.find("skipped") is not None:
            continue
        tests[module] += 1
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(f"{module}::{case.get('name')}")
    return dict(tests), failed
