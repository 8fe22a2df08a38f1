"""Programs of the literature whose number of Mazurkiewicz traces is known.

Sources: the regression expectations of GenMC and Concuerror; the DPOR papers (POPL 2014, JACM 2017); DPU
(CAV 2018). The threads exist from the start; their start and join are order only.
"""

from __future__ import annotations

import math
import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from schedule_explorer import SharedVariable, fresh_dir


def run_all(*functions: Callable[[], object]) -> None:
    threads = [threading.Thread(target=f) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def readers(n: int) -> None:
    x = SharedVariable(0)
    run_all(lambda: x.store(1), *[x.load] * n)


def lastzero(n: int) -> None:
    cells = [SharedVariable(0) for _ in range(n + 1)]

    def raise_cell(j: int) -> None:
        cells[j].store(cells[j - 1].load() + 1)

    def search() -> None:
        i = n
        while cells[i].load() != 0:
            i -= 1

    run_all(search, *[lambda j=j: raise_cell(j) for j in range(1, n + 1)])


def lockinc(n: int) -> None:
    lock, x = threading.Lock(), SharedVariable(0)

    def work() -> None:
        with lock:
            x.store(x.load() + 1)

    run_all(*[work] * n)
    assert x.load() == n


def inc(n: int) -> None:
    x = SharedVariable(0)
    run_all(*[lambda: x.store(x.load() + 1)] * n)


def binc(n: int) -> None:
    x, y = SharedVariable(0), SharedVariable(0)

    def work() -> None:
        x.update(lambda v: v + 1)
        y.update(lambda v: v + 1)

    run_all(*[work] * n)


def mpat(k: int) -> None:
    locks, m = [threading.Lock() for _ in range(k)], threading.Lock()

    def single(i: int) -> None:
        with locks[i]:
            pass

    def nested(i: int) -> None:
        with m, locks[i]:
            pass

    run_all(*[f for i in range(k) for f in (lambda i=i: single(i), lambda i=i: nested(i))])


def philosophers(n: int, reversed_last: bool = False) -> None:
    forks = [threading.Lock() for _ in range(n)]

    def dine(i: int) -> None:
        first, second = forks[i], forks[(i + 1) % n]
        if reversed_last and i == n - 1:
            first, second = second, first
        with first, second:
            pass

    run_all(*[lambda i=i: dine(i) for i in range(n)])


def popl() -> None:
    x, y, z = SharedVariable(0), SharedVariable(0), SharedVariable(0)

    def third() -> None:
        if y.load() == 0:
            z.store(1)

    def fourth() -> None:
        if z.load() == 1 and y.load() == 0:
            x.store(2)

    run_all(lambda: x.store(1), lambda: y.store(1), third, fourth)


def crossing(order: tuple[int, ...] = (0, 1, 2, 3, 4)) -> None:
    """Two variables of two stores and one of two stores and a load: 2 * 2 * 3! orders, none of them cyclic.

    Found by search: the smallest program in which v cut off at e' loses a trace (see `optimal_dpor`).
    """
    x, y, z = SharedVariable(0), SharedVariable(0), SharedVariable(0)

    def store(*variables: SharedVariable[int]) -> None:
        for variable in variables:
            variable.store(1)

    threads = (lambda: store(z, y), lambda: store(y, x), z.load, lambda: store(z), lambda: store(x))
    run_all(*[threads[i] for i in order])


def exp_mem3(n: int) -> None:
    x, y = SharedVariable(0), SharedVariable(0)
    first = threading.Thread(target=lambda: x.store(1))
    first.start()
    writers = [threading.Thread(target=lambda: y.store(1)) for _ in range(n)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    x.load()
    first.join()


def fifo(k: int) -> None:
    q: queue.Queue[int] = queue.Queue()

    def produce() -> None:
        for i in range(k):
            q.put(i)

    def consume() -> None:
        assert [q.get() for _ in range(k)] == list(range(k))

    run_all(produce, consume)


def indexer(n: int) -> None:
    """Flanagan and Godefroid, POPL 2005: n threads insert four messages each into a hash table of 128."""
    table = [SharedVariable(0) for _ in range(128)]

    def insert(t: int) -> None:
        for i in range(4):
            w = 11 * i + t
            h = 7 * w % 128
            while table[h].update(lambda v, w=w: v or w + 1) != 0:  # type: ignore[misc]
                h = (h + 1) % 128

    run_all(*[lambda t=t: insert(t) for t in range(n)])


def filesystem(n: int) -> None:
    """Flanagan and Godefroid, POPL 2005: 32 inodes, 26 blocks, each with a lock."""
    inode_locks, block_locks = ([threading.Lock() for _ in range(count)] for count in (32, 26))
    inodes, busy = [0] * 32, [False] * 26  # each is touched only under its lock

    def create(t: int) -> None:
        i = t % 32
        with inode_locks[i]:
            if inodes[i] == 0:
                b = 2 * i % 26
                while True:
                    with block_locks[b]:
                        if not busy[b]:
                            busy[b], inodes[i] = True, b + 1
                            break
                    b = (b + 1) % 26

    run_all(*[lambda t=t: create(t) for t in range(n)])


def mpc(producers: int, workers: int) -> None:
    """DPU, CAV 2018: producers write to one buffer and hand requests to workers picked by what they saw."""
    buffer_lock, buffer = threading.Lock(), [0]
    locks = [threading.Lock() for _ in range(workers)]
    requests = [0] * workers

    def work(i: int) -> None:
        for _ in range(2):
            with locks[i]:
                if requests[i]:
                    requests[i] -= 1

    def produce(i: int) -> None:
        for _ in range(2):
            with buffer_lock:
                buffer[0] = buffer[0] * producers + i
                seen = buffer[0]
        m = seen % workers
        with locks[m]:
            requests[m] += 1

    run_all(*[lambda i=i: work(i) for i in range(workers)],
            *[lambda i=i: produce(i) for i in range(producers)])


def writers(n: int) -> None:
    base = fresh_dir()

    def write(name: str) -> None:
        os.mkdir(base / name)
        with open(base / name / "t", "w") as file:
            file.write(name)
        os.rename(base / name / "t", base / name / "f")

    run_all(*[lambda i=i: write(str(i)) for i in range(n)])


@dataclass(frozen=True)
class Known:
    """A program, the number of its traces, and of those that end in a deadlock."""

    name: str
    body: Callable[[], None]
    count: int
    deadlocks: int = 0


def _sized(
    name: str, body: Callable[[int], None], counts: dict[int, int], deadlocks: int = 0
) -> list[Known]:
    return [Known(f"{name}({n})", lambda n=n: body(n), count, deadlocks)  # type: ignore[misc]
            for n, count in counts.items()]


def _factorials(*sizes: int, power: int = 1, times: int = 1) -> dict[int, int]:
    return {n: times * math.factorial(n) ** power for n in sizes}


#: cheap enough for a search that cuts off many executions for each that it completes
SMALL: list[Known] = [
    *_sized("readers", readers, {n: 2**n for n in (1, 3, 5)}),
    *_sized("lastzero", lastzero, {n: (n + 3) * 2 ** (n - 2) for n in (2, 3, 5)}),
    *_sized("lockinc", lockinc, _factorials(2, 3, 4)),
    *_sized("inc", inc, _factorials(2, 3, power=2)),
    *_sized("binc", binc, _factorials(2, 3, power=2)),
    *_sized("Mpat", mpat, {k: 2**k * math.factorial(k) for k in (2, 3)}),
    *_sized("philosophers", philosophers, {n: 2**n - 1 for n in (2, 3, 4)}, deadlocks=1),
    *_sized("philosophers_reversed", lambda n: philosophers(n, True), {n: 2**n - 2 for n in (2, 3, 4)}),
    Known("POPL", popl, 5),
    Known("crossing", crossing, 24),
    *_sized("exp-mem3", exp_mem3, _factorials(3, 4, times=2)),
    *_sized("fifo", fifo, {1: 1, 4: 1, 8: 1}),
    *_sized("writers", writers, {2: 1, 3: 1}),
]
#: for a search that cuts off none
LARGE: list[Known] = [
    *_sized("readers", readers, {10: 1024}),
    *_sized("lastzero", lastzero, {8: 704, 10: 3328}),
    *_sized("indexer", indexer, {11: 1, 12: 8, 13: 64, 14: 512, 15: 4096}),
    *_sized("filesystem", filesystem, {13: 1, 14: 2, 16: 8, 18: 32, 19: 64}),
    *_sized("lockinc", lockinc, _factorials(5, 6)),
    *_sized("inc", inc, _factorials(4, power=2)),
    *_sized("binc", binc, _factorials(4, power=2)),
    *_sized("Mpat", mpat, {4: 384, 5: 3840}),
    Known("Mpc(2,5)", lambda: mpc(2, 5), 60),
    Known("Mpc(3,5)", lambda: mpc(3, 5), 2958),
    *_sized("philosophers", philosophers, {6: 63, 8: 255}, deadlocks=1),
    *_sized("philosophers_reversed", lambda n: philosophers(n, True), {6: 62, 8: 254}),
    *_sized("exp-mem3", exp_mem3, _factorials(6, times=2)),
]
