"""Each rule of dependence and each step of the algorithm is needed: without it, some program tells.

A mutant is the explorer with one rule taken out. It must be told from the real one by a known count, by
plain enumeration, or by a schedule that it plans and cannot run.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from random import Random
from typing import Any

import literature
import pytest
from random_programs import Program, generate, outcome

from schedule_explorer import explore, fresh_dir
from schedule_explorer.errors import ExplorerError
from schedule_explorer.operations import READ, WRITE, Operation
from schedule_explorer.runtime import Execution
from schedule_explorer.strategies import optimal_dpor, wakeup_tree
from schedule_explorer.strategies.happens_before import HappensBefore
from schedule_explorer.strategies.optimal_dpor import OptimalDPOR
from schedule_explorer.strategies.sleep_set_dfs import SleepSetDFS


def told_by_random_programs(families: tuple[str, ...], seeds: range) -> bool:
    """Say whether some random program of these families tells this explorer from plain enumeration."""
    for seed in seeds:
        program = generate(Random(seed), families)
        dpor = OptimalDPOR()
        try:
            plain, states = outcome(program, SleepSetDFS(reduce=False), max_executions=400, time_limit=2)
            if plain.reason.startswith("stopped"):
                continue
            reduced, finals = outcome(program, dpor, max_executions=400, time_limit=2)
        except (ExplorerError, AssertionError, LookupError):
            return True
        if finals != states or dpor.infeasible or bool(plain.deadlocks) != bool(reduced.deadlocks):
            return True
    return False


def told_by_counts(*names: str) -> bool:
    for known in (*literature.SMALL, *literature.LARGE):
        if known.name in names:
            dpor = OptimalDPOR()
            result = explore(known.body, dpor, stop_at_first_failure=False, max_executions=2 * known.count)
            if (result.executions, result.blocked, dpor.infeasible) != (known.count, 0, 0):
                return True
    return False


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


KEYS = [
    ("Lock", ("locks",)),
    ("variable", ("variables",)),
    ("put", ("queues",)),
    ("get", ("queues",)),
    ("queue", ("bounded",)),
    ("tasks", ("queues",)),
    ("Event", ("events",)),
    ("take", ("semaphores",)),
    ("give", ("semaphores",)),
    ("entry", ("files",)),
]


@pytest.mark.timeout(0)
@pytest.mark.parametrize(("key", "families"), KEYS, ids=[key for key, _ in KEYS])
def test_without_a_key(key: str, families: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    assert not told_by_random_programs(families, range(3))
    forget(monkeypatch, named(key))
    assert told_by_random_programs(families, range(60))


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


@pytest.mark.parametrize(
    ("key", "program", "outcomes"),
    [
        ("Condition", timed_wait_against_notify, 3),
        ("listing", create_against_listing, 2),  # the one key that operations add to
        ("content", append_against_read, 2),
    ],
)
def test_without_a_key_that_one_program_needs(
    key: str, program: Callable[[Callable[[object], None]], None], outcomes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def count() -> int:
        seen: set[str] = set()
        explore(lambda: program(lambda value: seen.add(repr(value))))
        return len(seen)

    assert count() == outcomes
    forget(monkeypatch, named(key))
    assert count() < outcomes


@pytest.mark.parametrize("mode", [READ, WRITE], ids=["READ", "WRITE"])
def test_without_a_mode(mode: int, monkeypatch: pytest.MonkeyPatch) -> None:
    forget(monkeypatch, lambda _, found: found == mode)
    assert told_by_random_programs(("variables",), range(40))


def test_without_the_race_of_a_thread_blocked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    def body() -> None:
        lock = threading.Lock()
        for _ in range(2):
            threading.Thread(target=lock.acquire).start()

    assert explore(body, stop_at_first_failure=False).deadlocks == 2
    monkeypatch.setattr(HappensBefore, "blocked_races", lambda self, blocked: [])
    assert explore(body, stop_at_first_failure=False).deadlocks == 1


def test_with_every_operation_held_to_be_reversible(monkeypatch: pytest.MonkeyPatch) -> None:
    def all_conflicts(self: HappensBefore, gate: Any, accesses: Any, clock: int) -> list[int]:
        return self._races(self._conflicts(accesses), clock)[1]

    monkeypatch.setattr(HappensBefore, "_through_gate", all_conflicts)
    assert told_by_counts("lockinc(3)", "philosophers(3)")


def test_without_sleep_at_the_branching_point(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimal_dpor, "_asleep", lambda sleep, label: False)
    plan = OptimalDPOR._plan

    def sleepless(self: OptimalDPOR, e: int, sequence: Any) -> None:
        frame = self._frames[e - 1]
        kept, frame.sleep = frame.sleep, {}
        try:
            plan(self, e, sequence)
        finally:
            frame.sleep = kept

    monkeypatch.setattr(OptimalDPOR, "_plan", sleepless)
    assert told_by_counts("lastzero(5)", "inc(3)")


def test_with_what_a_reordered_operation_did_taken_for_what_it_will_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def sure(self: OptimalDPOR, trace: Any, bit: int, event: Any, outcomes: Any = ()) -> wakeup_tree.Step:
        touched = self._footprints(event.accesses)
        return wakeup_tree.Step(bit, (event.tid, outcomes), touched, touched)

    # 1 looks whether the lock is held, 3 releases it for 2, 4 gives up waiting for it.
    program = Program((
        (("locked", "1", "1"), ("release", "0", "0")), (("rlock", "1", "1"), ("with", "1", "0")),
        (("release", "1", "0"),), (("timed", "1", "1"),),
    ))
    assert outcome(program, "optimal-dpor")[0].executions == 38
    assert outcome(program, "sleep-set-dfs")[0].executions == 38
    monkeypatch.setattr(OptimalDPOR, "_reordered", sure)
    assert outcome(program, "optimal-dpor")[0].executions < 38
