"""Find the original race, show it, replay it, and say what the fix established."""

from __future__ import annotations

import logging
import sys

from schedule_explorer import Result, explore, replay
from schedule_explorer.shortest import size
from schedule_explorer.targets.original_store import orphan_program


def main() -> int:
    """Return 0 when the race was found before the fix, and replays."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # what the store logs in each of hundreds of executions
    try:
        return _tell()
    finally:
        logging.disable(disabled)


def _tell() -> int:
    print("The store before its fix: save, save, cleanup_all, shutdown, under sleep-set-dfs")
    before = explore(
        orphan_program(barrier=False), "sleep-set-dfs", max_executions=400, stop_at_first_failure=False
    )
    if before.failure is None:
        print(f"the race was not found: {before.verdict.value}, {before.reason}")
        return 1
    # The story with the fewest switches is the easiest to follow.
    failure = min(before.failures, key=lambda found: size(found.trace))
    print(failure.explain())
    print(f"\n{before.failing} of {_count(before)} fail; shown is the one with the fewest switches")
    again = replay(orphan_program(barrier=False), failure.schedule)
    print(f"replayed from its token: {again.verdict.value}: {again.reason}\n")
    print("The store after its fix, the same program")
    quiet = explore(orphan_program(barrier=True), "sleep-set-dfs", timeouts="quiet", time_limit=60)
    print(f"  on a machine on which no wait times out: {_outcome(quiet)}")
    slow = explore(orphan_program(barrier=True), "sleep-set-dfs", time_limit=60)
    print(f"  where any wait may time out: {_outcome(slow)}")
    return 0 if again.failure is not None else 1


def _count(result: Result) -> str:
    return f"{result.executions} executions ({result.blocked} cut off)"


def _outcome(result: Result) -> str:
    return f"{result.verdict.value} after {_count(result)}: {result.reason or 'every schedule was covered'}"


if __name__ == "__main__":
    sys.exit(main())
