"""Queues in a body: the same calls on real ones, SimpleQueue as a type, subclasses, shutdown."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_locks import outcomes

from schedule_explorer import Verdict, explore


class Doubled(queue.Queue):  # type: ignore[type-arg]
    """Puts every item in twice."""

    def __init__(self, maxsize: int = 0) -> None:
        super().__init__(maxsize)
        self.word = "doubled"

    def _put(self, item: Any) -> None:
        super()._put((item, item))


MAKERS: dict[str, Callable[[], Any]] = {
    "fifo": lambda: queue.Queue(), "bounded": lambda: queue.Queue(2), "lifo": lambda: queue.LifoQueue(2),
    "priority": lambda: queue.PriorityQueue(), "simple": lambda: queue.SimpleQueue(),
    "subclass": lambda: Doubled(2),
}
SHARED: list[tuple[str, tuple[Any, ...]]] = [
    ("put", (3, False)), ("put", (1, True, 0.001)), ("put_nowait", (2,)), ("get", (False,)),
    ("get", (True, 0)), ("get", (True, 0.001)), ("get_nowait", ()), ("qsize", ()),
    ("empty", ()), ("get", (True, -1)),
    ("put", (1, True, -1)),
]
ONLY_QUEUE: list[tuple[str, tuple[Any, ...]]] = [("full", ()), ("task_done", ()), ("put", ("x", False))]

#: call sequences for each family of objects; ``make prove-explorer`` takes more
EXAMPLES = int(os.environ.get("PROVE_EXAMPLES", "12"))


@pytest.mark.parametrize("family", sorted(MAKERS))
def test_calls_do_what_they_do_on_a_real_queue(family: str) -> None:
    calls = SHARED if family == "simple" else SHARED + ONLY_QUEUE

    @settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None,
              suppress_health_check=list(HealthCheck))
    @given(st.lists(st.sampled_from(calls), max_size=10))
    def agree(chosen: list[tuple[str, tuple[Any, ...]]]) -> None:
        found: list[str] = []

        def body() -> None:
            found[:] = outcomes(MAKERS[family], chosen)

        explore(body, max_executions=1)
        assert found == outcomes(MAKERS[family], chosen)

    agree()


def test_simple_queue_is_a_type() -> None:
    made_before = queue.SimpleQueue[int]()

    def body() -> None:
        items: queue.SimpleQueue[int] = queue.SimpleQueue()
        assert isinstance(items, queue.SimpleQueue) and isinstance(made_before, queue.SimpleQueue)
        assert not isinstance(items, queue.Queue) and not isinstance(3, queue.SimpleQueue)
        assert queue.SimpleQueue[int]
        thread = threading.Thread(target=items.put, args=(1,))
        thread.start()
        assert items.get() == 1
        thread.join()

    result = explore(body)
    assert result.verdict is Verdict.PROVED and result.executions == 1


@pytest.mark.parametrize("maxsize", [0, 1])
@pytest.mark.parametrize("family", ["fifo", "lifo", "priority", "subclass"])
def test_strategies_agree(family: str, maxsize: int) -> None:
    kinds = {"fifo": queue.Queue, "lifo": queue.LifoQueue, "priority": queue.PriorityQueue,
             "subclass": Doubled}
    counts, finals = {}, {}
    for strategy in ("optimal-dpor", "sleep-set-dfs"):
        seen = set()

        def body(seen: set[Any] = seen) -> None:
            items: Any = kinds[family](maxsize)
            threads = [threading.Thread(target=items.put, args=(n,)) for n in range(2)]
            for thread in threads:
                thread.start()
            seen.add((items.get(), items.get()))
            for thread in threads:
                thread.join()

        counts[strategy] = explore(body, strategy).executions
        finals[strategy] = seen
    assert counts["optimal-dpor"] == counts["sleep-set-dfs"]
    assert finals["optimal-dpor"] == finals["sleep-set-dfs"]


def test_queue_filled_before_carries_no_order() -> None:
    def body() -> None:
        items: queue.Queue[int] = queue.Queue()
        items.queue.append(0)
        thread = threading.Thread(target=items.put, args=(1,))
        thread.start()
        assert [items.get(), items.get()] == [0, 1]
        thread.join()

    assert explore(body).verdict is Verdict.PROVED


@pytest.mark.skipif(not hasattr(queue.Queue, "shutdown"), reason="new in Python 3.13")
@pytest.mark.parametrize("immediate", [False, True])
def test_shutdown_wakes_who_waits(immediate: bool) -> None:
    seen = set()

    def body() -> None:
        items: Any = queue.Queue()
        found: list[Any] = []

        def take() -> None:
            try:
                found.append(items.get())
                found.append(items.get())
            except Exception as error:
                found.append(type(error).__name__)

        thread = threading.Thread(target=take)
        thread.start()
        items.put(1)
        items.shutdown(immediate)
        thread.join()
        seen.add(tuple(found))

    assert explore(body).failure is None
    assert seen == {(1, "ShutDown")} | ({("ShutDown",)} if immediate else set())
