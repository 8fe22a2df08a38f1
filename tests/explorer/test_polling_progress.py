"""A polling loop that gets on is not taken for one that repeats itself, wherever its progress is kept.

With real threads each of these loops ends: `proved`, without what follows it, would be false.
"""

from __future__ import annotations

import functools
import queue
import threading
from collections.abc import Callable
from typing import Any

import pytest
from idle_loops import IDLE
from more_loops import MORE
from polling_loops import LOOPS as FIRST
from polling_loops import ROUNDS

from schedule_explorer import SharedVariable, Verdict, explore
from schedule_explorer.strategies.optimal_dpor import OptimalDPOR
from schedule_explorer.strategies.sleep_set_dfs import SleepSetDFS

pytestmark = pytest.mark.usefixtures("interposed_once")

LOOPS = FIRST | MORE


def polling(loop: Callable[[Callable[[], Any]], None]) -> Callable[[], None]:
    def body() -> None:
        event, flag = threading.Event(), SharedVariable(0)

        def work() -> None:
            loop(lambda: event.wait(1.0) and None)
            assert False, "it has ended"  # noqa: B011

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        flag.load()

    return body


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_that_gets_on_is_run_to_its_end(name: str) -> None:
    result = explore(polling(LOOPS[name]))
    assert result.verdict is Verdict.FAILED and "it has ended" in result.reason, result.reason


@pytest.mark.parametrize("name", [name for name in LOOPS if "_to_a_d" not in name])
def test_real_threads_run_it_to_its_end(name: str) -> None:
    rounds_made: list[None] = []
    LOOPS[name](lambda: rounds_made.append(None))
    assert ROUNDS - 1 <= len(rounds_made) <= ROUNDS + 1


@pytest.mark.parametrize("name", IDLE)
def test_a_loop_that_does_not_get_on_is_parked(name: str) -> None:
    def body() -> None:
        event, queue_ = threading.Event(), queue.Queue[int]()
        thread = threading.Thread(target=IDLE[name], args=(event, queue_))
        thread.start()
        event.set()
        queue_.put(1)
        thread.join()

    dpor = OptimalDPOR()
    result = explore(body, dpor)
    assert result.verdict is Verdict.PROVED and not dpor.infeasible, result.reason
    slept = explore(body, "sleep-set-dfs")
    assert slept.executions == result.executions


@pytest.mark.parametrize("name", ["a_cell", "an_attribute_of_a_global", "over_a_list", "up_to_a_deadline"])
def test_strategies_agree_on_a_loop_that_gets_on(name: str) -> None:
    """What the loop leaves, in every schedule, with and without reduction."""
    seen: dict[str, set[tuple[int, int]]] = {}

    def body(finals: set[tuple[int, int]]) -> None:
        event, flag = threading.Event(), SharedVariable(0)
        made: list[int] = []

        def work() -> None:
            LOOPS[name](lambda: made.append(flag.load()) or (event.wait(1.0) and None))
            finals.add((len(made), sum(made)))

        thread = threading.Thread(target=work)
        thread.start()
        flag.store(1)
        thread.join()

    for strategy in (OptimalDPOR(), SleepSetDFS(reduce=False)):
        finals = seen.setdefault(type(strategy).__name__, set())
        result = explore(functools.partial(body, finals), strategy)
        assert result.verdict is Verdict.PROVED, result.reason
    assert seen["OptimalDPOR"] == seen["SleepSetDFS"]
    assert {total for _, total in seen["OptimalDPOR"]} == set(range(ROUNDS + 1)) - {
        ROUNDS for held in [max(made for made, _ in seen["OptimalDPOR"])] if held < ROUNDS
    }
