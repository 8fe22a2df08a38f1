"""The original store: on real threads it works, under the explorer its race is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from schedule_explorer import Verdict, explore, replay
from schedule_explorer.errors import OrphanFileError
from schedule_explorer.targets.original_store import OriginalStore, orphan_program
from schedule_explorer.targets.original_store.program import _states


@pytest.mark.parametrize("barrier", [False, True], ids=["before_fix", "after_fix"])
def test_round_trip_on_real_threads(tmp_path: Path, barrier: bool) -> None:
    store = OriginalStore(tmp_path, barrier=barrier)
    assert store.save("r", 1, [b"data"], _states)
    store.shutdown()
    assert (tmp_path / "r" / "1.safetensors").exists()
    loaded = store.load("r", 1)
    assert loaded is not None and loaded[0]["state"] == (b"data",)
    store.cleanup_request("r")
    assert store.load("r", 1) is None
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize("strategy", ["sleep-set-dfs", *[f"random {seed}" for seed in range(10)]])
def test_zoo_bug_1_in_hand_orphan(strategy: str) -> None:
    name, _, seed = strategy.partition(" ")
    body = orphan_program(barrier=False)
    result = explore(body, name, seed=int(seed or 0), max_executions=2000)
    assert result.failure is not None, result.reason
    assert isinstance(result.failure.error, OrphanFileError)
    for _ in range(100):
        assert isinstance(replay(body, result.failure.schedule).failures[0].error, OrphanFileError)


def test_fix_holds_where_no_wait_times_out() -> None:
    result = explore(orphan_program(barrier=True), timeouts="quiet")
    assert (result.verdict, result.failures) == (Verdict.UNFINISHED, [])


def test_fix_leaves_an_orphan_when_its_barrier_times_out() -> None:
    result = explore(orphan_program(barrier=True))
    assert result.failure is not None
    assert isinstance(result.failure.error, OrphanFileError)
