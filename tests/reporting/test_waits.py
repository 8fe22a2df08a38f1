"""Who waits for whom, and why a thread stopped and went on."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

import pytest
from failing import PROGRAMS, Program, Stop, run

from schedule_explorer import SharedVariable
from schedule_explorer.reporting.names import Names
from schedule_explorer.reporting.switches import Switches
from schedule_explorer.reporting.text import wait_for_table
from schedule_explorer.runtime import Event


def reasons(body: Callable[[], None], schedule: list[Stop]) -> list[str]:
    """Return what is said at the switches of the one failing schedule, as "thread: reason"."""
    trace = Program(body, schedule).failure().trace
    names = Names(trace)
    switches = Switches(trace, names)
    said: list[str] = []
    before: dict[int, Event] = {}
    current: Event | None = None
    for event in trace.events:
        if event.kind == "thread.begin":
            continue
        if current is not None and current.tid != event.tid:
            said.append(f"{names.thread(current.tid)}: {switches.leaving(current)}")
            said.append(f"{names.thread(event.tid)}: {switches.entering(event, before.get(event.tid))}")
        current = before[event.tid] = event
    return said


def test_the_cycle_of_a_deadlock_is_named_with_its_lines() -> None:
    table = wait_for_table(PROGRAMS["deadlock"].failure().trace)
    assert "pay    waits in Lock#2.acquire, held by audit" in table
    assert "held since failing.py:" in table and "in audit:  with journal, accounts:" in table
    assert table.splitlines()[-1] == "  cycle: pay -> audit -> pay"


def test_joining_is_part_of_a_cycle() -> None:
    def body() -> None:
        guard = threading.Lock()

        def worker() -> None:
            with guard:
                pass

        thread = threading.Thread(target=worker, name="worker")
        with guard:
            thread.start()
            thread.join()

    text = Program(body, [(0, None)]).failure().explain()
    assert "cycle: main -> worker -> main" in text
    assert "main    waits for worker to end" in text


def test_no_cycle_is_invented() -> None:
    text = PROGRAMS["lost_wakeup"].failure().explain()
    assert "main  waits in Condition#1.wait" in text
    assert "cycle" not in text and "wakes nobody" in text


def test_a_daemon_waiting_for_work_is_not_called_blocked() -> None:
    def body() -> None:
        work: queue.Queue[int] = queue.Queue()
        threading.Thread(target=work.get, name="helper", daemon=True).start()
        never = threading.Event()
        never.wait()

    text = Program(body, [(0, None)]).failure().explain()
    table = text[: text.index("\n\n")]
    assert "main  waits in Event#1.wait" in table and "helper" not in table
    assert "-- still waits in Queue#1.get" in text


@pytest.mark.parametrize(
    "schedule, expected",
    [
        ([(0, "thread.join"), (1, "store"), (2, None), (1, None)],
         ["two: blocked on Lock#1 held by one", "two: goes on: one released Lock#1"]),
        ([(0, "thread.join"), (1, None), (0, 1), (2, None)],
         ["one: ended", "main: waits for two to end", "two: starts", "main: goes on: two ended"]),
    ],
)
def test_a_thread_that_waits_is_not_called_preempted(schedule: list[Stop], expected: list[str]) -> None:
    def body() -> None:
        lock, cell = threading.Lock(), SharedVariable(0, "cell")

        def one() -> None:
            with lock:
                cell.store(1)

        def two() -> None:
            cell.load()
            with lock:
                cell.store(2)

        run(one, two)
        raise AssertionError("always")

    said = reasons(body, schedule)
    assert set(expected) <= set(said)
    assert not [text for text in said if text.endswith("preempted before acquire")]


def test_a_thread_that_could_have_gone_on_was_preempted() -> None:
    def body() -> None:
        lock = threading.Lock()

        def one() -> None:
            with lock:
                pass
            with lock:
                pass

        def two() -> None:
            with lock:
                pass

        run(one, two)
        raise AssertionError("always")

    # The lock is free when `one` stops.
    said = reasons(body, [(0, "thread.join"), (1, 3), (2, None), (1, None)])
    assert "one: preempted before acquire" in said


def test_waits_for_items_events_and_time_are_told() -> None:
    def body() -> None:
        items: queue.Queue[int] = queue.Queue()
        ready = threading.Event()
        cell = SharedVariable(0, "cell")

        def taker() -> None:
            cell.load()
            items.get()
            ready.wait()
            time.sleep(3)

        def giver() -> None:
            items.put(1)
            ready.set()

        run(taker, giver)
        raise AssertionError("always")

    said = reasons(body, [(0, "thread.join"), (1, None), (2, "event.set"), (1, None), (2, None), (1, None)])
    assert "taker: waits in Event#1.wait" in said and "taker: goes on: giver set Event#1" in said
    said = reasons(body, [(0, "thread.join"), (2, "event.set"), (1, "event.wait"), (2, None), (1, None)])
    assert "taker: starts" in said and "taker: waits in Event#1.wait" in said
    said = reasons(body, [(0, "thread.join"), (1, None), (2, "event.set"), (1, None), (2, None), (1, None)])
    assert "taker: waits in Queue#1.get" in said and "taker: goes on: giver put into Queue#1" in said


def test_a_wait_that_runs_out_says_so() -> None:
    def body() -> None:
        items: queue.Queue[int] = queue.Queue()
        cell = SharedVariable(0, "cell")

        def taker() -> None:
            cell.load()
            items.get(timeout=1.0)

        def sleeper() -> None:
            cell.load()
            time.sleep(3)

        run(taker, sleeper)

    said = reasons(body, [(0, "thread.join"), (1, "queue.get"), (2, "sleep"), (1, None), (2, None)])
    assert "taker: waits in Queue#1.get" in said and "taker: its wait timed out" in said
    assert "sleeper: sleeps 3 s" in said and "sleeper: goes on after 3 s" in said
