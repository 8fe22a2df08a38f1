"""Greenlets run one virtual thread after another: nothing of a thread may reach the next one."""

from __future__ import annotations

import contextvars
import gc
import threading

import greenlet

from schedule_explorer import SharedVariable, explore

variable = contextvars.ContextVar("variable", default=0)


def greenlets() -> int:
    gc.collect()
    return sum(isinstance(held, greenlet.greenlet) for held in gc.get_objects())


def test_a_thread_finds_no_context_variable_of_another() -> None:
    def body() -> None:
        found = []

        def look() -> None:
            found.append(variable.get())
            variable.set(1)

        look()
        for _ in range(3):
            thread = threading.Thread(target=look)
            thread.start()
            thread.join()
        assert found == [0, 0, 0, 0]

    assert explore(body, "random", max_executions=3).failure is None


def test_no_greenlet_outlives_an_exploration() -> None:
    def body() -> None:
        shared, lock = SharedVariable(0), threading.Lock()
        threads = [threading.Thread(target=shared.store, args=(i,)) for i in range(3)]
        threads.append(threading.Thread(target=lambda: lock.acquire() and lock.acquire(), daemon=True))
        for thread in threads:
            thread.start()

    explore(body, "random", max_executions=1)
    before = greenlets()
    explore(body, "random", max_executions=20)
    assert greenlets() == before


def test_no_thread_begins_deeper_than_those_of_earlier_executions() -> None:
    rooms = []

    def room(depth: int = 0) -> int:
        try:
            return room(depth + 1)
        except RecursionError:
            return depth

    def body() -> None:
        lock = threading.Lock()
        lock.acquire()
        threads = [threading.Thread(target=lock.acquire, daemon=True) for _ in range(3)]
        threads.append(threading.Thread(target=lambda: rooms.append(room())))
        for thread in threads:
            thread.start()
        threads[-1].join()

    explore(body, "random", max_executions=60)
    assert len(rooms) >= 60
    assert max(rooms) - min(rooms) < 50
