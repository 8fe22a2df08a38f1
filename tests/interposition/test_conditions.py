"""threading.Condition: who is woken, what a timed wait loses, and wait_for on the virtual clock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from schedule_explorer import Verdict, explore


@pytest.mark.parametrize("make", [threading.Condition, lambda: threading.Condition(threading.Lock()),
                                  lambda: threading.Condition(threading.RLock())],
                         ids=["default", "lock", "rlock"])
@pytest.mark.parametrize("timeouts", ["any", "quiet"])
@pytest.mark.parametrize("timeout", [None, 2.0])
def test_wait_for(make: Callable[[], Any], timeouts: str, timeout: float | None) -> None:
    seen = set()

    def body() -> None:
        condition, ready = make(), []

        def arrive() -> None:
            with condition:
                ready.append(1)
                condition.notify_all()

        thread = threading.Thread(target=arrive)
        thread.start()
        with condition:
            seen.add(bool(condition.wait_for(lambda: ready, timeout)))
        thread.join()

    result = explore(body, timeouts=timeouts)
    assert result.failure is None and "planned" not in result.reason
    assert seen == ({True, False} if timeout and timeouts == "any" else {True})


def test_waiting_keeps_the_depth_of_an_rlock() -> None:
    def body() -> None:
        condition, ready = threading.Condition(), []

        def arrive() -> None:
            with condition:
                ready.append(1)
                condition.notify()

        thread = threading.Thread(target=arrive)
        with condition, condition:
            thread.start()
            while not ready:
                condition.wait()
        with pytest.raises(RuntimeError):
            condition.release()
        thread.join()

    assert explore(body).verdict is Verdict.PROVED


def test_notify_between_expiry_and_reacquiring_is_lost() -> None:
    """The waiter that has expired is still on the list: a notify may pick it, and wakes nobody."""
    seen = set()

    def body() -> None:
        condition = threading.Condition()
        woken: dict[str, bool] = {}

        def wait(name: str, timeout: float | None) -> None:
            with condition:
                woken[name] = condition.wait(timeout)

        threads = [
            threading.Thread(target=wait, args=("timed", 1.0)),
            threading.Thread(target=wait, args=("patient", None), daemon=True),
        ]
        for thread in threads:
            thread.start()
        with condition:
            both = len(condition._waiters) == 2  # type: ignore[attr-defined]
            condition.notify()
        threads[0].join()
        if both:
            seen.add((woken["timed"], "patient" in woken))

    result = explore(body)
    assert result.failure is None
    # expired, and the notify that picked it woke nobody
    assert (False, False) in seen
    assert (True, False) in seen


def test_notify_without_the_lock_is_an_error() -> None:
    def body() -> None:
        condition = threading.Condition()
        for call in (condition.notify, condition.notify_all, condition.wait):
            with pytest.raises(RuntimeError, match="un-acquired lock"):
                call()

    assert explore(body).verdict is Verdict.PROVED


class OwnLock:
    """A lock class of the program."""

    def __init__(self) -> None:
        self.inner = threading.Lock()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        return self.inner.acquire(blocking, timeout)

    def release(self) -> None:
        self.inner.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc: object) -> None:
        self.release()


def test_condition_on_a_lock_class_of_the_program() -> None:
    def body() -> None:
        condition, ready = threading.Condition(OwnLock()), []  # type: ignore[arg-type]

        def arrive() -> None:
            with condition:
                ready.append(1)
                condition.notify()

        thread = threading.Thread(target=arrive)
        thread.start()
        with condition:
            while not ready:
                condition.wait()
        thread.join()

    result = explore(body, max_executions=100)
    assert result.failure is None


class _Holder:
    """Hides a condition made before the exploration where no exploration looks for one."""

    __slots__ = ("condition",)

    def __init__(self) -> None:
        self.condition = threading.Condition()


def test_condition_made_before_is_the_same_in_every_execution() -> None:
    held, orders = _Holder(), set()

    def body() -> None:
        seen: list[int] = []

        def note(number: int) -> None:
            with held.condition:
                seen.append(number)

        threads = [threading.Thread(target=note, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        orders.add(tuple(seen))

    result = explore(body)
    assert (result.executions, orders) == (2, {(0, 1), (1, 0)}), result.reason
