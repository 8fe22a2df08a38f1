"""The programs under frontrun: ``frontrun python -m bench.peers.frontrun_tool PROGRAM exhaust|find SECONDS``.

Its DPOR without a bound on preemptions, and without the ten replays of a failure that it adds. State is made
by `setup` and given to each worker; the steps are its own (bytecode that touches attributes and subscripts,
locks, input and output).
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
from typing import Any

import frontrun

from bench.peers.clock import Outcome, report

BASE = Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))


class Counter:
    """Two threads increment it three times each, by a read and a write."""

    def __init__(self) -> None:
        self.value = 0

    def work(self) -> None:
        """Be one of them."""
        for _ in range(3):
            value = self.value
            self.value = value + 1


class Items:
    """Three threads append under a lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.items: list[int] = []

    def work(self) -> None:
        """Be one of them."""
        with self.lock:
            self.items.append(1)


class Forks:
    """Three philosophers who take the fork with the smaller number first."""

    def __init__(self) -> None:
        self.forks = [threading.Lock() for _ in range(3)]

    def dine(self, i: int) -> None:
        """Eat once."""
        first, second = sorted((i, (i + 1) % 3))
        with self.forks[first], self.forks[second]:
            pass


class InHand:
    """As `bench.programs.InHand`: a writer has a name in hand while a cleanup removes all."""

    def __init__(self) -> None:
        self.base = Path(tempfile.mkdtemp(dir=BASE))
        self.top = self.base / "top"
        os.mkdir(self.top)

    def put(self, name: str) -> None:
        """Write one file."""
        with suppress(OSError):
            os.makedirs(self.top, exist_ok=True)
            with open(self.top / "tmp", "w") as file:
                file.write(name)
            os.rename(self.top / "tmp", self.top / name)

    def write(self) -> None:
        """Write the name in hand."""
        self.put("a")

    def clean(self) -> None:
        """Remove what is written."""
        shutil.rmtree(self.top, ignore_errors=True)

    def gone(self) -> bool:
        """Say whether nothing survived, and remove the directory."""
        gone = not (self.top / "a").exists()
        shutil.rmtree(self.base)
        return gone


class QueueFed(InHand):
    """As `bench.programs.QueueFed`: the writer takes names off a queue, which the cleanup drains."""

    def __init__(self) -> None:
        super().__init__()
        self.names: queue.Queue[str | None] = queue.Queue()
        self.names.put("a")

    def write(self) -> None:
        """Write a file for every name; None is the end."""
        while True:
            name = self.names.get()
            if name is None:
                return
            self.put(name)

    def clean(self) -> None:
        """Drain, remove, end the writer."""
        with suppress(queue.Empty):
            self.names.get_nowait()
        super().clean()
        self.names.put(None)


def _dine(i: int) -> Callable[[Forks], None]:
    return lambda forks: forks.dine(i)


#: setup, workers, invariant
PROGRAMS: dict[str, tuple[Any, list[Any], Callable[[Any], bool]]] = {
    "increments": (Counter, [Counter.work] * 2, lambda state: state.value == 6),
    "appends": (Items, [Items.work] * 3, lambda state: len(state.items) == 3),
    "dining": (Forks, [_dine(i) for i in range(3)], lambda state: True),
    "in-hand": (InHand, [InHand.write, InHand.clean], InHand.gone),
    "queue-fed": (QueueFed, [QueueFed.write, QueueFed.clean], QueueFed.gone),
}


def run(name: str, check: bool, limit: float) -> Outcome:
    """Explore until all is run, with `check` until the first failure."""
    setup, workers, invariant = PROGRAMS[name]
    started = time.perf_counter()
    result = frontrun.explore(
        setup=setup, workers=workers, invariant=lambda state: invariant(state) or not check,
        preemption_bound=None, stop_on_first=check, reproduce_on_failure=0, total_timeout=limit,
    )
    if result.property_holds is None:
        return Outcome(result.num_explored, "inconclusive", False, str(result.inconclusive_reason))
    # It does not say whether the time ran out.
    exhausted = bool(result.property_holds) and time.perf_counter() - started < limit
    return Outcome(result.num_explored, "holds" if result.property_holds else "failed", exhausted)


if __name__ == "__main__":
    try:
        report(lambda limit: run(sys.argv[1], sys.argv[2] == "find", limit), float(sys.argv[3]))
    finally:
        shutil.rmtree(BASE, ignore_errors=True)
