"""Polling loops that repeat themselves until an event is set, or something is in a queue."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

from polling_loops import COUNTER, TABLE, Counter


class Options:
    def __init__(self) -> None:
        self.timeout = 1.0
        self.tags = ["poll", "idle"]


def plainly(event: threading.Event, queue_: Any) -> None:
    while not event.wait(1.0):
        pass


def with_a_new_object_in_each_round(event: threading.Event, queue_: Any) -> None:
    while True:
        options = Options()
        if event.wait(options.timeout):
            return
        del options


def with_a_new_object_in_the_place_of_the_old(event: threading.Event, queue_: Any) -> None:
    options, seen = Options(), [0]
    while not event.wait(options.timeout) and seen:
        options, seen = Options(), [0]


def in_a_helper_with_an_object_of_its_own(event: threading.Event, queue_: Any) -> None:
    def looks() -> bool:
        options = Options()
        done = lambda: event.wait(options.timeout)  # noqa: E731
        return done()

    while not looks():
        continue


def after_a_for_loop(event: threading.Event, queue_: Any) -> None:
    while True:
        for _ in range(3):
            pass
        if event.wait(1.0):
            return


def on_an_empty_queue(event: threading.Event, queue_: Any) -> None:
    while True:
        try:
            queue_.get(timeout=1.0)
        except queue.Empty:
            continue
        return


def over_a_generator_that_polls(event: threading.Event, queue_: Any) -> None:
    def items() -> Iterator[int]:
        while True:
            try:
                yield queue_.get(timeout=1.0)
            except queue.Empty:
                continue

    for item in items():
        if item:
            return


def with_globals_that_stay(event: threading.Event, queue_: Any) -> None:
    while not event.wait(1.0):
        if COUNTER.own < 0 or TABLE.get("missing") or Counter.rounds < 0:
            return


IDLE = {
    loop.__name__: loop
    for loop in (plainly, with_a_new_object_in_each_round, with_a_new_object_in_the_place_of_the_old,
                 in_a_helper_with_an_object_of_its_own, after_a_for_loop, on_an_empty_queue,
                 over_a_generator_that_polls, with_globals_that_stay)
}
