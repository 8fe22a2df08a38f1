"""What tells a mutant of the explorer from the real one."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import literature
from random_programs import ended, enumeration, generate, outcome

from schedule_explorer import explore
from schedule_explorer.errors import ExplorerError
from schedule_explorer.strategies.optimal_dpor import OptimalDPOR

LIMITS: dict[str, Any] = {"max_executions": 400, "time_limit": 2.0}


def told_by_random_programs(families: tuple[str, ...], seeds: range) -> bool:
    """Say whether some random program of these families tells this explorer from plain enumeration."""
    for seed in seeds:
        program = generate(Random(seed), families)
        dpor = OptimalDPOR()
        try:
            plain, states = outcome(program, enumeration(program), **LIMITS)
            if not ended(plain, **LIMITS):
                continue
            # No strategy needs more executions than the plain enumeration: to be stopped would tell as well.
            reduced, finals = outcome(program, dpor, max_executions=LIMITS["max_executions"])
        except (ExplorerError, AssertionError, LookupError):
            return True
        if finals != states or dpor.infeasible or bool(plain.deadlocks) != bool(reduced.deadlocks):
            return True
    return False


def told_by_counts(*names: str) -> bool:
    for known in (*literature.SMALL, *literature.LARGE):
        if known.name in names:
            dpor = OptimalDPOR()
            result = explore(known.body, dpor, stop_at_first_failure=False, max_executions=2 * known.count)
            if (result.executions, result.blocked, dpor.infeasible) != (known.count, 0, 0):
                return True
    return False


def searched(body: Callable[[], object], timeouts: str = "any") -> tuple[int, int, int, int]:
    """Return executions, those cut off, branches that could not be run, and deadlocks."""
    dpor = OptimalDPOR()
    result = explore(body, dpor, stop_at_first_failure=False, timeouts=timeouts)
    return result.executions, result.blocked, dpor.infeasible, result.deadlocks
