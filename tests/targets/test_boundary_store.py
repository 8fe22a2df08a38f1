"""What the target of the production store looks at, and what it makes of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from schedule_explorer import Verdict, explore, fresh_dir
from schedule_explorer.errors import OrphanFileError
from schedule_explorer.oracles import History, Recorded
from schedule_explorer.programs import Call, client_body, parse
from schedule_explorer.runtime import Execution, current_execution
from schedule_explorer.targets.boundary_store import target

SAVE, CLEANUP = Call("save", ("x", 0)), Call("cleanup_request", ("x",))


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def _steps(execution: Execution) -> int:
    """Return how many steps the main thread has made."""
    return sum(event.tid == 0 for event in execution.trace.events)


def test_which_steps_a_look_makes_depends_on_the_call_alone() -> None:
    def body() -> None:
        store, watching = target().make(fresh_dir()), target()
        execution = current_execution()
        assert execution is not None
        made = [_steps(execution)]
        history = History()
        for _ in range(2):
            watching.look(store, Recorded(0, CLEANUP, 2, 2, 3), history)
            made.append(_steps(execution))
            history.end(history.begin(1, SAVE, 1), True)
        assert made[1] - made[0] == made[2] - made[1] > 0, made

    explore(body, max_executions=1).raise_for_failure()


@pytest.mark.parametrize(
    ("began", "returned", "call", "seen", "told"),
    [
        (0, 1, SAVE, {1}, True), (0, 1, SAVE, set(), False), (0, 3, SAVE, {1}, False),
        (0, None, SAVE, {1}, False), (0, 1, Call("save", ("y", 0)), {1}, False),
    ],
)  # fmt: skip
def test_a_file_is_an_orphan_where_its_save_came_before_the_cleanup(
    began: int, returned: int | None, call: Call, seen: set[int], told: bool
) -> None:
    save = Recorded(0, call, 1, began, returned, True)
    cleanup = Recorded(1, CLEANUP, 2, 2, 4, seen=frozenset(seen))
    if told:
        with pytest.raises(OrphanFileError, match=r"\(x\) returned, and the file of save\(x, 0\)#1 was"):
            target().check_order([save, cleanup])
    else:
        target().check_order([save, cleanup])


@pytest.mark.parametrize(
    "line",
    [
        "save(x,0) | cleanup_request(x)", "save(x,0) | cleanup_request(y)",
        "cleanup_all() | cleanup_request(x)",
    ],
)
def test_both_searches_agree_on_programs_that_look(line: str) -> None:
    counts = []
    for strategy in ("optimal-dpor", "sleep-set-dfs"):
        result = explore(client_body(target(), parse(line)), strategy)
        assert result.verdict is Verdict.PROVED, result.reason
        counts.append(result.executions)
    assert counts[0] == counts[1] > 1
