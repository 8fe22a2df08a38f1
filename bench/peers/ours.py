"""The programs under this explorer: ``python -m bench.peers.ours PROGRAM exhaust|find SECONDS``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

from bench import programs
from bench.peers.clock import Outcome, report
from schedule_explorer import Verdict, explore

BODIES: dict[str, Callable[..., None]] = {
    "increments": partial(programs.increments, 3),
    "appends": programs.appends,
    "dining": programs.dining,
    "in-hand": programs.in_hand,
    "queue-fed": programs.queue_fed,
}
_VERDICTS = {Verdict.PROVED: "holds", Verdict.FAILED: "failed", Verdict.UNFINISHED: "inconclusive"}


def run(name: str, check: bool, limit: float) -> Outcome:
    """Explore until all is run, with `check` until the first failure."""
    result = explore(partial(BODIES[name], check=check), time_limit=limit, simplify=0)
    exhausted = result.verdict is Verdict.PROVED
    return Outcome(result.executions, _VERDICTS[result.verdict], exhausted, result.reason)


if __name__ == "__main__":
    report(lambda limit: run(sys.argv[1], sys.argv[2] == "find", limit), float(sys.argv[3]))
