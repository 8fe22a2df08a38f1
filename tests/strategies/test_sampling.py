"""Strategies that sample, that are bounded, and the portfolio: what they find and what they may claim."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from lost_update import lost_update

from schedule_explorer import SharedVariable, Verdict, explore

pytestmark = pytest.mark.usefixtures("interposed_once")


def no_bug() -> None:
    counter = SharedVariable(0)
    threads = [threading.Thread(target=lambda: counter.update(lambda v: v + 1)) for _ in range(3)]
    for thread in threads:
        thread.start()


@pytest.mark.parametrize("strategy", ["random", "pct", "pos", None])
@pytest.mark.parametrize("seed", range(5))
def test_finds_a_lost_update_and_the_same_seed_finds_the_same(strategy: str | None, seed: int) -> None:
    first, second = (explore(lost_update, strategy, seed=seed, max_executions=300) for _ in range(2))
    assert first.failure is not None and second.failure is not None
    assert first.failure.schedule == second.failure.schedule
    assert first.executions == second.executions


@pytest.mark.parametrize("strategy", ["random", "pct", "pos"])
def test_sampling_proves_nothing(strategy: str) -> None:
    result = explore(no_bug, strategy, max_executions=100)
    assert result.verdict is Verdict.UNFINISHED
    assert "100 executions" in result.reason


def test_portfolio_proves_after_its_burst() -> None:
    result = explore(no_bug, None)
    assert result.verdict is Verdict.PROVED
    assert result.executions == 50 + explore(no_bug).executions == 50 + 6


@pytest.mark.parametrize(("bound", "found"), [(0, False), (1, True)])
def test_preemption_bound_finds_what_it_allows_and_proves_nothing(bound: int, found: bool) -> None:
    result = explore(lost_update, preemption_bound=bound)
    assert (result.failure is not None) is found
    if not found:
        assert result.verdict is Verdict.UNFINISHED
        assert f"at most {bound} preemptions" in result.reason


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"strategy": "dpor"}, "'dpor'"),
        ({"max_executions": 0}, "max_executions is 0"),
        ({"time_limit": -1.0}, "time_limit is -1"),
        ({"preemption_bound": -1}, "preemption_bound is -1"),
        ({"timeouts": "never"}, "'never'"),
        ({"step_timeout": 0.0}, "step_timeout is 0"),
        ({"max_steps": 0}, "max_steps is 0"),
    ],
)
def test_bad_argument_is_named(arguments: dict[str, object], said: str) -> None:
    run: Callable[..., object] = explore
    with pytest.raises(ValueError, match=said):
        run(no_bug, **arguments)
