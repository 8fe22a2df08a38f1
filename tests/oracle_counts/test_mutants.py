"""Each rule of dependence is needed: without it, some program tells.

A mutant is the explorer with one rule taken out. It must be told from the real one by a known count, by
plain enumeration, or by a schedule that it plans and cannot run.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
from telling import told_by_random_programs

from schedule_explorer import explore, fresh_dir
from schedule_explorer.operations import READ, WRITE, Operation
from schedule_explorer.runtime import Execution

pytestmark = pytest.mark.usefixtures("interposed_once")


def forget(monkeypatch: pytest.MonkeyPatch, forgotten: Callable[[Any, int], bool]) -> None:
    """Take accesses out of what every operation reports."""
    perform = Execution._perform

    def forgetful(self: Execution, thread: Any, operation: Operation) -> Any:
        index = len(self.trace.events)
        try:
            return perform(self, thread, operation)
        finally:
            event = self.trace.events[index]
            event.accesses = tuple(a for a in event.accesses if not forgotten(*a))
            if event.bound is not None:
                event.bound = tuple(a for a in event.bound if not forgotten(*a))

    monkeypatch.setattr(Execution, "_perform", forgetful)


def named(name: str) -> Callable[[Any, int], bool]:
    def is_named(key: Any, mode: int) -> bool:
        while isinstance(key, tuple) and key:
            if key[0] == name or (len(key) > 1 and key[1] == name):
                return True
            key = key[0]
        return False

    return is_named


#: with the seed to begin with, near which a program is known that tells
KEYS = [
    ("Lock", "locks", 0),
    ("variable", "variables", 0),
    ("put", "queues", 0),
    ("get", "queues", 20),
    ("queue", "bounded", 0),
    ("tasks", "queues", 40),
    ("Event", "events", 0),
    ("take", "semaphores", 0),
    ("give", "semaphores", 20),
    ("entry", "files", 0),
]


@pytest.mark.timeout(0)
@pytest.mark.parametrize(("key", "family", "seed"), KEYS, ids=[key for key, *_ in KEYS])
def test_without_a_key(key: str, family: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not told_by_random_programs((family,), range(seed, seed + 3))
    forget(monkeypatch, named(key))
    assert told_by_random_programs((family,), range(seed, 60))


def timed_wait_against_notify(note: Callable[[object], None]) -> None:
    condition, ready = threading.Condition(), [False]

    def wait() -> None:
        with condition:
            note("ready" if ready[0] else condition.wait(timeout=1.0))

    waiter = threading.Thread(target=wait)
    waiter.start()
    with condition:
        ready[0] = True
        condition.notify()


def create_against_listing(note: Callable[[object], None]) -> None:
    base = fresh_dir()
    threading.Thread(target=lambda: os.mkdir(base / "d")).start()
    note(os.listdir(base))


def append_against_read(note: Callable[[object], None]) -> None:
    path = fresh_dir() / "f"
    path.write_text("")
    writer, reader = os.open(path, os.O_WRONLY), os.open(path, os.O_RDONLY)
    threading.Thread(target=lambda: os.write(writer, b"x")).start()
    note(os.read(reader, 1))


def looks_against_start(note: Callable[[object], None]) -> None:
    worker = threading.Thread(target=lambda: None)
    threading.Thread(target=worker.start).start()
    note(worker.ident is None)


def count_against_start(note: Callable[[object], None]) -> None:
    worker = threading.Thread(target=threading.Event().wait, daemon=True)
    threading.Thread(target=worker.start).start()
    note(worker in threading.enumerate())


def looks_against_end(note: Callable[[object], None]) -> None:
    worker = threading.Thread(target=lambda: None)
    worker.start()
    note(worker.is_alive())


@pytest.mark.parametrize(
    ("key", "program", "traces", "outcomes"),
    [
        ("thread", looks_against_start, 2, 2),
        ("started", count_against_start, 3, 2),
        ("end", looks_against_end, 2, 2),
        ("Condition", timed_wait_against_notify, 4, 3),
        ("listing", create_against_listing, 2, 2),  # the one key that operations add to
        ("content", append_against_read, 2, 2),
    ],
)
def test_without_a_key_that_one_program_needs(
    key: str, program: Callable[[Callable[[object], None]], None], traces: int, outcomes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def count() -> tuple[int, int]:
        seen: set[str] = set()
        result = explore(lambda: program(lambda value: seen.add(repr(value))))
        return result.executions, len(seen)

    assert count() == (traces, outcomes)
    forget(monkeypatch, named(key))
    assert count() < (traces, outcomes)


@pytest.mark.parametrize("mode", [READ, WRITE], ids=["READ", "WRITE"])
def test_without_a_mode(mode: int, monkeypatch: pytest.MonkeyPatch) -> None:
    forget(monkeypatch, lambda _, found: found == mode)
    assert told_by_random_programs(("variables",), range(40))
