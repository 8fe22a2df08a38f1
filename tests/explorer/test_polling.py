"""A polling loop is parked when it comes back with nothing changed, and only then."""

from __future__ import annotations

import queue
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

import pytest

from schedule_explorer import SharedVariable, Verdict, explore


class Box:
    """Holds a list, which a look at the local variables does not see."""

    def __init__(self) -> None:
        self.items: list[int] = []


def test_wait_in_a_generator_that_is_closed_by_the_next_step_is_parked() -> None:
    """On CPython 3.13 the frame of such a generator must not be read: the interpreter may crash."""

    def waited(event: threading.Event, box: Box) -> Iterator[bool]:
        kept = [box]
        found = event.wait(1.0)
        yield found and bool(kept)

    def body() -> None:
        event, flag = threading.Event(), SharedVariable(0)

        def poll() -> None:
            box = Box()
            while True:
                if next(waited(event, box)):
                    return
                junk = [[index] for index in range(500)]  # takes the place of what is gone
                flag.load()
                del junk

        thread = threading.Thread(target=poll)
        thread.start()
        event.set()
        thread.join()

    result = explore(body)
    assert result.verdict is Verdict.PROVED, result.reason


def test_progress_that_only_a_generator_holds_is_no_idle_round() -> None:
    """The list is changed while the generator is off the stack: nothing else leads to it."""

    def polls(event: threading.Event) -> Iterator[Callable[[int], Any]]:
        box = Box()
        while len(box.items) < 4:
            event.wait(1.0)
            yield box.items.append

    def body() -> None:
        event, flag = threading.Event(), SharedVariable(0)

        def poll() -> None:
            for note in polls(event):
                flag.load()
                note(1)
                flag.load()

        thread = threading.Thread(target=poll)
        thread.start()
        thread.join()

    result = explore(body)
    assert result.verdict is Verdict.PROVED, result.reason


@pytest.mark.parametrize("kind", [queue.Queue, queue.LifoQueue])
def test_a_put_that_is_refused_is_no_progress(kind: type[queue.Queue[int]]) -> None:
    """It says that it will write, which it does only where there is room."""

    def body() -> None:
        items = kind(1)
        items.put(0)

        def put() -> None:
            while True:
                try:
                    return items.put_nowait(1)
                except queue.Full:
                    time.sleep(0.1)

        thread = threading.Thread(target=put)
        thread.start()
        items.get()
        thread.join()

    assert explore(body, max_executions=50).verdict is Verdict.PROVED


@pytest.mark.parametrize("which", ["trace", "profile"])
def test_a_trace_function_that_a_thread_sets_does_not_outlive_the_exploration(which: str) -> None:
    before = sys.gettrace(), sys.getprofile()

    def body() -> None:
        thread = threading.Thread(target=lambda: getattr(sys, f"set{which}")(lambda *_: None))
        thread.start()
        thread.join()

    explore(body)
    assert (sys.gettrace(), sys.getprofile()) == before


def test_a_wait_outside_of_loops_keeps_no_frame_alive() -> None:
    class Held:
        pass

    def body() -> None:
        event, references = threading.Event(), []

        def wait() -> None:
            held = Held()
            references.append(weakref.ref(held))
            event.wait(1)

        wait()
        event.is_set()
        assert references[0]() is None

    assert explore(body).verdict is Verdict.PROVED


@pytest.mark.parametrize("look", [lambda: None, time.monotonic])
def test_rounds_of_a_loop_in_c_code_are_counted(look: Callable[[], Any]) -> None:
    """Whatever they look at: else there would be no end of them."""

    def body() -> None:
        event = threading.Event()
        thread = threading.Thread(target=event.set)
        thread.start()
        any(map(lambda _: time.sleep(1) or look() is event or event.is_set(), repeat(1)))
        thread.join()

    result = explore(body, max_executions=400)
    assert result.verdict is Verdict.UNFINISHED and "early expiries were bounded" in result.reason
    assert result.executions < 400
