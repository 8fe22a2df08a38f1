"""Small random programs of file operations: the reduced exploration reaches every final state."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from filesystem_alphabet import TREES, operations
from filesystem_pairs import State, plain, snapshot

from schedule_explorer import Result, Verdict, explore, fresh_dir
from schedule_explorer.interposition.context import virtual
from schedule_explorer.operations import WRITE, Operation
from schedule_explorer.runtime import Execution, VirtualThread

pytestmark = pytest.mark.usefixtures("interposed_once")

OPERATIONS = operations()
DEEP = os.environ.get("FILESYSTEM_PAIRS") == "1"
LIMIT = 3000 if DEEP else 250


def explored(tree: str, threads: list[list[str]], strategy: str) -> tuple[Result, set[str]]:
    """Run every thread's operations from `tree`; return all results with the final trees."""
    seen: set[str] = set()

    def body() -> None:
        state = State(str(fresh_dir()))
        TREES[tree](state)
        results: list[list[Any]] = [[] for _ in threads]

        def work(index: int) -> None:
            for name in threads[index]:
                try:
                    results[index].append(plain(OPERATIONS[name][1](state)))
                except Exception as error:
                    results[index].append(plain(error))

        started = [threading.Thread(target=work, args=(index,)) for index in range(len(threads))]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()
        execution = virtual()
        assert execution is not None
        seen.add(repr((results, snapshot(execution, state))))

    return explore(body, strategy, max_executions=LIMIT), seen


def program(seed: int) -> tuple[str, list[list[str]]]:
    draw = random.Random(seed)
    names = list(OPERATIONS)
    return draw.choice(list(TREES)), [
        [draw.choice(names) for _ in range(draw.choice([1, 1, 2]))] for _ in range(draw.choice([2, 2, 2, 3]))
    ]


@pytest.mark.parametrize("seed", range(400 if DEEP else 60))
def test_two_strategies_agree(seed: int) -> None:
    one, finals = explored(*program(seed), "optimal-dpor")
    if one.verdict is Verdict.UNFINISHED and one.executions >= LIMIT:
        pytest.skip("too many schedules")
    two, others = explored(*program(seed), "sleep-set-dfs")
    assert (one.verdict, one.executions) == (two.verdict, two.executions)
    assert one.verdict is Verdict.PROVED, one.reason
    assert finals == others


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(1000, 1200 if DEEP else 1020))
def test_nothing_is_lost_against_all_schedules(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    _, finals = explored(*program(seed), "optimal-dpor")
    perform: Callable[..., Any] = Execution._perform

    def all_conflict(self: Execution, thread: VirtualThread, operation: Operation) -> Any:
        try:
            return perform(self, thread, operation)
        finally:
            if operation.kind not in ("thread.begin", "thread.start", "thread.end"):
                event = self.trace.events[thread.event]
                event.accesses = (*event.accesses, ("all", WRITE))

    monkeypatch.setattr(Execution, "_perform", all_conflict)
    result, everything = explored(*program(seed), "sleep-set-dfs")
    if result.executions >= LIMIT:
        assert finals >= everything
    else:
        assert finals == everything
