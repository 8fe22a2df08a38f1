"""The programs under interleave-test: ``python -m bench.peers.interleave_tool PROGRAM exhaust|find SECONDS``.

Its depth-first search over the bytecode of the program; standard library calls are atomic to it, and so are
calls on files. To exhaust a program its bound on preemptions is lifted, to find a failure its default stays.
"""

from __future__ import annotations

import os
import queue
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import interleave_test

from bench.peers.clock import Outcome, report

BASE = Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))


def run_all(*functions: Callable[[], object]) -> None:
    """Run each function in a thread of its own, to the end."""
    threads = [threading.Thread(target=f) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Counter:
    """One attribute."""

    value = 0


def increments(check: bool) -> None:
    """Two threads increment one attribute three times each, by a read and a write."""
    counter = Counter()

    def work() -> None:
        for _ in range(3):
            value = counter.value
            counter.value = value + 1

    run_all(work, work)
    assert not check or counter.value == 6


def appends(check: bool) -> None:
    """Three threads append under a lock."""
    lock = threading.Lock()
    items: list[int] = []

    def work() -> None:
        with lock:
            items.append(1)

    run_all(work, work, work)
    assert not check or len(items) == 3


def dining(check: bool) -> None:
    """Three philosophers who take the fork with the smaller number first."""
    forks = [threading.Lock() for _ in range(3)]

    def dine(i: int) -> None:
        first, second = sorted((i, (i + 1) % 3))
        with forks[first], forks[second]:
            pass

    run_all(*[lambda i=i: dine(i) for i in range(3)])


def _put(top: Path, name: str) -> None:
    with suppress(OSError):
        os.makedirs(top, exist_ok=True)
        with open(top / "tmp", "w") as file:
            file.write(name)
        os.rename(top / "tmp", top / name)


def in_hand(check: bool) -> None:
    """As `bench.programs.in_hand`."""
    top = BASE / "top"
    shutil.rmtree(top, ignore_errors=True)
    os.mkdir(top)
    run_all(lambda: _put(top, "a"), lambda: shutil.rmtree(top, ignore_errors=True))
    assert not check or not (top / "a").exists()


def queue_fed(check: bool) -> None:
    """As `bench.programs.queue_fed`."""
    top = BASE / "top"
    shutil.rmtree(top, ignore_errors=True)
    os.mkdir(top)
    names: queue.Queue[str | None] = queue.Queue()
    names.put("a")

    def write() -> None:
        while True:
            name = names.get()
            if name is None:
                return
            _put(top, name)

    def clean() -> None:
        with suppress(queue.Empty):
            names.get_nowait()
        shutil.rmtree(top, ignore_errors=True)
        names.put(None)

    run_all(write, clean)
    assert not check or not (top / "a").exists()


MODELS: dict[str, Callable[[bool], None]] = {
    "increments": increments,
    "appends": appends,
    "dining": dining,
    "in-hand": in_hand,
    "queue-fed": queue_fed,
}


class Bounded(interleave_test.DFSStrategy):  # type: ignore[misc, unused-ignore]
    """Its depth-first search, ended after so many seconds."""

    def __init__(self, limit: float, **arguments: int) -> None:
        super().__init__(**arguments)
        self._end = time.perf_counter() + limit

    def more(self) -> bool:
        """Say whether another schedule is left, and time for it."""
        return bool(super().more()) and time.perf_counter() < self._end


def run(name: str, check: bool, limit: float) -> Outcome:
    """Explore until all is run, with `check` until the first failure."""
    model = MODELS[name]
    result = interleave_test.explore(
        lambda: model(check), strategy=Bounded(limit) if check else Bounded(limit, max_preemptions=10**9),
        iterations=10**9, timeout=limit, raise_on_failure=False,
    )
    if result.failure is not None:
        kind = str(result.failure.kind)
        return Outcome(result.schedules_run, "failed", False, f"{kind}: {result.failure.exception!r}")
    if not result.exhausted:
        return Outcome(result.schedules_run, "inconclusive", False, f"not exhausted in {limit:g} s")
    return Outcome(result.schedules_run, "holds", True)


if __name__ == "__main__":
    try:
        report(lambda limit: run(sys.argv[1], sys.argv[2] == "find", limit), float(sys.argv[3]))
    finally:
        shutil.rmtree(BASE)
