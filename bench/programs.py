"""The programs that the rows measure, as bodies for `explore`; `bench.peers` has them for the other tools."""

from __future__ import annotations

import os
import queue
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from schedule_explorer import SharedVariable, fresh_dir


def run_all(*functions: Callable[[], object]) -> None:
    """Run each function in a thread of its own, to the end."""
    threads = [threading.Thread(target=f) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def lastzero(n: int) -> None:
    """Abdulla and others, POPL 2014: n threads raise a cell each, one looks for the last zero."""
    cells = [SharedVariable(0) for _ in range(n + 1)]

    def raise_cell(j: int) -> None:
        cells[j].store(cells[j - 1].load() + 1)

    def search() -> None:
        i = n
        while cells[i].load() != 0:
            i -= 1

    run_all(search, *[lambda j=j: raise_cell(j) for j in range(1, n + 1)])


def mpat(k: int) -> None:
    """The Mpat of the DPOR papers: k pairs of threads, one of each pair takes a common lock first."""
    locks, m = [threading.Lock() for _ in range(k)], threading.Lock()

    def single(i: int) -> None:
        with locks[i]:
            pass

    def nested(i: int) -> None:
        with m, locks[i]:
            pass

    run_all(*[f for i in range(k) for f in (lambda i=i: single(i), lambda i=i: nested(i))])


def increments(rounds: int, *, check: bool) -> None:
    """Two threads increment one counter `rounds` times each, by a load and a store."""
    counter = SharedVariable(0)

    def work() -> None:
        for _ in range(rounds):
            counter.store(counter.load() + 1)

    run_all(work, work)
    assert not check or counter.load() == 2 * rounds


def appends(*, check: bool) -> None:
    """Three threads append to one list under a lock."""
    lock = threading.Lock()
    items: list[int] = []

    def work() -> None:
        with lock:
            items.append(1)

    run_all(work, work, work)
    assert not check or len(items) == 3


def dining(*, check: bool) -> None:
    """Three philosophers, each takes the fork with the smaller number first: there is no deadlock."""
    forks = [threading.Lock() for _ in range(3)]

    def dine(i: int) -> None:
        first, second = sorted((i, (i + 1) % 3))
        with forks[first], forks[second]:
            pass

    run_all(*[lambda i=i: dine(i) for i in range(3)])


class InHand:
    """A writer makes a file while a cleanup removes the directory; a file may be left."""

    def __init__(self, base: Path) -> None:
        self.top = base / "top"
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

    def left(self) -> bool:
        """Say whether a file survived the cleanup."""
        return (self.top / "a").exists()


class QueueFed(InHand):
    """The writer takes names off a queue, which the cleanup drains first.

    A file is left when the cleanup ran while the writer had a name in hand.
    """

    def __init__(self, base: Path) -> None:
        super().__init__(base)
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
        """Forget what is queued, remove what is written, end the writer."""
        with suppress(queue.Empty):
            self.names.get_nowait()
        super().clean()
        self.names.put(None)


def in_hand(*, check: bool) -> None:
    """`InHand` with its two threads."""
    store = InHand(fresh_dir())
    run_all(store.write, store.clean)
    assert not check or not store.left()


def queue_fed(*, check: bool) -> None:
    """`QueueFed` with its two threads."""
    store = QueueFed(fresh_dir())
    run_all(store.write, store.clean)
    assert not check or not store.left()
