"""Programs of the model checkers' suites: both strategies and plain enumeration count the same traces."""

from __future__ import annotations

import pytest
from classics import CLASSICS, ENUMERATED
from literature import Known
from telling import searched

from schedule_explorer import explore
from schedule_explorer.runtime import Trace
from schedule_explorer.strategies.happens_before import HappensBefore
from schedule_explorer.strategies.sleep_set_dfs import SleepSetDFS

pytestmark = pytest.mark.usefixtures("interposed_once")


class Enumeration(SleepSetDFS):
    """Runs every interleaving, and keeps the happens-before of each."""

    def __init__(self) -> None:
        super().__init__(reduce=False, at_once=True)  # nobody looks at the threads
        self.traces: set[object] = set()

    def finish(self, trace: Trace) -> None:
        super().finish(trace)
        happens = HappensBefore()
        happens.extend(trace)
        place: dict[int, int] = {}
        names = []
        for event in trace.events:
            place[event.tid] = place.get(event.tid, 0) + 1
            names.append((event.tid, place[event.tid], event.kind))
        self.traces.add(frozenset(
            (names[index], frozenset(name for i, name in enumerate(names) if before >> i & 1))
            for index, before in enumerate(happens.before)
        ))


@pytest.mark.parametrize("known", CLASSICS, ids=lambda known: known.name)
def test_both_strategies_complete_one_execution_of_each_trace(known: Known) -> None:
    assert searched(known.body) == (known.count, 0, 0, known.deadlocks)
    slept = explore(known.body, "sleep-set-dfs", stop_at_first_failure=False)
    assert (slept.executions, slept.deadlocks) == (known.count, known.deadlocks)


@pytest.mark.parametrize("known", ENUMERATED, ids=lambda known: known.name)
def test_enumeration_meets_as_many_traces(known: Known) -> None:
    plain = Enumeration()
    explore(known.body, plain, stop_at_first_failure=False)
    assert len(plain.traces) == known.count
