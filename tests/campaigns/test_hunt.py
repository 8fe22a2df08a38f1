"""hunt() on a small target: what it finds, how small it gets, and that it finds the same again."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from schedule_explorer import Verdict, replay
from schedule_explorer.campaigns.hunt import Hunt, hunt, symptoms
from schedule_explorer.oracles.history import History, Recorded
from schedule_explorer.programs import Alphabet, Call, Method, client_body, text


class Counter:
    """A counter whose `add` loses updates unless it is told to lock."""

    def __init__(self, locked: bool, stuck: bool = False) -> None:
        self.locked, self.stuck = locked, stuck
        self.lock = threading.Lock()
        self.step = threading.Lock()
        self.value = 0

    def add(self) -> None:
        if self.locked:
            with self.lock:
                self._add()
        else:
            self._add()

    def _add(self) -> None:
        with self.step:
            value = self.value
        with self.step:
            self.value = value + 1

    def close(self) -> None:
        if self.stuck:
            self.lock.acquire()


class CounterSpecification:
    def initial(self) -> int:
        return 0

    def outcomes(self, state: int, recorded: Recorded) -> Iterable[tuple[int, Any]]:
        return [(state + (recorded.call.name == "add"), state if recorded.call.name == "get" else None)]

    def parts(self, call: Call) -> tuple[str, ...]:
        return ("counter",)


class CounterTarget:
    name = "counter"
    alphabet = Alphabet((Method("get"), Method("close"), Method("add")))
    specification = CounterSpecification()

    def __init__(self, *, locked: bool = False, stuck: bool = False) -> None:
        self.locked, self.stuck = locked, stuck

    def make(self, root: Path) -> Counter:
        return Counter(self.locked, self.stuck)

    def perform(self, system: Counter, recorded: Recorded) -> Any:
        if recorded.call.name == "get":
            with system.step:
                return system.value
        return getattr(system, recorded.call.name)()

    def look(self, system: Counter, recorded: Recorded, history: History) -> None:
        pass

    def check_order(self, order: Sequence[Recorded]) -> None:
        pass

    def observe(self, system: Counter) -> list[tuple[Call, Any]]:
        return [(Call("get"), system.value)]

    def at_quiescence(self, system: Counter, history: History) -> None:
        pass


@pytest.mark.parametrize("strategy", [None, "random", "pct", "pos", "optimal-dpor", "sleep-set-dfs"])
def test_the_smallest_program_with_the_fewest_switches_is_found(strategy: str | None) -> None:
    target = CounterTarget()
    found = hunt(target, Hunt(calls=2, strategy=strategy))
    assert found is not None
    assert text(found.program) == "add() | add()"
    assert found.symptoms == {"NotLinearizableError"}
    # The main thread starts the other one, stops between its two steps, and goes on when that has ended.
    assert found.switches == 2
    again = replay(client_body(target, found.program), found.schedule)
    assert again.failure is not None and symptoms(again.failure.trace) == found.symptoms
    assert found.schedule in found.explain(target)
    with pytest.raises(ValueError, match="does not fail"):
        found.explain(_Unlocked(target))


class _Unlocked(CounterTarget):
    """The same steps, and a specification that allows everything."""

    def __init__(self, target: CounterTarget) -> None:
        super().__init__(locked=target.locked)
        self.specification = _Anything()  # type: ignore[assignment]


class _Anything(CounterSpecification):
    def outcomes(self, state: int, recorded: Recorded) -> Iterable[tuple[int, Any]]:
        return [(state, recorded.result)]


def test_a_hunt_is_the_same_again() -> None:
    where = Hunt(calls=2, enumerated=0, drawn=50, lengths=(4, 6), seed=7)
    first, second = hunt(CounterTarget(), where), hunt(CounterTarget(), where)
    assert first == second and first is not None
    assert text(first.program) == "add() | add()" != text(first.first)


def test_only_wanted_failures_count() -> None:
    where = Hunt(calls=2, wanted=frozenset({"deadlock"}), enumerated=60)
    assert hunt(CounterTarget(), where) is None
    found = hunt(CounterTarget(stuck=True), where)
    assert found is not None and found.symptoms == {"deadlock"}
    assert text(found.program) == "close() close()"


def test_what_fails_without_the_bug_is_passed_over() -> None:
    where = Hunt(calls=2, enumerated=60)
    assert hunt(CounterTarget(), where, CounterTarget()) is None
    assert hunt(CounterTarget(), where, CounterTarget(locked=True)) is not None


def test_a_schedule_that_fails_without_the_bug_is_passed_over() -> None:
    where = Hunt(calls=1, enumerated=10, same_schedule=True)
    assert hunt(CounterTarget(), where, CounterTarget()) is None
    assert hunt(CounterTarget(), where, CounterTarget(locked=True)) is not None


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert hunt(CounterTarget(locked=True), Hunt(calls=1, enumerated=20)) is None
    assert Verdict.FAILED.value == "failed"


def test_a_failure_beyond_the_budget_of_shrinking_is_kept() -> None:
    found = hunt(CounterTarget(), Hunt(executions=50, shrinking=1, strategy="optimal-dpor"))
    assert found is not None and found.executions > 1
    assert replay(client_body(CounterTarget(), found.program), found.schedule).verdict is Verdict.FAILED
