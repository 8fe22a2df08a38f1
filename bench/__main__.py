"""Run the rows that are named, or all: ``python -m bench [row ...] [--json FILE] [--quick]``."""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.measure import NotMeasuredError, Options, Table, progress
from bench.rows import bookkeeping, memory, original_store, peers, store

ROWS: dict[str, Callable[[Options], list[Table]]] = {
    "store": store.run,
    "original-store": original_store.run,
    "bookkeeping": bookkeeping.run,
    "memory": memory.run,
    "peers": peers.run,
}


def measure(name: str, options: Options) -> tuple[list[Table], bool]:
    """Run one row; what goes wrong is a table that says so. The second value is False when the row broke."""
    try:
        return ROWS[name](options), True
    except NotMeasuredError as error:
        return [Table(name, problems=[str(error)])], True
    except Exception as error:
        # One row that breaks must not take the others with it; it is told, and sets the exit status.
        logging.getLogger(__name__).exception("row %s", name)
        return [Table(name, problems=[f"{type(error).__name__}: {error}"])], False


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when no row broke, whatever the ratios are."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="row", help=f"of {', '.join(ROWS)}; else all")
    parser.add_argument("--json", metavar="FILE", help="write the tables there, too")
    parser.add_argument("--quick", action="store_true", help="small sizes: see that every row runs")
    parser.add_argument("--peer-timeout", type=float, default=60.0, metavar="SECONDS",
                        help="for one exploration by another tool (60)")
    parser.add_argument("--million", action="store_true", help="memory: go on to 1,000,000 executions")
    given = parser.parse_args(arguments)
    for name in given.rows:
        if name not in ROWS:
            parser.error(f"there is no row {name!r}: take one of {', '.join(ROWS)}")
    options = Options(quick=given.quick, peer_timeout=given.peer_timeout, million=given.million)
    tables: list[Table] = []
    broken = 0
    for name in given.rows or ROWS:
        started = time.perf_counter()
        progress(f"row {name}")
        found, whole = measure(name, options)
        broken += not whole
        tables += found
        progress(f"row {name}: {time.perf_counter() - started:.0f} s")
        for table in found:
            print(f"\n{table.text()}", flush=True)
    missed = [r.name for table in tables for r in table.ratios if r.reached is False]
    problems = [problem for table in tables for problem in table.problems]
    reached = sum(r.reached is True for table in tables for r in table.ratios)
    print(f"\n{reached} reached, {len(missed)} missed, {len(problems)} not measured")
    if given.json:
        Path(given.json).write_text(
            json.dumps({"machine": _machine(options), "tables": [t.data() for t in tables]}, indent=2) + "\n",
            encoding="utf-8",
        )
    return 1 if broken else 0


def _machine(options: Options) -> dict[str, Any]:
    """Say what the numbers were taken on."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "quick": options.quick,
    }


if __name__ == "__main__":
    sys.exit(main())
