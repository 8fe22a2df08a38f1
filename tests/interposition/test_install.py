"""interposed() around many explorations."""

from __future__ import annotations

import threading
import time

import pytest

from schedule_explorer import Verdict, explore
from schedule_explorer.interposition import install
from schedule_explorer.interposition.install import interposed

NAMES = ((threading, "Lock"), (threading, "Thread"), (time, "sleep"))


def lost_update() -> None:
    box = [0]
    lock = threading.Lock()

    def add() -> None:
        with lock:
            old = box[0]
        time.sleep(1.0)
        with lock:
            box[0] = old + 1

    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert box == [2]


def test_a_block_within_another_one_leaves_everything_to_the_outer_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[object] = []
    modules_under_test = install._modules_under_test
    monkeypatch.setattr(
        install, "_modules_under_test", lambda modules: looked.append(modules) or modules_under_test(modules)
    )
    real = [getattr(owner, name) for owner, name in NAMES]
    alone = explore(lost_update)
    looked.clear()
    with interposed():
        outside = [getattr(owner, name) for owner, name in NAMES]
        within = [explore(lost_update) for _ in range(2)]
        assert [getattr(owner, name) for owner, name in NAMES] == outside != real
        started = time.monotonic()
        time.sleep(0.01)
        assert time.monotonic() - started >= 0.01, "outside an execution the clock is the real one"
    assert [getattr(owner, name) for owner, name in NAMES] == real
    assert len(looked) == 1, "the modules are looked through once"
    assert alone.failure is not None and alone.verdict is Verdict.FAILED
    for result in within:
        assert result.failure is not None
        assert (result.executions, result.failure.schedule) == (alone.executions, alone.failure.schedule)
