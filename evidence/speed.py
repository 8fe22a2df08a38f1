"""Speed and memory: the tables of ``make bench``, as ratios within one run."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from evidence.page import Page
from evidence.stamp import ROOT


def run(*, quick: bool = False) -> Page:
    """Run ``python -m bench``; the memory row goes on to a million executions unless `quick`."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "results.json")
        command = [sys.executable, "-m", "bench", "--json", str(file), "--quick" if quick else "--million"]
        ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
        if not file.exists():
            raise RuntimeError(f"the bench ended with {ended.returncode} and wrote nothing")
        return page(ended.stdout, json.loads(file.read_text()), ended.returncode == 0)


def page(printed: str, found: dict[str, Any], whole: bool) -> Page:
    """Lay out what the bench printed.

    Arguments:
        whole: no row broke.
    """
    body = (
        "Two sides are measured in turn in one process, or in one each; a ratio is the median of several "
        "turns. A row that misses its aim says so.\n\n"
        f"```text\n{printed.strip()}\n```"
    )
    return Page("bench", "Speed and memory", body, found, good=whole)
