"""Which outcomes two operations of a queue or a thread have: all of those, and no others.

Each program says in a comment why its outcomes are these. Plain enumeration (no reduction at all) is the
oracle of the dependence rules: what a reduced search does not find there, it has taken for independent.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

import pytest
from outcomes import Notes, Programs, check, ends_in, tried

from schedule_explorer.interposition.clock import ORIGIN

pytestmark = pytest.mark.usefixtures("interposed_once")

PROGRAMS: Programs = {}


# -- queues

@ends_in(PROGRAMS, "g=1", "g=Empty")
def get_nowait_against_put(notes: Notes) -> list[Callable[[], object]]:
    items: queue.Queue[int] = queue.Queue()
    return [lambda: items.put(1), lambda: notes.update(g=tried(items.get_nowait))]


@ends_in(PROGRAMS, "g=1", "g=Empty")
def timed_get_against_put(notes: Notes) -> list[Callable[[], object]]:
    items: queue.SimpleQueue[int] = queue.SimpleQueue()
    return [lambda: items.put(1), lambda: notes.update(g=tried(lambda: items.get(timeout=1.0)))]


@ends_in(PROGRAMS, "a=1 b=2", "a=2 b=1")
def two_gets_of_two_items(notes: Notes) -> list[Callable[[], object]]:
    items: queue.Queue[int] = queue.Queue()
    items.put(1)
    items.put(2)
    return [lambda: notes.update(a=items.get()), lambda: notes.update(b=items.get())]


@ends_in(PROGRAMS, "g=1", "g=2")
def two_puts_and_a_get(notes: Notes) -> list[Callable[[], object]]:
    items: queue.Queue[int] = queue.Queue()
    return [lambda: items.put(1), lambda: items.put(2), lambda: notes.update(g=items.get())]


@ends_in(PROGRAMS, "n=0", "n=1", "n=2")
def qsize_against_two_puts(notes: Notes) -> list[Callable[[], object]]:
    items: queue.Queue[int] = queue.Queue()
    return [lambda: items.put(1), lambda: items.put(2), lambda: notes.update(n=items.qsize())]


@ends_in(PROGRAMS, "g=[1, 2]", "g=[2, 1]")
def stack_against_two_gets(notes: Notes) -> list[Callable[[], object]]:
    # The first get comes between the puts, or after both.
    items: queue.LifoQueue[int] = queue.LifoQueue()

    def put() -> None:
        items.put(1)
        items.put(2)

    return [put, lambda: notes.update(g=[items.get(), items.get()])]


@ends_in(PROGRAMS, "g=[1, 2]", "g=[2, 1]")
def heap_against_two_gets(notes: Notes) -> list[Callable[[], object]]:
    items: queue.PriorityQueue[int] = queue.PriorityQueue()

    def put() -> None:
        items.put(2)
        items.put(1)

    return [put, lambda: notes.update(g=[items.get(), items.get()])]


@ends_in(PROGRAMS, "p=Full", "p=None")
def bounded_put_nowait_against_get(notes: Notes) -> list[Callable[[], object]]:
    items: queue.Queue[int] = queue.Queue(1)
    items.put(0)
    return [items.get, lambda: notes.update(p=tried(lambda: items.put_nowait(1)))]


@ends_in(PROGRAMS, "p=Full", "p=None")
def bounded_timed_put_against_get(notes: Notes) -> list[Callable[[], object]]:
    items: queue.Queue[int] = queue.Queue(1)
    items.put(0)
    return [items.get, lambda: notes.update(p=tried(lambda: items.put(1, timeout=1)))]


@ends_in(PROGRAMS, "j=True", "j=None")
def join_against_put_and_task_done(notes: Notes) -> list[Callable[[], object]]:
    # Before the put, or after the task is done; a task_done before the put is one too many, and the join
    # that comes after the put then never ends.
    items: queue.Queue[int] = queue.Queue()
    notes["j"] = None

    def join() -> None:
        items.join()
        notes["j"] = True

    return [lambda: items.put(1), lambda: tried(items.task_done), join]


@ends_in(PROGRAMS, "d=None", "d=ValueError")
def task_done_against_put(notes: Notes) -> list[Callable[[], object]]:
    # One too many when it comes before the put.
    items: queue.Queue[int] = queue.Queue()
    return [lambda: items.put(1), lambda: notes.update(d=tried(items.task_done))]


@ends_in(PROGRAMS, "c=0 g=1", "c=1 g=None")
def clear_under_the_mutex_against_get(notes: Notes) -> list[Callable[[], object]]:
    items: queue.Queue[int] = queue.Queue()
    items.put(1)
    notes["g"] = None

    def clear() -> None:
        with items.mutex:
            notes["c"] = len(items.queue)
            items.queue.clear()

    return [clear, lambda: notes.update(g=items.get())]


# -- threads

@ends_in(PROGRAMS, "a=False b=0", "a=True b=0", "a=True b=1")
def looks_at_a_thread(notes: Notes) -> list[Callable[[], object]]:
    # Alive at first and not at last, or not at first and so not at last either.
    thread = threading.Thread(target=lambda: None)
    thread.start()

    def look() -> None:
        notes["a"] = thread.is_alive()
        notes["b"] = int(thread.is_alive())

    return [look]


@ends_in(PROGRAMS, "a=False", "a=True")
def timed_join_against_the_end(notes: Notes) -> list[Callable[[], object]]:
    thread = threading.Thread(target=lambda: None)
    thread.start()

    def join() -> None:
        thread.join(1.0)
        notes["a"] = thread.is_alive()

    return [join]


@ends_in(PROGRAMS, "t=0.0", "t=1.0")
def time_limit_of_a_join(notes: Notes) -> list[Callable[[], object]]:
    # Nothing but the clock tells whether it ran out.
    thread = threading.Thread(target=lambda: None)
    thread.start()

    def join() -> None:
        thread.join(1.0)
        notes["t"] = time.monotonic() - ORIGIN

    return [join]


@ends_in(PROGRAMS, "a=False", "a=True", "a=RuntimeError")
def is_alive_and_join_against_start(notes: Notes) -> list[Callable[[], object]]:
    # Not started: join refuses. Started and not ended; or ended by the time it is looked at.
    thread = threading.Thread(target=lambda: None)

    def look() -> None:
        joined = tried(lambda: thread.join(0))
        notes["a"] = joined if joined else thread.is_alive()

    return [thread.start, look]


@ends_in(PROGRAMS, "n=0", "n=1")
def count_against_start(notes: Notes) -> list[Callable[[], object]]:
    # Relative to the two that there are anyway, the other one of which may have ended.
    threads = [threading.Thread(target=threading.Event().wait, daemon=True)]

    def look() -> None:
        notes["n"] = sum(thread in threading.enumerate() for thread in threads)

    return [threads[0].start, look]


@ends_in(PROGRAMS, "a=None b=RuntimeError", "a=RuntimeError b=None")
def start_against_start(notes: Notes) -> list[Callable[[], object]]:
    thread = threading.Thread(target=lambda: None)
    return [lambda: notes.update(a=tried(thread.start)), lambda: notes.update(b=tried(thread.start))]


@ends_in(PROGRAMS, "i=False", "i=True")
def ident_against_start(notes: Notes) -> list[Callable[[], object]]:
    thread = threading.Thread(target=lambda: None)
    return [lambda: notes.update(i=thread.ident is None), thread.start]


@ends_in(PROGRAMS, "j=None", "j=RuntimeError")
def join_against_start(notes: Notes) -> list[Callable[[], object]]:
    thread = threading.Thread(target=lambda: None)
    return [lambda: notes.update(j=tried(thread.join)), thread.start]


@ends_in(PROGRAMS, "", "j=RuntimeError")
def join_for_ever_against_start(notes: Notes) -> list[Callable[[], object]]:
    # The join is refused, or waits for one that never ends.
    thread = threading.Thread(target=threading.Event().wait, daemon=True)
    return [lambda: notes.update(j=tried(thread.join)), thread.start]


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_outcomes(name: str) -> None:
    check(*PROGRAMS[name])
