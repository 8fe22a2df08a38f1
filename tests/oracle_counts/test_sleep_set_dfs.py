"""Sleep-set DFS completes exactly one execution of every Mazurkiewicz trace of known programs."""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable

import pytest

from schedule_explorer import SharedVariable, Verdict, explore


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


COUNTS: list[tuple[str, Callable[[], None], int, int]] = [
    *[(f"readers({n})", lambda n=n: readers(n), 2**n, 0) for n in (1, 3, 5)],
    *[(f"lastzero({n})", lambda n=n: lastzero(n), (n + 3) * 2 ** (n - 2), 0) for n in (2, 3, 5)],
    *[(f"lockinc({n})", lambda n=n: lockinc(n), math.factorial(n), 0) for n in (2, 3, 4)],
    *[(f"inc({n})", lambda n=n: inc(n), math.factorial(n) ** 2, 0) for n in (2, 3)],
    *[(f"binc({n})", lambda n=n: binc(n), math.factorial(n) ** 2, 0) for n in (2, 3)],
    *[(f"Mpat({k})", lambda k=k: mpat(k), 2**k * math.factorial(k), 0) for k in (2, 3)],
    *[(f"philosophers({n})", lambda n=n: philosophers(n), 2**n - 1, 1) for n in (2, 3, 4)],
    *[(f"philosophers_reversed({n})", lambda n=n: philosophers(n, True), 2**n - 2, 0) for n in (2, 3, 4)],
    ("POPL", popl, 5, 0),
    *[(f"exp-mem3({n})", lambda n=n: exp_mem3(n), 2 * math.factorial(n), 0) for n in (3, 4)],
    *[(f"fifo({k})", lambda k=k: fifo(k), 1, 0) for k in (1, 4, 8)],
]


@pytest.mark.parametrize(("name", "body", "count", "deadlocks"), COUNTS, ids=[c[0] for c in COUNTS])
def test_count(name: str, body: Callable[[], None], count: int, deadlocks: int) -> None:
    result = explore(body, "sleep-set-dfs", stop_at_first_failure=False)
    assert (result.executions, result.deadlocks) == (count, deadlocks)
    assert result.verdict is (Verdict.FAILED if deadlocks else Verdict.PROVED), result.reason
