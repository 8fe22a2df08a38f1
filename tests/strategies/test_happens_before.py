"""Which pairs of an execution are reversible races."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

import pytest

from schedule_explorer import SharedVariable, explore
from schedule_explorer.runtime import Choice, Trace
from schedule_explorer.strategies.happens_before import HappensBefore


class FirstOnly:
    """Runs threads in the order of their creation, once, and keeps the trace."""

    exhaustive = False

    def __init__(self) -> None:
        self.trace = Trace()
        self._ran = False

    def begin(self) -> bool:
        ran, self._ran = self._ran, True
        return not ran

    def choose(self, choice: Choice) -> int:
        return choice.options[0]

    def finish(self, trace: Trace) -> None:
        self.trace = trace


def races(setup: Callable[[], list[Callable[[], object]]]) -> list[tuple[str, str]]:
    """Run what `setup` returns, a thread each, one after the other; return the kinds of each race."""

    def body() -> None:
        for function in setup():
            threading.Thread(target=function, daemon=True).start()

    strategy = FirstOnly()
    explore(body, strategy)
    known = HappensBefore()
    known.extend(strategy.trace)
    events = strategy.trace.events
    found = [(events[e].kind, events[late].kind) for e, late in known.races]
    for blocked in strategy.trace.blocked:
        found += [(events[e].kind, "blocked") for e in known.blocked_races(blocked)]
    return found


def hold_and_take(*, blocking: bool) -> list[Callable[[], object]]:
    lock = threading.Lock()

    def hold() -> None:
        with lock:
            pass

    return [hold, lambda: lock.acquire(blocking)]


def test_acquire_races_with_acquire_never_with_release() -> None:
    assert races(lambda: hold_and_take(blocking=True)) == [("lock.acquire", "lock.acquire")]


def test_try_acquire_races_with_release() -> None:
    assert races(lambda: hold_and_take(blocking=False)) == [("lock.release", "lock.try_acquire")]


def test_blocked_thread_races_with_the_last_acquire() -> None:
    def setup() -> list[Callable[[], object]]:
        lock = threading.Lock()
        return [lock.acquire, lock.acquire]

    assert races(setup) == [("lock.acquire", "blocked")]


@pytest.mark.parametrize(
    ("nowait", "expected"), [(False, []), (True, [("queue.put", "queue.get_nowait")])]
)
def test_put_and_blocking_get_do_not_race_but_get_nowait_does(
    nowait: bool, expected: list[tuple[str, str]]
) -> None:
    def setup() -> list[Callable[[], object]]:
        items: queue.Queue[int] = queue.Queue()
        return [lambda: items.put(1), items.get_nowait if nowait else items.get]

    assert races(setup) == expected


def test_what_is_kept_is_what_a_new_start_would_give() -> None:
    def body() -> None:
        x = SharedVariable(0)
        for _ in range(3):
            threading.Thread(target=lambda: x.store(x.load() + 1)).start()

    strategy = FirstOnly()
    explore(body, strategy)
    whole, again = HappensBefore(), HappensBefore()
    whole.extend(strategy.trace)
    again.extend(strategy.trace)
    assert whole.races
    for length in range(len(strategy.trace.events) - 1, 0, -1):
        again.truncate(length)
        again.extend(strategy.trace)
        assert (again.before, again.races, again.of_thread) == (whole.before, whole.races, whole.of_thread)
