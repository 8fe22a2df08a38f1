"""What is not controlled, or keeps state, is named as an error; it neither hangs nor passes unseen."""

from __future__ import annotations

import _thread
import itertools
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from schedule_explorer import Verdict, explore
from schedule_explorer.errors import DivergenceError, UncontrolledCallError, UncontrolledThreadError

# In an iterator, where no early binding is looked for.
hidden = itertools.repeat(_thread.start_new_thread)


def test_real_thread_is_named() -> None:
    stop = _thread.allocate_lock()
    stop.acquire()

    def wait() -> None:
        stop.acquire()

    try:
        with pytest.raises(UncontrolledThreadError, match="started a real thread"):
            explore(lambda: next(hidden)(wait, ()))
    finally:
        stop.release()


def test_real_thread_from_before_is_not_waited_for() -> None:
    stop = _thread.allocate_lock()
    stop.acquire()

    def wait() -> None:
        stop.acquire()
        stop.release()

    thread = threading.Thread(target=wait, name="outsider")
    thread.start()
    alive = []
    try:
        with pytest.raises(UncontrolledThreadError, match="outsider"):
            explore(lambda: thread.join())
        assert explore(lambda: alive.append(thread.is_alive())).failure is None
        assert set(alive) == {True}
    finally:
        stop.release()
        thread.join()


OUTLIVED: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "Lock": (lambda: threading.Lock(), lambda lock: lock.acquire()),
    "RLock": (lambda: threading.RLock(), lambda lock: lock.acquire()),
    "Condition": (lambda: threading.Condition(), lambda condition: condition.__enter__()),
    "Event": (lambda: threading.Event(), lambda event: event.set()),
    "Semaphore": (lambda: threading.Semaphore(), lambda semaphore: semaphore.acquire()),
    "Queue": (lambda: queue.Queue(), lambda items: items.put(1)),
    "SimpleQueue": (lambda: queue.SimpleQueue(), lambda items: items.put(1)),
}


@pytest.mark.parametrize("kind", sorted(OUTLIVED))
def test_object_of_an_earlier_execution_is_named(kind: str) -> None:
    make, use = OUTLIVED[kind]
    kept: list[Any] = []

    def body() -> None:
        if not kept:
            kept.append(make())
        use(kept[0])

    with pytest.raises(DivergenceError, match=f"{kind} .* was made in an earlier execution"):
        explore(body)


def test_pool_made_outside_is_named() -> None:
    with ThreadPoolExecutor(1) as pool, pytest.raises(UncontrolledThreadError, match="make the pool in"):
        explore(lambda: pool.submit(abs, 1))


def test_thread_started_twice_over_executions_is_named() -> None:
    thread = threading.Thread(target=lambda: None)
    with pytest.raises(DivergenceError, match="started in an earlier execution"):
        explore(lambda: thread.start())


class Locking(queue.Queue):  # type: ignore[type-arg]
    """Takes a lock while it puts."""

    def _put(self, item: Any) -> None:
        with self.extra:
            super()._put(item)


def test_operation_within_a_hook_is_named() -> None:
    def body() -> None:
        items = Locking()
        items.extra = threading.Lock()  # type: ignore[attr-defined]
        items.put(1)

    with pytest.raises(UncontrolledCallError, match=r"Locking\._put makes operations"):
        explore(body)


def test_operation_below_the_mutex_of_a_queue_is_named() -> None:
    def body() -> None:
        items: queue.Queue[int] = queue.Queue()
        with items.mutex:
            items.put(1)

    with pytest.raises(UncontrolledCallError, match="which is one step"):
        explore(body)


def test_condition_of_a_queue_is_named() -> None:
    with pytest.raises(UncontrolledCallError, match="not_empty is used directly"):
        explore(lambda: queue.Queue().not_empty)  # type: ignore[arg-type]


def test_hook_for_exceptions_is_called_and_the_execution_fails() -> None:
    seen = []
    before = threading.excepthook

    def body() -> None:
        threading.excepthook = lambda given: seen.append((given.exc_type, given.thread.name))  # type: ignore[union-attr]
        thread = threading.Thread(target=lambda: 1 / 0, name="worker")
        thread.start()
        thread.join()

    result = explore(body)
    assert result.failure is not None and isinstance(result.failure.error, ZeroDivisionError)
    assert (ZeroDivisionError, "worker") in seen
    assert threading.excepthook is before


def test_idle_worker_of_a_pool_is_no_deadlock() -> None:
    def body() -> None:
        pool = ThreadPoolExecutor(1)
        assert pool.submit(abs, -1).result() == 1
        pool.itself = pool  # type: ignore[attr-defined]

    assert explore(body).verdict is Verdict.PROVED


def test_task_of_a_pool_that_never_ends_is_a_deadlock() -> None:
    def body() -> None:
        ThreadPoolExecutor(1).submit(threading.Event().wait)

    assert explore(body).deadlocks
