"""concurrent.futures.ThreadPoolExecutor, unmodified, in a body."""

from __future__ import annotations

import concurrent.futures
import concurrent.futures.thread as pool
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from schedule_explorer import Verdict, explore
from schedule_explorer.targets.original_store import orphan_program


@pytest.mark.parametrize("timeouts", ["any", "quiet"])
def test_results_and_exceptions(timeouts: str) -> None:
    def body() -> None:
        with ThreadPoolExecutor(1) as executor:
            power = executor.submit(pow, 2, 3)
            broken = executor.submit(lambda: 1 / 0)
            assert power.result() == 8
            assert isinstance(broken.exception(), ZeroDivisionError)

    result = explore(body, timeouts=timeouts)
    assert result.failure is None and "planned" not in result.reason
    assert result.executions == explore(body, "sleep-set-dfs", timeouts=timeouts).executions


def test_map_keeps_the_order() -> None:
    def body() -> None:
        with ThreadPoolExecutor(2) as executor:
            assert list(executor.map(abs, [-1, -2])) == [1, 2]

    assert explore(body, max_executions=500).failure is None


def test_as_completed_and_wait() -> None:
    seen = set()

    def body() -> None:
        with ThreadPoolExecutor(2) as executor:
            made = [executor.submit(abs, -number) for number in range(2)]
            seen.add(tuple(future.result() for future in concurrent.futures.as_completed(made)))
            done, left = concurrent.futures.wait(made)
            assert done == set(made) and not left

    assert explore(body, max_executions=500).failure is None
    assert seen == {(0, 1), (1, 0)}


def test_cancel_and_shutdown() -> None:
    seen = set()

    def body() -> None:
        executor = ThreadPoolExecutor(1)
        executor.submit(abs, 1)
        second = executor.submit(abs, 2)
        cancelled = second.cancel()
        seen.add(cancelled)
        executor.shutdown(cancel_futures=True)
        assert second.cancelled() or not cancelled
        with pytest.raises(RuntimeError, match="after shutdown"):
            executor.submit(abs, 3)

    assert explore(body).failure is None
    assert seen == {True, False}


def test_thread_names_are_the_same_in_every_execution() -> None:
    seen = set()

    def body() -> None:
        with ThreadPoolExecutor(1) as executor:
            seen.add(executor.submit(lambda: threading.current_thread().name).result())

    explore(body)
    explore(body)
    assert seen == {"ThreadPoolExecutor-0_0"}


def test_nothing_is_left_behind() -> None:
    lock, queues = pool._global_shutdown_lock, pool._threads_queues  # type: ignore[attr-defined]
    threads = set(threading.enumerate())

    def body() -> None:
        with ThreadPoolExecutor(1) as executor:
            executor.submit(abs, 1)

    explore(body)
    assert pool._global_shutdown_lock is lock and not lock.locked()  # type: ignore[attr-defined]
    assert pool._threads_queues is queues and not queues  # type: ignore[attr-defined]
    assert set(threading.enumerate()) <= threads  # one of an earlier test may end meanwhile
    with ThreadPoolExecutor(1) as executor:
        assert executor.submit(abs, -1).result() == 1


def test_store_in_quiet_mode_runs_what_was_planned() -> None:
    counts = {}
    for strategy in ("optimal-dpor", "sleep-set-dfs"):
        result = explore(orphan_program(barrier=True), strategy, timeouts="quiet")
        assert "planned" not in result.reason
        counts[strategy] = result.executions
    assert counts["optimal-dpor"] == counts["sleep-set-dfs"]


def test_verdict_of_a_pool_is_a_proof() -> None:
    def body() -> None:
        with ThreadPoolExecutor(1) as executor:
            assert executor.submit(abs, -1).result() == 1

    assert explore(body).verdict is Verdict.PROVED
