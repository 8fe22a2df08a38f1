"""A body that cannot be explored is named with what it did and where, within seconds."""

from __future__ import annotations

import _queue
import _thread
import asyncio
import functools
import itertools
import queue
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from schedule_explorer import SharedVariable, Verdict, explore
from schedule_explorer.errors import (
    DivergenceError,
    ExplorerError,
    InvalidBodyError,
    UncontrolledBlockingError,
    UncontrolledCallError,
    UncontrolledThreadError,
)

HERE = r"test_bad_bodies\.py:\d+"
#: where no exploration looks for what it could exchange
_LOCKS = [_thread.allocate_lock()]
KEPT: dict[str, Any] = {
    "acquire": _LOCKS[0].acquire, "release": _LOCKS[0].release,
    "get": _queue.SimpleQueue().get,
}
STARTS = itertools.repeat(_thread.start_new_thread)


async def coroutine() -> None:
    """Never awaited."""


def generator() -> Iterator[int]:
    yield 1


class Callable_:
    async def __call__(self) -> None:
        """A coroutine function, though not by its looks."""


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (42, r"callable, got 42 \(int\)"),
        (None, r"callable, got None \(NoneType\)"),
        (lambda x: x, r"takes arguments \(x\).*functools\.partial"),
        (lambda *, x: x, r"takes arguments \(x\).*functools\.partial"),
        (functools.partial(lambda x, y: x, 1), r"takes arguments \(y\)"),
        (coroutine, "coroutine function"),
        (functools.partial(coroutine), "coroutine function"),
        (generator, "generator function"),
        (lambda: coroutine(), "returned a coroutine"),
        (Callable_(), "returned a coroutine"),
        (lambda: generator(), "returned a generator"),
    ],
)
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
def test_what_is_no_body_is_named(body: Any, message: str) -> None:
    with pytest.raises(InvalidBodyError, match=message):
        explore(body)


def socket_body() -> None:
    left, right = socket.socketpair()
    with left, right:
        left.recv(1)


def select_body() -> None:
    left, right = socket.socketpair()
    with left, right:
        select.select([left], [], [])


def pause_body() -> None:
    signal.pause()


def queue_body() -> None:
    KEPT["get"]()


def lock_body() -> None:
    KEPT["acquire"]()
    thread = threading.Thread(target=KEPT["acquire"])
    thread.start()
    thread.join()


def two_threads_body() -> None:
    """One holds the real lock across a step; the other meets it there."""
    variable = SharedVariable(0)

    def work() -> None:
        KEPT["acquire"]()
        variable.store(1)
        KEPT["release"]()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def busy_body() -> None:
    while KEPT: pass  # noqa: E701


def sleeping_body() -> None:
    select.select([], [], [], 60)


BLOCKING: dict[str, tuple[Callable[[], None], str]] = {
    "socket": (socket_body, "left.recv(1)"),
    "select": (select_body, "select.select([left], [], [])"),
    "pause": (pause_body, "signal.pause()"),
    "queue in C": (queue_body, 'KEPT["get"]()'),
    "real lock": (lock_body, ""),
    "real lock, two threads": (two_threads_body, 'KEPT["acquire"]()'),
    "loop": (busy_body, "while KEPT: pass  # noqa: E701"),
    "a wait in C": (sleeping_body, "select.select([], [], [], 60)"),
}


@pytest.fixture(autouse=True)
def free() -> Iterator[None]:
    yield
    if _LOCKS[0].locked():
        _LOCKS[0].release()


@pytest.mark.parametrize("name", BLOCKING)
def test_what_blocks_is_named_within_seconds(name: str) -> None:
    body, text = BLOCKING[name]
    where = rf"at .*{HERE} \(\w+\) in `{re.escape(text)}`" if text else "at an unknown line"
    started = time.perf_counter()
    with pytest.raises(UncontrolledBlockingError) as caught:
        explore(body, step_timeout=0.5)
    assert time.perf_counter() - started < 10
    told = str(caught.value)
    assert re.search(rf"did not return within 0\.5 s, {where}: a real lock, .*step_timeout", told)


def test_threads_at_a_real_lock_are_named_with_their_lines() -> None:
    with pytest.raises(UncontrolledBlockingError) as caught:
        explore(two_threads_body, step_timeout=0.5)
    told = str(caught.value)
    lines = ('KEPT["acquire"]()', "variable.store(1)", "thread.join()")
    lock, store, join = (re.escape(f"in `{line}`") for line in lines)
    assert re.search(rf"a step of Thread-1 \(work\) did not .*{HERE} \(work\) {lock}", told)
    assert re.search(rf"meanwhile Thread-2 \(work\) is at .*{HERE} \(work\) {store}", told)
    assert re.search(rf"meanwhile main is at .*{HERE} \(two_threads_body\) {join}", told)


def test_a_process_is_named() -> None:
    with pytest.raises(UncontrolledCallError, match=f"(?s)(starting a process|posix_spawn).*{HERE}"):
        explore(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True) and None)


def test_an_event_loop_ends_within_seconds() -> None:
    """What it does is not interposed; it must not hang."""
    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(ExplorerError):
        explore(lambda: asyncio.run(wait()), step_timeout=0.5)


def test_a_real_thread_that_is_left_is_named() -> None:
    gate = _thread.allocate_lock()
    gate.acquire()
    held = [gate]

    def body() -> None:
        next(STARTS)(lambda: held[0].acquire() and None, ())

    try:
        message = f"(?s)started a real thread.*{HERE}.*threading.Thread"
        with pytest.raises(UncontrolledThreadError, match=message):
            explore(body)
    finally:
        gate.release()


def test_a_body_that_keeps_state_is_named() -> None:
    runs: list[int] = []

    def body() -> None:
        runs.append(1)
        variable = SharedVariable(0)
        thread = threading.Thread(target=variable.load if len(runs) == 1 else lambda: variable.store(1))
        thread.start()
        variable.store(2)
        thread.join()

    with pytest.raises(DivergenceError, match=f"(?s)expected .*met .*{HERE}.*between runs"):
        explore(body)


@pytest.mark.parametrize("more", [True, False])
def test_a_body_that_does_more_or_less_when_run_again_is_named(more: bool) -> None:
    runs: list[int] = []

    def body() -> None:
        runs.append(1)
        for _ in range(len(runs) if more else 3 - min(len(runs), 2)):
            SharedVariable(0).load()

    with pytest.raises(DivergenceError, match="between runs"):
        explore(body)


@pytest.mark.parametrize("deep", [False, True])
def test_a_thread_that_catches_everything_is_ended_or_named(deep: bool) -> None:
    def body() -> None:
        jobs: queue.Queue[Any] = queue.Queue()

        def work() -> None:
            while True:
                try:
                    jobs.get()()
                except:  # noqa: E722
                    pass

        def stubborn() -> None:
            while True:
                try:
                    work()
                except:  # noqa: E722
                    pass

        threading.Thread(target=stubborn if deep else work, daemon=True).start()
        jobs.put(lambda: None)

    tracing = sys.gettrace()
    if deep:
        with pytest.raises(UncontrolledBlockingError, match=r"\(work\): let it catch Exception"):
            explore(body)
    else:
        assert explore(body).verdict is Verdict.PROVED
    assert sys.gettrace() is tracing


def test_who_traces_goes_on_tracing_after_a_thread_was_told_to_end() -> None:
    def body() -> None:
        seen.append(sys.gettrace())
        jobs: queue.Queue[Any] = queue.Queue()

        def work() -> None:
            while True:
                try:
                    jobs.get()
                except:  # noqa: E722
                    pass

        threading.Thread(target=work, daemon=True).start()

    def tracer(*_: Any) -> None:
        return None

    seen: list[Any] = []
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        explore(body)
    finally:
        sys.settrace(before)
    assert len(seen) > 1 and set(seen) == {tracer}
