"""The failing schedule that is shown: the same failure with fewer switches, and nothing else changes."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from lost_update import lost_update

from schedule_explorer import Result, SharedVariable, explore, replay
from schedule_explorer.errors import StepLimitError, UncontrolledCallError
from schedule_explorer.runtime import Choice, Trace
from schedule_explorer.shortest import Along, failure_of, shortest, size, switches

pytestmark = pytest.mark.usefixtures("interposed_once")


def start(*targets: Callable[[], None]) -> None:
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def among_others() -> None:
    """A lost update between two threads, and two more that only cost switches."""
    counter, noise = SharedVariable(0, "counter"), SharedVariable(0, "noise")

    def add() -> None:
        counter.store(counter.load() + 1)

    def chatter() -> None:
        for number in range(3):
            noise.store(number)

    start(add, chatter, add, chatter)
    assert counter.load() == 2


def inverted() -> None:
    first, second = threading.Lock(), threading.Lock()

    def one() -> None:
        for _ in range(2):
            with first, second:
                pass

    def two() -> None:
        for _ in range(2):
            with second, first:
                pass

    start(one, two)


def two_faults() -> None:
    """Without any preemption it fails on the first line, and on the second one only with one."""
    seen = SharedVariable(0, "seen")

    def one() -> None:
        if seen.load() == 1:
            raise ValueError("in the middle")
        seen.store(10)

    def two() -> None:
        seen.store(1)
        seen.store(2)

    start(one, two)
    raise ValueError("at the end")


BODIES = (lost_update, among_others, inverted)


def outcome(result: Result) -> tuple[object, ...]:
    return result.verdict, result.executions, result.blocked, result.deadlocks, result.failing


@pytest.mark.parametrize("strategy", ["optimal-dpor", "random", "pct", None])
@pytest.mark.parametrize("body", BODIES)
def test_the_same_failure_with_fewer_switches(body: Callable[[], None], strategy: str | None) -> None:
    found = explore(body, strategy, simplify=0)
    shown = explore(body, strategy)
    assert outcome(shown) == outcome(found)
    assert found.failure is not None and shown.failure is not None
    assert failure_of(shown.failure.trace) == failure_of(found.failure.trace)
    assert size(shown.failure.trace) <= size(found.failure.trace)
    again = replay(body, shown.failure.schedule).failure
    assert again is not None and size(again.trace) == size(shown.failure.trace)
    assert shown.failure.explain().splitlines()[-1] == shown.failure.schedule
    twice = explore(body, strategy).failure
    assert twice is not None and twice.schedule == shown.failure.schedule


@pytest.mark.parametrize("seed", range(5))
def test_of_a_lost_update_the_fewest_are_shown(seed: int) -> None:
    """From the main thread to one, to the other one, back and to the main thread: 4, and 2 for the others."""
    plain = explore(lost_update, "random", seed=seed).failure
    assert plain is not None and switches(plain.trace) == 4
    noisy = explore(among_others, "random", seed=seed).failure
    assert noisy is not None and switches(noisy.trace) == 6


class _Middle:
    """Lets two() store once, and then one() go on."""

    exhaustive = False

    def begin(self) -> bool:
        self._left = [2, 2, 1]
        return True

    def choose(self, choice: Choice) -> int:
        if self._left and self._left[0] in choice.options:
            return self._left.pop(0)
        return choice.options[0]

    def finish(self, trace: Trace) -> None:
        pass


def test_another_failure_is_not_the_same() -> None:
    """Every schedule fails on the last line; what was found failed in the middle first."""
    shown = explore(two_faults, _Middle()).failure
    assert shown is not None and str(shown.error) == "in the middle"
    plain = explore(two_faults).failure
    assert plain is not None and str(plain.error) == "at the end" and switches(plain.trace) == 3


def count(body: Callable[[], None], **options: object) -> int:
    runs = 0

    def counted() -> None:
        nonlocal runs
        runs += 1
        body()

    explore(counted, **options)  # type: ignore[arg-type]
    return runs


def test_its_budget_is_kept_and_every_failure_is_not_simplified() -> None:
    options = {"strategy": "random", "seed": 1, "max_executions": 50}
    without = count(among_others, **options, simplify=0)
    assert without < count(among_others, **options, simplify=3) <= without + 4
    # Only all the failures of a search tell which one is first.
    everything = {**options, "stop_at_first_failure": False}
    assert count(among_others, **everything) == count(among_others, **everything, simplify=0)


def test_a_negative_budget_is_refused() -> None:
    with pytest.raises(ValueError, match="simplify is -1"):
        explore(lost_update, simplify=-1)


def test_what_cannot_be_run_ends_the_search_and_an_endless_schedule_does_not() -> None:
    failure = explore(among_others, "random", seed=1, simplify=0).failure
    assert failure is not None
    tried: list[Along] = []

    def raising(error: Exception) -> Callable[[Along], Trace]:
        def run(along: Along) -> Trace:
            tried.append(along)
            raise error

        return run

    assert shortest(failure.trace, raising(UncontrolledCallError("os.fork")), 100) is failure.trace
    assert len(tried) == 1
    assert shortest(failure.trace, raising(StepLimitError("endless")), 5) is failure.trace
    assert len(tried) == 6
    assert shortest(failure.trace, raising(StepLimitError("endless")), 5, lambda: True) is failure.trace
    assert len(tried) == 6
