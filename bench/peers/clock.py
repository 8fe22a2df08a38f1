"""What every tool's module does around its explorations; nothing of the project is imported here."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass


@dataclass
class Outcome:
    """One exploration by one tool.

    Attributes:
        verdict: ``"holds"``, ``"failed"`` or ``"inconclusive"``.
        exhausted: nothing was left to be run; False: cut short.
        reason: what the tool says, when it is inconclusive.
    """

    executions: int
    verdict: str
    exhausted: bool
    reason: str = ""


def report(explore: Callable[[float], Outcome], limit: float) -> None:
    """Explore once, and again while that is short; print the outcome with the median of the seconds.

    The first exploration of a process is not counted when there are others: it imports and warms up.
    """
    times: list[float] = []
    while True:
        started = time.perf_counter()
        outcome = explore(limit)
        times.append(time.perf_counter() - started)
        if len(times) == 6 or sum(times) > 2.0 or outcome.verdict == "inconclusive":
            break
    counted = times[1:] or times
    print(json.dumps({**asdict(outcome), "seconds": statistics.median(counted), "taken": len(counted),
                      "python": sys.version.split()[0]}))
