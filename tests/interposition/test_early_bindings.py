"""What a module bound at import, elsewhere than in its globals, is interposed too."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from schedule_explorer import SharedVariable, Verdict, explore
from schedule_explorer.interposition.clock import EPOCH, ORIGIN


def synchronized(
    function: Callable[..., Any], make: Callable[[], Any] = threading.Lock
) -> Callable[..., Any]:
    lock = make()

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        with lock:
            return function(*arguments)

    return call


@synchronized
def add(variable: SharedVariable) -> None:
    variable.store(variable.load() + 1)


@synchronized
def add_elsewhere(variable: SharedVariable) -> None:
    variable.store(variable.load() + 1)


def plainly_add(variable: SharedVariable) -> None:
    variable.store(variable.load() + 1)


add_reentrantly = synchronized(plainly_add, threading.RLock)


class Registry:
    """One for the whole module, with a lock of its own."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.lock = make()
        self.condition = threading.Condition(self.lock)

    def add(self, variable: SharedVariable) -> None:
        with self.lock:
            plainly_add(variable)

    def add_under_condition(self, variable: SharedVariable) -> None:
        with self.condition:
            plainly_add(variable)


REGISTRIES = Registry(threading.Lock), Registry(threading.RLock)
PLAIN, REENTRANT = REGISTRIES


@dataclass
class Guarded:
    lock: Any = field(default_factory=threading.Lock)
    at: float = field(default_factory=time.time)


class Maker:
    make = threading.Lock


def now(
    clock: Callable[[], float] = time.monotonic, *, wall: Callable[[], float] = time.time
) -> tuple[float, float]:
    return clock(), wall()


def race(*functions: Callable[[SharedVariable], None]) -> Callable[[], None]:
    def body() -> None:
        variable = SharedVariable(0)
        threads = [threading.Thread(target=function, args=(variable,)) for function in functions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert variable.load() == len(functions), "an update was lost"

    return body


@pytest.mark.parametrize("function", [add, add_reentrantly])
def test_a_lock_in_the_closure_of_a_decorator_excludes(function: Any) -> None:
    result = explore(race(function, function), step_timeout=1)
    assert result.verdict is Verdict.PROVED, result.reason
    assert result.executions == 2


@pytest.mark.parametrize("registry", REGISTRIES, ids=["Lock", "RLock"])
def test_a_lock_of_an_object_in_a_module_global_excludes(registry: Registry) -> None:
    real = registry.lock
    result = explore(race(registry.add, registry.add_under_condition), step_timeout=1)
    assert (result.verdict, result.executions) == (Verdict.PROVED, 2), result.reason
    assert registry.lock is registry.condition._lock is real  # type: ignore[attr-defined]


def test_two_closures_of_one_decorator_have_two_locks() -> None:
    result = explore(race(add, add_elsewhere), step_timeout=1)
    assert result.verdict is Verdict.FAILED and "an update was lost" in result.reason


def test_defaults_and_factories_are_interposed_and_put_back() -> None:
    defaults, named = now.__defaults__, now.__kwdefaults__

    def body() -> None:
        assert now() == (ORIGIN, EPOCH)
        guarded = Guarded()
        assert guarded.at == EPOCH
        assert type(guarded.lock) is type(Maker.make()) is type(threading.Lock())
        order: list[int] = []

        def work(index: int) -> None:
            with guarded.lock:
                order.append(index)

        threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    result = explore(body)
    assert (result.verdict, result.executions) == (Verdict.PROVED, 2), result.reason
    assert (now.__defaults__, now.__kwdefaults__) == (defaults, named)
    assert abs(now()[1] - EPOCH) > 1e6 and abs(Guarded().at - EPOCH) > 1e6
    assert type(Guarded().lock) is type(Maker.make()) is type(threading.Lock())
