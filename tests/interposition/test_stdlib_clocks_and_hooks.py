"""Clocks that the standard library bound early, trace functions for threads, and Ctrl-C against a raise."""

from __future__ import annotations

import _thread
import sched
import signal
import threading
import time
import timeit
from collections.abc import Callable
from typing import Any

import pytest

from schedule_explorer import SharedVariable, Verdict, explore
from schedule_explorer.errors import UncontrolledCallError

EARLY = sched.scheduler()


@pytest.mark.parametrize("early", [False, True])
def test_a_scheduler_waits_in_virtual_time(early: bool) -> None:
    def body() -> None:
        scheduler = EARLY if early else sched.scheduler()
        then, seen = time.monotonic(), []
        scheduler.enter(3600, 1, lambda: seen.append(time.monotonic() - then))
        scheduler.run()
        assert seen == [3600]

    result = explore(body)
    assert result.verdict is Verdict.PROVED, result.reason
    assert EARLY.timefunc is sched.scheduler().timefunc is time.monotonic


def test_a_scheduler_beside_a_thread_is_interleaved() -> None:
    def body() -> None:
        done = SharedVariable(0)
        scheduler = sched.scheduler()
        scheduler.enter(1, 1, done.store, (1,))
        thread = threading.Thread(target=scheduler.run)
        thread.start()
        time.sleep(2)
        assert done.load(), "the thread was slower"
        thread.join()

    assert explore(body).verdict is Verdict.FAILED


def test_timeit_reads_the_virtual_clock() -> None:
    def body() -> None:
        then = timeit.default_timer()
        time.sleep(1)
        assert timeit.default_timer() == then + 1
        assert timeit.timeit(lambda: time.sleep(1), number=2) == 2
        assert timeit.repeat(lambda: time.sleep(1), number=1, repeat=2) == [1, 1]
        assert timeit.Timer(lambda: time.sleep(1)).timeit(1) == 1

    real = timeit.default_timer
    result = explore(body)
    assert result.verdict is Verdict.PROVED, result.reason
    assert timeit.default_timer is real and timeit.timeit(number=1) < 1


@pytest.mark.parametrize("name", ["settrace", "setprofile"])
def test_a_trace_function_for_threads_is_named(name: str) -> None:
    get_hook: Any = getattr(threading, f"g{name[1:]}")
    held = get_hook()

    def set_hook(hook: Any) -> None:
        getattr(threading, name)(hook)

    def hook(*_: Any) -> None:
        raise AssertionError("never called")

    def before() -> None:
        set_hook(hook)
        threading.Thread(target=print).start()

    def beside() -> None:
        threading.Thread(target=print).start()
        set_hook(hook)

    def alone() -> None:
        set_hook(hook)
        assert get_hook() is hook
        set_hook(None)
        threading.Thread(target=len, args=("",)).start()

    for body, what in ((before, rf"a thread after threading\.{name}\(\)"),
                       (beside, rf"threading\.{name}\(\) beside other threads")):
        with pytest.raises(UncontrolledCallError, match=rf"{what} is not controlled, at .*test_stdlib"):
            explore(body)
        assert get_hook() is held
    assert explore(alone).verdict is explore(lambda: set_hook(hook)).verdict is Verdict.PROVED
    assert get_hook() is held


def interrupted() -> None:
    raise KeyboardInterrupt


def reraised() -> None:
    try:
        interrupted()
    except KeyboardInterrupt:
        raise


def in_a_thread(target: Callable[[], None]) -> Callable[[], None]:
    def body() -> None:
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()

    return body


def in_a_raw_thread(target: Callable[[], None]) -> Callable[[], None]:
    def body() -> None:
        _thread.start_new_thread(target, ())

    return body


@pytest.mark.parametrize("start", [in_a_thread, in_a_raw_thread])
@pytest.mark.parametrize("target", [interrupted, reraised])
def test_a_thread_that_raises_it_fails_alone(start: Any, target: Any) -> None:
    result = explore(start(target))
    assert result.verdict is Verdict.FAILED and result.failure is not None
    assert "a thread raised KeyboardInterrupt" in str(result.failure.error)
    assert isinstance(result.failure.error.__cause__, KeyboardInterrupt)


def test_a_hook_sees_it() -> None:
    def body() -> None:
        seen: list[Any] = []
        threading.excepthook = lambda arguments: seen.append(arguments.exc_type)
        in_a_thread(interrupted)()
        assert seen == [KeyboardInterrupt]

    hook = threading.excepthook
    try:
        result = explore(body, stop_at_first_failure=False)
    finally:
        threading.excepthook = hook
    assert all("a thread raised" in str(failure.error) for failure in result.failures)


def test_a_thread_that_catches_it_goes_on() -> None:
    def work() -> None:
        with pytest.raises(KeyboardInterrupt):
            interrupted()

    assert explore(in_a_thread(work)).verdict is Verdict.PROVED


def test_in_the_body_and_by_ctrl_c_it_ends_the_exploration() -> None:
    def pressed() -> None:
        signal.raise_signal(signal.SIGINT)
        for _ in range(1000):
            pass

    # A process that was started in the background ignores it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for body in (interrupted, in_a_thread(pressed)):
            with pytest.raises(KeyboardInterrupt):
                explore(body)
    finally:
        signal.signal(signal.SIGINT, before)
