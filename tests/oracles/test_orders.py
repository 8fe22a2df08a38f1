"""The interval orders of a trace against brute force over all its linear orders."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from schedule_explorer import SharedVariable, explore
from schedule_explorer.operations import WRITE
from schedule_explorer.oracles import History, Recorded, at_quiescence, orders
from schedule_explorer.programs import Call
from schedule_explorer.runtime import Trace

pytestmark = pytest.mark.usefixtures("interposed_once")

#: a pair (i, j): call i returned before call j began
Precedence = frozenset[tuple[int, int]]


def linear_orders(trace: Trace) -> Iterator[list[int]]:
    """Yield every order of the events that keeps a thread's own order and the order of conflicts."""
    events = trace.events
    before = [
        {
            other.index for other in events[: event.index]
            if other.tid == event.tid or other.index in event.order or other.index in event.enabled_by
            or any(
                key == own and (mode != how or WRITE in (mode, how))
                for key, mode in other.accesses for own, how in event.accesses
            )
        }
        for event in events
    ]  # fmt: skip

    def go(done: list[int]) -> Iterator[list[int]]:
        if len(done) == len(events):
            yield done
        for index in range(len(events)):
            if index not in done and before[index] <= set(done):
                yield from go([*done, index])

    return go([])


def intervals(history: list[Recorded], trace: Trace, order: list[int]) -> Precedence:
    """Return what precedes what when the events happen in this order and every call is as short as it can be.

    A call without a step of its own is where the step before it is: no other thread moves in between.
    """
    at = {index: place for place, index in enumerate(order)}
    places: list[tuple[float, float] | None] = []
    for recorded in history:
        stop = len(trace.events) if recorded.returned is None else recorded.last + 1
        own = [i for i in range(recorded.before + 1, stop) if trace.events[i].tid == recorded.tid]
        if own:
            places.append((at[own[0]], float("inf") if recorded.returned is None else at[own[-1]]))
        elif recorded.returned is not None:
            places.append((at[recorded.before], at[recorded.before]))
        else:
            places.append(None)
    found = set()
    for i, first in enumerate(places):
        for j, second in enumerate(places):
            if i != j and first is not None and second is not None:
                same = history[i].tid == history[j].tid
                if first[1] < second[0] or (same and i < j and first[1] != float("inf")):
                    found.add((i, j))
    return frozenset(found)


def maximal(found: set[Precedence]) -> set[Precedence]:
    return {one for one in found if not any(one < other for other in found)}


def random_body(seed: int, out: list[Any]) -> Any:
    """Two or three threads with one or two calls each, of up to two steps on two variables."""
    drawn = random.Random(seed)
    plan = [
        [[(drawn.choice("ls"), drawn.randint(0, 1)) for _ in range(drawn.randint(0, 2))]
         for _ in range(drawn.randint(1, 2))]
        for _ in range(drawn.randint(2, 3))
    ]  # fmt: skip
    stuck = drawn.random() < 0.3

    def body() -> None:
        variables = [SharedVariable(0), SharedVariable(0)]
        history = History()
        never = threading.Event()

        def client(number: int) -> None:
            for place, steps in enumerate(plan[number]):
                recorded = history.begin(number, Call("call"), place)
                for kind, index in steps:
                    if kind == "l":
                        variables[index].load()
                    else:
                        variables[index].store(1)
                if stuck and number == 1 and place == len(plan[number]) - 1:
                    never.wait()
                history.end(recorded, None)

        at_quiescence(lambda trace: out.append((list(history), trace)))
        threads = [
            threading.Thread(target=client, args=(n,), daemon=True) for n in range(1, len(plan))
        ]
        for thread in threads:
            thread.start()
        client(0)

    return body


@pytest.mark.parametrize("seed", range(120))
def test_orders_are_those_of_the_linear_orders_with_most_apart(seed: int) -> None:
    out: list[tuple[list[Recorded], Trace]] = []
    explore(random_body(seed, out), "random", max_executions=2, seed=seed, stop_at_first_failure=False)
    history, trace = out[-1]
    possible = {intervals(history, trace, order) for order in linear_orders(trace)}
    number = {(r.thread, r.value): i for i, r in enumerate(history)}
    found: set[Precedence] = set()
    for one in orders(history, trace):
        assert [r.began for r in one] == sorted(r.began for r in one)
        found.add(frozenset(
            (number[a.thread, a.value], number[b.thread, b.value])
            for a in one for b in one if a.returned is not None and a.returned < b.began
        ))  # fmt: skip
    assert found <= possible, "an order that no linear order of the trace has: a false failure"
    assert maximal(possible) <= found, "an order is left out: a false proof"


def test_the_random_bodies_have_what_they_are_for() -> None:
    """More than one order, calls without a step, calls that never return: all of them are met."""
    several = empty = pending = 0
    for seed in range(40):
        out: list[tuple[list[Recorded], Trace]] = []
        explore(random_body(seed, out), "random", max_executions=1, seed=seed, stop_at_first_failure=False)
        history, trace = out[-1]
        several += len(list(orders(history, trace))) > 1
        empty += any(r.last == r.before and r.returned is not None for r in history)
        pending += any(r.returned is None for r in history)
    assert min(several, empty, pending) >= 5


def test_on_real_threads_time_orders_the_calls() -> None:
    history = History()
    first = history.begin(0, Call("f"), 1)
    second = history.begin(1, Call("g"), 2)
    history.end(second, 5)
    assert [str(r) for r in history] == ["thread 0: f()#1 did not return", "thread 1: g()#2 -> 5"]
    assert first.began < second.began < (second.returned or 0) and len(history) == 2
