"""explore() and replay() from the outside."""

from __future__ import annotations

import queue
import threading
import time

import pytest
from lost_update import lost_update

from schedule_explorer import Verdict, explore, replay
from schedule_explorer.errors import DivergenceError


def polling_writer() -> None:
    items: queue.Queue[int | None] = queue.Queue()
    got: list[int] = []

    def write() -> None:
        while True:
            try:
                item = items.get(timeout=1.0)
            except queue.Empty:
                continue
            if item is None:
                return
            got.append(item)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    items.put(1)
    items.put(None)
    writer.join()
    assert got == [1]


@pytest.mark.parametrize("strategy", ["sleep-set-dfs", "random"])
def test_lost_update_is_found_and_replays(strategy: str) -> None:
    result = explore(lost_update, strategy, max_executions=200)
    assert result.verdict is Verdict.FAILED
    assert result.failure is not None
    assert "an update was lost" in str(result.failure.error)
    for _ in range(20):
        again = replay(lost_update, result.failure.schedule)
        assert again.failure is not None
        assert type(again.failure.error) is AssertionError


def test_explanation_marks_the_pair_and_ends_with_the_token() -> None:
    failure = explore(lost_update).failure
    assert failure is not None
    text = failure.explain()
    assert "<1> " in text and "<2> " in text
    assert text.splitlines()[-1] == failure.schedule
    assert "lost_update.py" in text


def test_polling_loop_is_exhausted() -> None:
    result = explore(polling_writer)
    assert result.verdict is Verdict.PROVED, result.reason


def test_notify_wakes_any_waiter() -> None:
    seen = set()

    def body() -> None:
        condition, ready, woken = threading.Condition(), [0], []

        def wait(name: str) -> None:
            with condition:
                ready[0] += 1
                condition.notify_all()
                while ready[0] < 10:
                    condition.wait()
                if not woken:
                    woken.append(name)

        threads = [threading.Thread(target=wait, args=(n,)) for n in "ab"]
        for thread in threads:
            thread.start()
        with condition:
            while ready[0] < 2:
                condition.wait()
            ready[0] = 10
            condition.notify()
            condition.notify()
        for thread in threads:
            thread.join()
        seen.add(woken[0])

    assert explore(body).verdict is Verdict.PROVED
    assert seen == {"a", "b"}


def test_sleep_costs_nothing_and_time_is_virtual() -> None:
    def body() -> None:
        before = time.monotonic()
        time.sleep(3600)
        assert time.monotonic() - before == 3600

    started = time.perf_counter()
    assert explore(body).verdict is Verdict.PROVED
    assert time.perf_counter() - started < 60


def test_everything_is_put_back() -> None:
    names = (threading.Lock, threading.Thread.start, queue.Queue.get, time.sleep, threading.Event.set)
    explore(lost_update)
    assert names == (
        threading.Lock, threading.Thread.start, queue.Queue.get, time.sleep, threading.Event.set
    )


def test_replay_of_another_program_diverges() -> None:
    failure = explore(lost_update).failure
    assert failure is not None
    with pytest.raises(DivergenceError):
        replay(polling_writer, failure.schedule)


def test_in_quiet_mode_a_wait_that_ran_out_races_with_what_could_have_ended_it() -> None:
    """The first schedule takes the item back before the reader runs, whose wait then runs out."""
    taken = set()

    def body() -> None:
        items: queue.Queue[int] = queue.Queue()
        found = []

        def read() -> None:
            try:
                found.append(items.get(timeout=1.0))
            except queue.Empty:
                found.append(None)

        reader = threading.Thread(target=read)
        reader.start()
        items.put(1)
        try:
            items.get_nowait()
        except queue.Empty:
            pass
        reader.join()
        taken.add(found[0])

    for strategy in ("optimal-dpor", "sleep-set-dfs"):
        taken.clear()
        assert explore(body, strategy, timeouts="quiet").executions == 2
        assert taken == {None, 1}
