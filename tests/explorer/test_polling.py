"""A polling loop is parked when it comes back with nothing changed, and only then."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

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
