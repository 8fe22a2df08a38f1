"""Locks, semaphores, events and barriers behave in a body as the real ones do, and race where they should.

Call sequences that Hypothesis makes are run on real objects and inside a body; results and errors must agree.
Unmodified cases of CPython's ``test.lock_tests`` run as bodies. Left out of those, and why:

* ``test_repr``, ``test_locked_repr``: the text of a real lock names its type and address.
* ``test_constructor`` of locks, ``test_weakref_*``, ``test_thread_leak``, ``test_acquire_destroy``,
  ``test_at_fork_reinit``: about the C object, its memory, operating system threads or fork.
* ``test_timeout``, ``test_waitfor_timeout``, ``test_default_timeout``, ``test_acquire_timeout``, the barrier
  tests whose threads sleep to come last, ``test_set_and_clear`` of events: they measure real time, or take a
  fast machine for granted.
* contended cases that assert what other threads have done after a sleep "for long enough".

The library's own test module binds ``start_new_thread`` at import, so that name is looked up late here.
"""

from __future__ import annotations

import _thread
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schedule_explorer import Verdict, explore

lock_tests = pytest.importorskip("test.lock_tests")

CASES: list[tuple[str, Callable[[], Any], list[str]]] = [
    ("LockTests", lambda: threading.Lock,
     ["test_acquire_release", "test_try_acquire", "test_with", "test_reacquire", "test_different_thread"]),
    ("RLockTests", lambda: threading.RLock,
     ["test_acquire_release", "test_try_acquire", "test_with", "test_reacquire", "test_release_unacquired",
      "test_release_save_unacquired", "test__is_owned"]),
    ("EventTests", lambda: threading.Event, ["test_is_set"]),
    ("ConditionTests", lambda: threading.Condition,
     ["test_acquire", "test_unacquired_wait", "test_unacquired_notify"]),
    ("SemaphoreTests", lambda: threading.Semaphore,
     ["test_constructor", "test_try_acquire", "test_default_value", "test_with", "test_release_unacquired"]),
    ("BoundedSemaphoreTests", lambda: threading.BoundedSemaphore,
     ["test_constructor", "test_try_acquire", "test_default_value", "test_with", "test_release_unacquired"]),
    ("BarrierTests", lambda: threading.Barrier, ["test_single_thread"]),
]
_KINDS = {"LockTests": "locktype", "RLockTests": "locktype", "EventTests": "eventtype",
          "ConditionTests": "condtype", "SemaphoreTests": "semtype", "BoundedSemaphoreTests": "semtype",
          "BarrierTests": "barriertype"}


@pytest.mark.parametrize(
    ("name", "case"), [(name, case) for name, _, cases in CASES for case in cases]
)
def test_case_of_cpython(name: str, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        lock_tests, "start_new_thread", lambda *args: _thread.start_new_thread(*args), raising=False
    )
    monkeypatch.setattr(lock_tests, "get_ident", lambda: threading.get_ident(), raising=False)
    kind = next(kind for other, kind, _ in CASES if other == name)
    if not hasattr(getattr(lock_tests, name), case):
        pytest.skip("this Python has no such case")

    def body() -> None:
        cls = type(name, (getattr(lock_tests, name),), {_KINDS[name]: staticmethod(kind())})
        instance = cls(case)
        # Not through run(): its setUp and tearDown look at the threads of the process.
        if name == "BarrierTests":
            instance.barrier = threading.Barrier(instance.N, timeout=instance.defaultTimeout)
        getattr(instance, case)()

    result = explore(body, "random", max_executions=5, timeouts="quiet")
    assert result.failure is None, result.failure.explain() if result.failure else ""


# -- the same calls on real and on virtual objects -----------------------------------------------------

MAKERS: dict[str, list[Callable[[], Any]]] = {
    "lock": [lambda: threading.Lock()],
    "rlock": [lambda: threading.RLock()],
    "semaphore": [lambda: threading.Semaphore(), lambda: threading.Semaphore(0),
                  lambda: threading.Semaphore(2),
                  lambda: threading.BoundedSemaphore(), lambda: threading.BoundedSemaphore(2),
                  lambda: threading.Semaphore(-1)],
    "event": [lambda: threading.Event()],
    "condition": [lambda: threading.Condition(), lambda: threading.Condition(threading.Lock())],
}
#: none of them blocks for ever on a real object, but for an acquire of what the same thread holds
CALLS: dict[str, list[tuple[str, tuple[Any, ...]]]] = {
    "lock": [("acquire", (False,)), ("acquire", (True, 0)), ("acquire", (True, 0.001)), ("release", ()),
             ("locked", ()), ("acquire", (False, 1)), ("acquire", (True, -2)), ("acquire", (True, 1e30))],
    "rlock": [("acquire", ()), ("acquire", (False,)), ("acquire", (True, 0.001)), ("release", ()),
              ("acquire", (False, 1)), ("acquire", (True, -2))],
    "semaphore": [("acquire", (False,)), ("acquire", (True, 0)), ("acquire", (True, 0.001)), ("release", ()),
                  ("release", (2,)), ("release", (0,)), ("acquire", (False, 1)), ("acquire", (True, -1))],
    "event": [("set", ()), ("clear", ()), ("is_set", ()), ("wait", (0,)), ("wait", (0.001,)),
              ("wait", (-1,))],
    "condition": [("acquire", (False,)), ("release", ()), ("notify", ()), ("notify_all", ()), ("wait", (0,)),
                  ("wait", (0.001,)), ("notify", (0,))],
}


def outcomes(make: Callable[[], Any], calls: list[tuple[str, tuple[Any, ...]]]) -> list[str]:
    """Return what each call returned, or the type and text of what it raised."""
    found = []

    def note(call: Callable[[], Any]) -> Any:
        try:
            value = call()
        except Exception as error:
            found.append(f"{type(error).__name__}: {error}")
            return None
        return value

    made = note(make)
    if made is None:
        return found
    for name, arguments in calls:
        value = note(lambda name=name, arguments=arguments: (getattr(made, name)(*arguments),))
        if value is not None:
            found.append(repr(value[0]))
    return found

#: call sequences for each family of objects; ``make prove-explorer`` takes more
EXAMPLES = int(os.environ.get("PROVE_EXAMPLES", "12"))


@pytest.mark.parametrize("family", sorted(MAKERS))
def test_calls_do_what_they_do_on_a_real_object(family: str) -> None:
    @settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None,
              suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(MAKERS[family]), st.lists(st.sampled_from(CALLS[family]), max_size=8))
    def agree(make: Callable[[], Any], calls: list[tuple[str, tuple[Any, ...]]]) -> None:
        found: list[str] = []

        def body() -> None:
            found[:] = outcomes(make, calls)

        explore(body, max_executions=1)
        assert found == outcomes(make, calls)

    agree()


# -- several threads -----------------------------------------------------------------------------------


@pytest.mark.parametrize("timeouts", ["any", "quiet"])
def test_barrier_lets_all_go_and_runs_its_action_once(timeouts: str) -> None:
    def body() -> None:
        acts: list[int] = []
        got: list[int] = []
        barrier = threading.Barrier(3, action=lambda: acts.append(1))
        threads = [threading.Thread(target=lambda: got.append(barrier.wait())) for _ in range(2)]
        for thread in threads:
            thread.start()
        got.append(barrier.wait())
        for thread in threads:
            thread.join()
        assert sorted(got) == [0, 1, 2] and acts == [1]
        assert barrier.n_waiting == 0 and not barrier.broken

    result = explore(body, timeouts=timeouts, max_executions=200)
    assert result.failure is None


def _waits(barrier: threading.Barrier, found: list[Any], timeout: float | None = None) -> None:
    try:
        found.append(barrier.wait(timeout))
    except threading.BrokenBarrierError:
        found.append("broken")


def test_barrier_that_times_out_breaks_for_all() -> None:
    seen = set()

    def body() -> None:
        barrier = threading.Barrier(2)
        found: list[Any] = []
        thread = threading.Thread(target=_waits, args=(barrier, found, 1.0))
        thread.start()
        _waits(barrier, found, 1.0)
        thread.join()
        assert len(found) == 2
        seen.add((barrier.broken, *sorted(map(str, found))))

    assert explore(body).verdict is Verdict.PROVED
    assert (False, "0", "1") in seen and (True, "broken", "broken") in seen


@pytest.mark.parametrize("call", ["abort", "reset"])
def test_barrier_breaks_on_abort_and_on_reset(call: str) -> None:
    seen = set()

    def body() -> None:
        barrier = threading.Barrier(2)
        found: list[Any] = []
        thread = threading.Thread(target=_waits, args=(barrier, found, None), daemon=True)
        thread.start()
        getattr(barrier, call)()
        seen.add(tuple(found))
        if call == "abort":
            thread.join()
            assert found == ["broken"] and barrier.broken
        else:
            assert not barrier.broken

    assert explore(body).verdict is Verdict.PROVED


def test_action_that_raises_breaks_the_barrier() -> None:
    def body() -> None:
        barrier = threading.Barrier(1, action=lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            barrier.wait()
        assert barrier.broken

    assert explore(body).verdict is Verdict.PROVED


class LoudEvent(threading.Event):
    def __init__(self) -> None:
        self.word = "loud"
        super().__init__()


class LoudSemaphore(threading.Semaphore):
    def __init__(self) -> None:
        super().__init__(0)
        self.word = "loud"


def test_subclass_is_named_where_it_is_made() -> None:
    """Who uses it first depends on the schedule: named then, two executions would not be compared right."""
    seen = set()

    def body() -> None:
        event, semaphore, got = LoudEvent(), LoudSemaphore(), []

        def one() -> None:
            got.append(event.is_set())
            semaphore.release()

        def two() -> None:
            event.set()
            semaphore.release()

        threads = [threading.Thread(target=f) for f in (one, two)]
        for thread in threads:
            thread.start()
        assert semaphore.acquire() and semaphore.acquire()
        seen.add(got[0])
        for thread in threads:
            thread.join()

    counts = {
        strategy: explore(body, strategy).executions for strategy in ("optimal-dpor", "sleep-set-dfs")
    }
    assert seen == {True, False} and len(set(counts.values())) == 1


early = threading.Event()
early_condition = threading.Condition()


def test_object_made_before_keeps_one_name() -> None:
    seen = set()

    def body() -> None:
        early.clear()
        thread = threading.Thread(target=early.set)
        thread.start()
        seen.add(early.is_set())
        assert early.wait()
        thread.join()

    assert explore(body).verdict is Verdict.PROVED
    assert seen == {True, False}


@pytest.mark.parametrize("strategy", ["optimal-dpor", "sleep-set-dfs"])
def test_timed_acquire_races_by_its_gate_in_quiet_mode(strategy: str) -> None:
    def body() -> None:
        lock = threading.Lock()

        def hold() -> None:
            assert lock.acquire(timeout=1.0)
            lock.release()

        threads = [threading.Thread(target=hold) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(1.0)

    result = explore(body, strategy, timeouts="quiet")
    assert result.failure is None and "planned" not in result.reason
    assert result.executions == 2
