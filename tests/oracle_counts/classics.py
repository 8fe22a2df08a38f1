"""Litmus tests, mutual exclusion and lock-free structures, as stateless model checkers are tested with them.

After the programs in the suites of Nidhugg, GenMC and Concuerror, under sequential consistency; a loop that
waits is cut off after two rounds. Counts that are formulas are explained beside them; the others were counted
by two strategies, and those in `ENUMERATED` by looking at every interleaving.
"""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable
from typing import Any

from literature import Known, run_all

from schedule_explorer import SharedVariable

Variable = SharedVariable[Any]


def cells(count: int, value: object = 0) -> list[Variable]:
    return [SharedVariable(value) for _ in range(count)]


def swap(x: Variable, old: object, new: object) -> bool:
    """Compare and exchange."""
    return bool(x.update(lambda v: new if v == old else v) == old)


def within_two(condition: Callable[[], bool]) -> bool:
    return condition() or condition()


def fib_bench(n: int) -> None:
    x, y = cells(2, 1)

    def add(to: Variable, other: Variable) -> None:
        for _ in range(n):
            to.store(to.load() + other.load())

    run_all(lambda: add(x, y), lambda: add(y, x))


def ring(n: int, own: str, following: str) -> None:
    """Each thread accesses its own variable, then the next one's: n conflicts of 2 orders, less one cycle."""
    xs = cells(n)

    def access(x: Variable, how: str) -> None:
        x.load() if how == "load" else x.store(1)

    run_all(*[lambda i=i: (access(xs[i], own), access(xs[(i + 1) % n], following)) for i in range(n)])


def message_passing() -> None:
    x, y = cells(2)
    run_all(lambda: (x.store(1), y.store(1)), lambda: (y.load(), x.load()))


def iriw() -> None:
    x, y = cells(2)
    run_all(
        lambda: x.store(1), lambda: y.store(1), lambda: (x.load(), y.load()), lambda: (y.load(), x.load())
    )


def wrc() -> None:
    x, y = cells(2)
    run_all(lambda: x.store(1), lambda: (x.load(), y.store(1)), lambda: (y.load(), x.load()))


def corr() -> None:
    x = cells(1)[0]
    run_all(lambda: x.store(1), lambda: x.store(2), lambda: (x.load(), x.load()))


def ainc(n: int) -> None:
    x = cells(1)[0]
    run_all(*[lambda: x.update(lambda v: v + 1)] * n)


def casw(n: int) -> None:
    x = cells(1)[0]
    run_all(*[lambda: (swap(x, 0, 1), x.store(2))] * n)


def sigma(n: int) -> None:
    index, taken = cells(1)[0], cells(n)
    run_all(*[lambda: taken[index.update(lambda v: v + 1)].store(1)] * n)


def one_writer(n: int) -> None:
    x = cells(1)[0]
    run_all(lambda: [x.store(i) for i in range(n)], *[x.load] * n)


def peterson() -> None:
    flags, turn, inside = cells(2), cells(1)[0], cells(1)[0]

    def enter(i: int) -> None:
        flags[i].store(1)
        turn.store(1 - i)
        if within_two(lambda: flags[1 - i].load() == 0 or turn.load() == i):
            assert inside.update(lambda v: v + 1) == 0
            inside.update(lambda v: v - 1)
            flags[i].store(0)

    run_all(lambda: enter(0), lambda: enter(1))


def burns() -> None:
    flags = cells(2)

    def first() -> None:
        flags[0].store(1)
        if flags[1].load() == 0:
            flags[0].store(0)

    def second() -> None:
        flags[1].store(0)
        if flags[0].load() == 0:
            flags[1].store(1)
            if flags[0].load() == 0:
                flags[1].store(0)

    run_all(first, second)


def lamport_fast() -> None:
    busy, (x, y), inside = cells(2), cells(2, -1), cells(1)[0]

    def enter(i: int) -> None:
        busy[i].store(1)
        x.store(i)
        if y.load() != -1:
            busy[i].store(0)
            return
        y.store(i)
        if x.load() != i:
            busy[i].store(0)
            if busy[1 - i].load() or y.load() != i:
                return
        inside.store(inside.load() + 1)
        y.store(-1)
        busy[i].store(0)

    run_all(lambda: enter(0), lambda: enter(1))


def ticket_lock(n: int) -> None:
    ticket, serving, x = cells(3)

    def enter() -> None:
        mine = ticket.update(lambda v: v + 1)
        if within_two(lambda: serving.load() == mine):
            x.store(x.load() + 1)
            serving.store(mine + 1)

    run_all(*[enter] * n)


def rw_lock(readers: int, writers: int) -> None:
    lock, x = cells(2)

    def read() -> None:
        if lock.update(lambda v: v if v < 0 else v + 1) >= 0:
            x.load()
            lock.update(lambda v: v - 1)

    def write() -> None:
        if swap(lock, 0, -1):
            x.store(1)
            lock.store(0)

    run_all(*[read] * readers, *[write] * writers)


def treiber(n: int) -> None:
    top = cells(1, ())[0]

    def push(i: int) -> None:
        within_two(lambda: swap(top, old := top.load(), (i, *old)))

    def pop() -> None:
        within_two(lambda: not (old := top.load()) or swap(top, old, old[1:]))

    run_all(*[lambda i=i: push(i) for i in range(n)], pop)


def chase_lev() -> None:
    (top,), (bottom,), items = cells(1), cells(1, 2), cells(2, 1)

    def own() -> None:
        for _ in range(2):
            b = bottom.load() - 1
            bottom.store(b)
            t = top.load()
            if t > b:
                bottom.store(b + 1)
                return
            items[b].load()
            if t == b:
                swap(top, t, t + 1)
                bottom.store(b + 1)

    def steal() -> None:
        t = top.load()
        if t < bottom.load():
            items[t].load()
            swap(top, t, t + 1)

    run_all(own, steal)


def circular_buffer(n: int) -> None:
    buffer, (head, tail) = cells(2), cells(2)

    def produce() -> None:
        for i in range(n):
            t = tail.load()
            if t - head.load() < 2:
                buffer[t % 2].store(i)
                tail.store(t + 1)

    def consume() -> None:
        for _ in range(n):
            h = head.load()
            if tail.load() > h:
                buffer[h % 2].load()
                head.store(h + 1)

    run_all(produce, consume)


def double_checked(n: int) -> None:
    lock, made = threading.Lock(), cells(1)[0]

    def get() -> None:
        if not made.load():
            with lock:
                if not made.load():
                    made.store(1)

    run_all(*[get] * n)


def try_dining(n: int) -> None:
    forks = [threading.Lock() for _ in range(n)]

    def dine(i: int) -> None:
        with forks[i]:
            if forks[(i + 1) % n].acquire(blocking=False):
                forks[(i + 1) % n].release()

    run_all(*[lambda i=i: dine(i) for i in range(n)])


def condition_buffer(producers: int, consumers: int) -> None:
    items: list[int] = []
    condition = threading.Condition()

    def put() -> None:
        with condition:
            while items:
                condition.wait()
            items.append(1)
            condition.notify_all()

    def get() -> None:
        with condition:
            while not items:
                condition.wait()
            items.pop()
            condition.notify_all()

    run_all(*[put] * producers, *[get] * consumers)


def barrier(n: int) -> None:
    meeting, xs = threading.Barrier(n), cells(n)
    run_all(*[lambda i=i: (xs[i].store(1), meeting.wait(), xs[(i + 1) % n].load()) for i in range(n)])


def parking(n: int) -> None:
    lot = threading.Semaphore(2)

    def park() -> None:
        with lot:
            pass

    run_all(*[park] * n)


def stack_of_work() -> None:
    work: queue.LifoQueue[int] = queue.LifoQueue()
    run_all(lambda: (work.put(1), work.put(2)), work.get, work.get)


def _known(body: Callable[..., None], count: int, *arguments: Any, deadlocks: int = 0) -> Known:
    text = ",".join(str(a) for a in arguments)
    return Known(f"{body.__name__}({text})", lambda: body(*arguments), count, deadlocks)


#: small enough for plain enumeration to be done in a second or two
ENUMERATED: list[Known] = [
    _known(fib_bench, 3, 1),
    *[_known(ring, 3, 2, *how) for how in (("store", "load"), ("load", "store"), ("store", "store"))],
    _known(message_passing, 3),  # 2 * 2, less the cycle
    _known(ainc, 6, 3),
    _known(casw, 6, 2),
    _known(burns, 9),
    _known(rw_lock, 4, 1, 1),
    _known(treiber, 2, 1),
    _known(try_dining, 7, 2),
    _known(double_checked, 4, 2),
    _known(condition_buffer, 2, 1, 1),
    _known(barrier, 2, 2),  # the order of the two waits
    _known(stack_of_work, 4),
]
CLASSICS: list[Known] = [
    *ENUMERATED,
    _known(fib_bench, 19, 2),
    *[_known(ring, 7, 3, *how) for how in (("store", "load"), ("load", "store"), ("store", "store"))],
    _known(iriw, 15),  # 2 ** 4, less the cycle
    _known(wrc, 7),  # 2 ** 3, less the cycle
    _known(corr, 12),  # 2 orders of the stores; two ordered loads in three gaps: 6
    _known(ainc, math.factorial(4), 4),
    _known(casw, 90, 3),  # all is on one variable: 6! / 2 ** 3 ways to merge three threads of two
    _known(sigma, math.factorial(4), 4),
    _known(one_writer, 64, 3),  # each of three loads in one of four gaps
    _known(peterson, 20),
    _known(lamport_fast, 26),
    _known(ticket_lock, 90, 3),
    _known(rw_lock, 36, 2, 1),
    _known(rw_lock, 24, 1, 2),
    _known(treiber, 28, 2),
    _known(chase_lev, 12),
    _known(circular_buffer, 44, 3),
    _known(double_checked, 15, 3),
    _known(try_dining, 25, 3),
    _known(condition_buffer, 10, 1, 2, deadlocks=10),
    _known(condition_buffer, 80, 2, 2),
    _known(barrier, 12, 3),
    _known(parking, 24, 3),
]
