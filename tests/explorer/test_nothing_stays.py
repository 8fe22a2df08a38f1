"""Nothing of an execution outlives the exploration: memory is flat however many are run."""

from __future__ import annotations

import concurrent.futures
import gc
import queue
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from random_programs import FAMILIES, body_of, generate

from schedule_explorer import explore, fresh_dir
from schedule_explorer.runtime import Execution
from schedule_explorer.runtime.threads import VirtualThread


def left() -> int:
    """Count executions and their threads that something still refers to."""
    before, now = -1, 0
    while before != now:  # what a finalizer lets go is collected the next time
        gc.collect()
        before, now = now, sum(type(one) in (Execution, VirtualThread) for one in gc.get_objects())
    return now


def two(function: Callable[[Path], object]) -> Callable[[], None]:
    """Return a body: `function` of one directory, on two threads."""

    def body() -> None:
        directory = fresh_dir()
        threads = [threading.Thread(target=function, args=(directory,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return body


def text(directory: Path) -> None:
    (directory / "a").write_text("text")
    (directory / "a").read_text()


def long_write(directory: Path) -> None:
    """Write more than a buffer holds: a call of several steps."""
    with open(directory / "a", "wb", buffering=16) as file:
        file.write(b"0123456789")
        file.write(b"0123456789" * 10)


def left_open(directory: Path) -> None:
    directory.stash = open(directory / "a", "w")  # type: ignore[attr-defined]
    raise ValueError("in the middle")


def tree(directory: Path) -> None:
    (directory / "b" / "c").mkdir(parents=True, exist_ok=True)
    shutil.rmtree(directory / "b", ignore_errors=True)


def pool(directory: Path) -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        executor.submit(directory.exists).result()


def timed(directory: Path) -> None:
    condition, jobs = threading.Condition(), queue.Queue[int]()
    with condition:
        condition.wait(1)
    with pytest.raises(queue.Empty):
        jobs.get(timeout=1)


def blocked_within_a_call(directory: Path) -> None:
    """Be left for ever with a file that another thread is in the middle of."""
    with open(directory / "a", "wb", buffering=0) as file:
        file.write(b"x")
        threading.Lock().acquire()
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()


@pytest.mark.parametrize(
    "function", [text, long_write, left_open, tree, pool, timed, blocked_within_a_call],
    ids=lambda function: function.__name__,
)  # fmt: skip
@pytest.mark.parametrize("strategy", ["optimal-dpor", "random"])
def test_after_a_body(function: Callable[[Path], object], strategy: str) -> None:
    explore(two(function), strategy, max_executions=2)
    before = left()
    explored = explore(two(function), strategy, max_executions=20, stop_at_first_failure=False).executions
    assert explored
    assert left() == before


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_after_a_random_program(family: str) -> None:
    before = left()
    for seed in range(3):
        explore(body_of(generate(Random(seed), (family,)), set()), max_executions=20)
    assert left() == before
