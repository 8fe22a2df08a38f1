"""Each program of the literature is explored in exactly as many executions as it has traces."""

from __future__ import annotations

import pytest
from figures import leave
from literature import LARGE, SMALL, Known

from schedule_explorer import Verdict, explore
from schedule_explorer.strategies.sleep_set_dfs import SleepSetDFS

pytestmark = pytest.mark.usefixtures("interposed_once")


#: with sleep sets alone most executions of these are cut off; nobody looks at their threads, so their starts
#: and ends need not be tried apart
LONG = frozenset(("Mpat(3)", "lastzero(5)", "readers(5)"))


def check(known: Known, strategy: str) -> int:
    whole = strategy != "sleep-set-dfs" or known.name not in LONG
    chosen = strategy if whole else SleepSetDFS(at_once=True)
    result = explore(known.body, chosen, stop_at_first_failure=False)
    assert (result.executions, result.deadlocks) == (known.count, known.deadlocks)
    proved = Verdict.PROVED if whole else Verdict.UNFINISHED
    assert result.verdict is (Verdict.FAILED if known.deadlocks else proved), result.reason
    leave(
        "oracle count", known.name, strategy=strategy, count=known.count, executions=result.executions,
        deadlocks=result.deadlocks, blocked=result.blocked,
    )  # fmt: skip
    return result.blocked


@pytest.mark.parametrize("known", [*SMALL, *LARGE], ids=lambda known: known.name)
def test_optimal_dpor_completes_one_execution_of_each_trace_and_cuts_off_none(known: Known) -> None:
    assert check(known, "optimal-dpor") == 0


@pytest.mark.parametrize("known", SMALL, ids=lambda known: known.name)
def test_sleep_set_dfs_completes_one_execution_of_each_trace(known: Known) -> None:
    check(known, "sleep-set-dfs")
