"""A thread's start and its end are steps: somebody else may come between them and what stands next to them.

None of the programs of `FAILING` may be proved: real threads have the schedule that its docstring names.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from schedule_explorer import Verdict, explore, fresh_dir
from schedule_explorer.strategies.sleep_set_dfs import SleepSetDFS

pytestmark = pytest.mark.usefixtures("interposed_once")


def starts_after_it_was_announced() -> None:
    """Main stops between `set` and `start`."""
    announced = threading.Event()
    worker = threading.Thread(target=lambda: None)

    def other() -> None:
        announced.wait()
        worker.join()

    thread = threading.Thread(target=other)
    thread.start()
    announced.set()
    worker.start()
    thread.join()
    worker.join()


def has_no_identity_yet() -> None:
    """Main stops between `put` and `start`."""
    given: queue.Queue[threading.Thread] = queue.Queue()
    worker = threading.Thread(target=lambda: None)
    seen: list[object] = []
    thread = threading.Thread(target=lambda: seen.append(given.get().ident))
    thread.start()
    given.put(worker)
    worker.start()
    thread.join()
    worker.join()
    assert seen != [None]


def _two_starters(winner: str) -> None:
    worker = threading.Thread(target=lambda: None)
    won: list[str] = []

    def start(name: str) -> None:
        try:
            worker.start()
            won.append(name)
        except RuntimeError:
            pass

    threads = [threading.Thread(target=start, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [winner]


def first_of_two_starters() -> None:
    """B is first."""
    _two_starters("a")


def second_of_two_starters() -> None:
    """A is first."""
    _two_starters("b")


def joined_before_its_start_or_for_ever() -> None:
    """The joiner is first, and is refused; else it waits for ever, which a daemon may."""
    never = threading.Event()
    worker = threading.Thread(target=never.wait, daemon=True)
    threading.Thread(target=worker.join, daemon=True).start()
    worker.start()


def alive_after_its_last_step() -> None:
    """The thread stops after `set`, before it has ended."""
    event = threading.Event()
    thread = threading.Thread(target=event.set)
    thread.start()
    event.wait()
    assert not thread.is_alive()
    thread.join()


def counted_after_its_last_step() -> None:
    """The thread stops after `put`."""
    done: queue.Queue[int] = queue.Queue()
    before = threading.active_count()
    thread = threading.Thread(target=done.put, args=(1,))
    thread.start()
    done.get()
    assert threading.active_count() == before
    thread.join()


def work_given_to_a_thread_that_ends() -> None:
    """The first worker has put its result and is still alive when it is asked whether it is."""
    results: queue.Queue[int] = queue.Queue()
    work: queue.Queue[int] = queue.Queue()
    workers: list[threading.Thread] = []

    def submit(item: int) -> None:
        if not workers or not workers[-1].is_alive():
            workers.append(threading.Thread(target=lambda: results.put(work.get())))
            workers[-1].start()
        work.put(item)

    submit(1)
    assert results.get() == 1
    submit(2)
    for worker in workers:
        worker.join()
    assert work.empty()


def ticks_that_overlap() -> None:
    """The wait runs out three times, and each tick is slow."""
    stop = threading.Event()
    slots = threading.Semaphore(2)

    def tick() -> None:
        assert slots.acquire(blocking=False), "a third tick while two run"
        time.sleep(0.5)
        slots.release()

    def poll() -> None:
        while not stop.wait(1):
            threading.Thread(target=tick).start()

    thread = threading.Thread(target=poll)
    thread.start()
    time.sleep(10)
    stop.set()
    thread.join()


def _given_after_ten_seconds(give: Callable[[], object], take: Callable[[], object]) -> None:
    done = threading.Event()

    def give_late() -> None:
        time.sleep(10)
        give()
        done.wait()

    thread = threading.Thread(target=give_late)
    thread.start()
    begun = time.monotonic()
    take()
    took = time.monotonic() - begun
    done.set()
    thread.join()
    assert took < 5


def ten_seconds_with_a_queue() -> None:
    """Always: what was waited for came after ten seconds."""
    items: queue.Queue[int] = queue.Queue()
    _given_after_ten_seconds(lambda: items.put(1), items.get)


def ten_seconds_with_a_semaphore() -> None:
    """Always, as with a queue."""
    permits = threading.Semaphore(0)
    _given_after_ten_seconds(permits.release, permits.acquire)


def ten_seconds_in_the_attributes_of_a_file() -> None:
    """Always: the file is written after ten seconds."""
    path = fresh_dir() / "a"
    path.write_text("a")
    old = path.stat().st_mtime_ns
    items: queue.Queue[int] = queue.Queue()
    done = threading.Event()

    def write() -> None:
        items.get()
        path.write_text("b")
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    time.sleep(10)
    items.put(1)
    done.wait()
    thread.join()
    assert path.stat().st_mtime_ns == old


FAILING = (
    starts_after_it_was_announced, has_no_identity_yet, first_of_two_starters, second_of_two_starters,
    joined_before_its_start_or_for_ever, alive_after_its_last_step, counted_after_its_last_step,
    work_given_to_a_thread_that_ends, ticks_that_overlap, ten_seconds_with_a_queue,
    ten_seconds_with_a_semaphore, ten_seconds_in_the_attributes_of_a_file,
)


@pytest.mark.parametrize("body", FAILING, ids=lambda body: body.__name__)
def test_a_schedule_of_real_threads_is_found(body: Callable[[], None]) -> None:
    assert explore(body).verdict is Verdict.FAILED


@pytest.mark.parametrize("body", FAILING[:7], ids=lambda body: body.__name__)
def test_plain_enumeration_finds_it_too(body: Callable[[], None]) -> None:
    assert explore(body, SleepSetDFS(reduce=False)).verdict is Verdict.FAILED


def clock_of_a_giver() -> None:
    items: queue.Queue[float] = queue.Queue()
    done = threading.Event()

    def give() -> None:
        time.sleep(10)
        items.put(time.monotonic())
        done.wait()

    thread = threading.Thread(target=give)
    thread.start()
    given = items.get()
    assert time.monotonic() >= given
    done.set()
    thread.join()


def clock_of_a_pool() -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        time.sleep(10)
        before = time.monotonic()
        assert pool.submit(time.monotonic).result() >= before


@pytest.mark.parametrize("body", (clock_of_a_giver, clock_of_a_pool), ids=lambda body: body.__name__)
def test_no_clock_goes_back_for_who_was_given_something(body: Callable[[], None]) -> None:
    assert explore(body).verdict is Verdict.PROVED


def test_a_start_and_an_end_that_nobody_looks_at_cost_no_execution() -> None:
    def body() -> None:
        threads = [threading.Thread(target=lambda: None) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    result = explore(body)
    assert result.verdict is Verdict.PROVED and result.executions == 1 and result.blocked == 0
