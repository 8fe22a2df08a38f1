"""The pair that is pointed at."""

from __future__ import annotations

import pytest
from build import trace

from schedule_explorer.operations import WRITE
from schedule_explorer.reporting.conflict import contested, find_conflict, observing_tail
from schedule_explorer.reporting.names import Names
from schedule_explorer.reporting.switches import Switches
from schedule_explorer.runtime import Trace


def pair(made: Trace) -> tuple[int, ...]:
    return find_conflict(made, Switches(made, Names(made))).marks


@pytest.mark.parametrize(
    "first, between, last, shape",
    [
        ("load", "store", "load", True),
        ("store", "store", "load", True),
        ("load", "store", "store", True),
        ("store", "load", "store", True),
        # These are as if the other thread had come before or after both.
        ("load", "load", "store", False),
        ("store", "load", "load", False),
        ("store", "store", "store", False),
    ],
)
def test_check_then_act_is_what_no_serial_order_explains(
    first: str, between: str, last: str, shape: bool
) -> None:
    made = trace(f"T1 {first} x", f"T2 {between} x", f"T1 {last} x", "T2 store y", "T1 load y")
    found = find_conflict(made, Switches(made, Names(made)))
    assert found.stopped is shape
    assert found.marks == ((0, 1) if shape else (3, 4))


def test_the_last_of_several_check_then_acts_wins() -> None:
    made = trace("T1 load x", "T2 store x", "T1 store x", "T2 load y", "T1 store y", "T2 store y")
    assert pair(made) == (3, 4)


def test_the_check_of_the_failing_assertion_is_not_the_cause() -> None:
    texts = ("T1 load x", "T2 store x", "T1 store x", "T0 load z", "T2 store z", "T0 load z")
    assert pair(trace(*texts)) == (3, 4)
    assert pair(trace(*texts, errors=((0, AssertionError()),))) == (0, 1)
    # Where nothing else is there, it is shown all the same.
    only = trace("T0 load z", "T2 store z", "T0 load z", errors=((0, AssertionError()),))
    assert pair(only) == (0, 1)


def test_a_step_that_raised_is_no_check() -> None:
    made = trace("T1 store x", "T2 load x", "T1 load x", errors=((1, KeyError()),))
    assert observing_tail(made) == {2}
    made.events[2].note = "KeyError"
    assert observing_tail(made) == set()


def test_one_function_is_more_likely_than_two() -> None:
    made = trace("T1 load x", "T2 store x", "T1 store x", "T1 load y", "T2 store y", "T1 store y")
    assert pair(made) == (3, 4)
    made.events[5].frames = (("/src/program.py", 9, "another"),)
    assert pair(made) == (0, 1)


def test_last_neighbours_when_nobody_stood_still() -> None:
    assert pair(trace("T1 store x", "T1 store y", "T2 load y", "T2 load x")) == (0, 3)
    assert pair(trace("T1 store x", "T2 load y")) == ()


def test_data_goes_before_locks_and_acquires_before_releases() -> None:
    locked = ("T1 lock.acquire m", "T1 store x", "T1 lock.release m")
    assert pair(trace(*locked, "T2 lock.acquire m", "T2 load x", "T2 lock.release m")) == (1, 4)
    assert pair(trace("T1 lock.acquire m", "T1 lock.release m", "T2 lock.acquire m")) == (0, 2)


def test_two_critical_sections_with_another_in_between() -> None:
    made = trace("T1 lock.acquire m", "T1 lock.release m", "T2 lock.acquire m", "T2 lock.release m",
                 "T1 lock.acquire m")
    assert pair(made) == (0, 2)


@pytest.mark.parametrize("kind", ["thread.join", "queue.join"])
def test_joining_is_the_last_resort(kind: str) -> None:
    made = trace("T1 store x", "T2 load x", f"T0 {kind} e")
    made.events[1].accesses += (("e", WRITE),)
    assert pair(made) == (0, 1)
    made = trace("T1 store e", f"T0 {kind} e")
    assert pair(made) == (0, 1)


def test_an_order_that_every_schedule_keeps_is_no_pair() -> None:
    made = trace("T1 store x", "T2 load x", "T1 store y", "T2 load y")
    made.events[3].enabled_by = (2,)
    assert pair(made) == (0, 1)


def test_contested_needs_another_thread_and_a_conflict() -> None:
    made = trace("T1 load x", "T2 load x", "T1 store y", "T1 load y", "T1 add z", "T2 add z",
                 "T1 store w", "T2 load w")
    assert contested(made.events) == {6, 7}
