"""The floor under the bookkeeping: the programs of that row as bare generators, without any explorer.

A thread is a generator that yields before each of its operations; it yields a lock (a list that holds the
owner's number, or nothing) before it takes one. The scheduler takes any thread that can go on. There are no
traces, no dependences, no files, and no library is interposed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from random import Random

Lock = list[int]
Thread = Generator[Lock | None, None, None]


def execute(threads: list[Thread], random: Random) -> int:
    """Run the threads to their ends, any of those that can go on at each step; return the steps."""
    waiting = [next(thread, None) for thread in threads]
    alive = list(range(len(threads)))
    steps = 0
    while alive:
        enabled = [i for i in alive if not waiting[i]]
        chosen = enabled[random.randrange(len(enabled))] if len(enabled) > 1 else enabled[0]
        steps += 1
        try:
            waiting[chosen] = threads[chosen].send(None)
        except StopIteration:
            alive.remove(chosen)
    return steps


def lastzero(n: int) -> list[Thread]:
    """As `bench.programs.lastzero`."""
    cells = [0] * (n + 1)

    def raise_cell(j: int) -> Thread:
        yield None
        value = cells[j - 1]
        yield None
        cells[j] = value + 1

    def search() -> Thread:
        i = n
        while True:
            yield None
            if cells[i] == 0:
                return
            i -= 1

    return [search(), *[raise_cell(j) for j in range(1, n + 1)]]


def mpat(k: int) -> list[Thread]:
    """As `bench.programs.mpat`."""
    locks: list[Lock] = [[] for _ in range(k)]
    m: Lock = []

    def single(i: int) -> Thread:
        yield locks[i]
        locks[i].append(i)
        yield None
        locks[i].pop()

    def nested(i: int) -> Thread:
        yield m
        m.append(i)
        yield locks[i]
        locks[i].append(i)
        yield None
        locks[i].pop()
        yield None
        m.pop()

    return [thread for i in range(k) for thread in (single(i), nested(i))]


def repeat(program: Callable[[], list[Thread]], executions: int) -> None:
    """Run a program so many times, at random with the same seed."""
    random = Random(0)
    for _ in range(executions):
        execute(program(), random)
