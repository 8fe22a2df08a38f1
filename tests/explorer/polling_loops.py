"""Polling loops, and where they keep what tells one round from the next.

Each of `LOOPS` ends after four rounds that nothing but the loop itself tells apart; it is given how to wait.
"""

from __future__ import annotations

import array
import collections
import ctypes
import datetime
import functools
import io
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

ROUNDS = 4
Done = Callable[[], bool]


class Node:
    def __init__(self, following: Node | None) -> None:
        self.next = following


class Ring:
    """Nodes that look alike, but for one."""

    def __init__(self, last: bool = False) -> None:
        self.last = last
        self.next: Ring = self


class Counter:
    rounds = 0

    def __init__(self) -> None:
        self.own = 0


class Slotted:
    __slots__ = ("rounds",)

    def __init__(self) -> None:
        self.rounds = 0


class MyDeque(collections.deque[int]):
    pass


COUNTER = Counter()
TABLE: dict[str, int] = {}
CONFIG = ModuleType("config_of_the_program")
rounds = 0


def bump() -> bool:
    global rounds
    rounds += 1
    return rounds >= ROUNDS


def in_a_local(wait: Callable[[], Any]) -> None:
    n = 0
    while n < ROUNDS:
        wait()
        n += 1


def along_a_list(wait: Callable[[], Any]) -> None:
    node: Node | None = functools.reduce(lambda held, _: Node(held), range(ROUNDS), Node(None))
    while node is not None:
        wait()
        node = node.next


def round_a_ring(wait: Callable[[], Any]) -> None:
    nodes = [Ring() for _ in range(ROUNDS)] + [Ring(True)]
    for one, other in itertools.pairwise(nodes):
        one.next = other
    node = nodes[0]
    while not node.last:
        wait()
        node = node.next


def up_to_a_deadline(wait: Callable[[], Any]) -> None:
    end = time.monotonic() + ROUNDS
    while time.monotonic() < end:
        wait()


def up_to_a_date(wait: Callable[[], Any]) -> None:
    end = datetime.datetime.now() + datetime.timedelta(seconds=ROUNDS)
    while datetime.datetime.now() < end:
        wait()


def over_a_list(wait: Callable[[], Any]) -> None:
    for _ in [None] * ROUNDS:
        wait()


def over_repeat(wait: Callable[[], Any]) -> None:
    for _ in itertools.repeat(None, ROUNDS):
        wait()


def in_a_comprehension(wait: Callable[[], Any]) -> None:
    any(wait() for _ in [None] * ROUNDS)


def through_a_helper(wait: Callable[[], Any]) -> None:
    def helper() -> None:
        wait()

    for _ in [None] * ROUNDS:
        helper()


def by_an_iterator(wait: Callable[[], Any]) -> None:
    left = iter([None] * ROUNDS)
    while next(left, left) is None:
        wait()


def by(make: Callable[[], Done]) -> Callable[[Callable[[], Any]], None]:
    """A loop whose progress is in what `make` makes: a function that gets on and says whether it is done."""

    def loop(wait: Callable[[], Any]) -> None:
        done = make()
        while not done():
            wait()

    return loop


def a_global() -> Done:
    global rounds
    rounds = 0
    return bump


def an_attribute_of_a_global() -> Done:
    COUNTER.own = 0

    def done() -> bool:
        COUNTER.own += 1
        return COUNTER.own >= ROUNDS

    return done


def a_global_table() -> Done:
    TABLE.clear()

    def done() -> bool:
        TABLE["rounds"] = TABLE.get("rounds", 0) + 1
        return TABLE["rounds"] >= ROUNDS

    return done


def an_attribute_of_a_class() -> Done:
    Counter.rounds = 0

    def done() -> bool:
        Counter.rounds += 1
        return Counter.rounds >= ROUNDS

    return done


def an_attribute_of_the_class_of_an_object() -> Done:
    counter = Counter()
    Counter.rounds = 0

    def done() -> bool:
        type(counter).rounds += 1
        return counter.rounds >= ROUNDS

    return done


def an_attribute_of_a_module() -> Done:
    CONFIG.rounds = 0  # type: ignore[attr-defined]

    def done() -> bool:
        CONFIG.rounds += 1  # type: ignore[attr-defined]
        return bool(CONFIG.rounds >= ROUNDS)

    return done


def a_cell() -> Done:
    n = 0

    def done() -> bool:
        nonlocal n
        n += 1
        return n >= ROUNDS

    return done


def an_attribute_of_a_function() -> Done:
    def done() -> bool:
        done.rounds += 1  # type: ignore[attr-defined]
        return bool(done.rounds >= ROUNDS)  # type: ignore[attr-defined]

    done.rounds = 0  # type: ignore[attr-defined]
    return done


def a_default() -> Done:
    def done(held: list[int] = []) -> bool:  # noqa: B006
        held.append(1)
        return len(held) >= ROUNDS

    return done


def a_slot() -> Done:
    held = Slotted()

    def done() -> bool:
        held.rounds += 1
        return held.rounds >= ROUNDS

    return done


def a_partial() -> Done:
    def done(held: list[int]) -> bool:
        held.append(1)
        return len(held) >= ROUNDS

    return functools.partial(done, [])


def a_deque() -> Done:
    held = collections.deque([1, *[0] * ROUNDS])

    def done() -> bool:
        held.rotate(1)
        return held[ROUNDS] == 1

    return done


def a_deque_of_a_class() -> Done:
    held = MyDeque()

    def done() -> bool:
        held.append(0)
        return len(held) >= ROUNDS

    return done


def the_order_of_a_dictionary() -> Done:
    held = dict.fromkeys(range(ROUNDS + 1))

    def done() -> bool:
        first = next(iter(held))
        del held[first]
        held[first] = None
        return first == ROUNDS - 1

    return done


def a_counter() -> Done:
    held = collections.Counter[str]()

    def done() -> bool:
        held["rounds"] += 1
        return held["rounds"] >= ROUNDS

    return done


def itertools_count() -> Done:
    held = itertools.count(1)
    return lambda: next(held) >= ROUNDS


def itertools_islice() -> Done:
    held = itertools.islice(itertools.repeat(None), ROUNDS)
    return lambda: next(held, 0) == 0


def an_iterator_of_zip() -> Done:
    held = zip([None] * ROUNDS, [None] * ROUNDS, strict=True)
    return lambda: next(held, None) is None


def a_generator() -> Done:
    def turns() -> Iterator[bool]:
        yield False
        yield False
        yield False
        yield True

    held = turns()
    return lambda: next(held)


def a_generator_with_a_local() -> Done:
    def turns() -> Iterator[bool]:
        n = 0
        while True:
            n += 1
            yield n >= ROUNDS

    held = turns()
    return lambda: next(held)


def a_generator_of_random_numbers() -> Done:
    held = random.Random(1)
    held_back = random.Random(1)
    last = [held_back.random() for _ in range(ROUNDS)][-1]
    return lambda: held.random() == last


def the_random_module() -> Done:
    random.seed(1)
    last = [random.random() for _ in range(ROUNDS)][-1]
    random.seed(1)
    return lambda: random.random() == last


def a_buffer(make: Callable[[], Any]) -> Callable[[], Done]:
    def of() -> Done:
        held = make()

        def done() -> bool:
            held[0] += 1
            return bool(held[0] >= ROUNDS)

        return done

    return of


def a_text_buffer() -> Done:
    held = io.StringIO("abcd")
    return lambda: held.read(1) == "d"


LOCAL, RANDOM = threading.local(), random.Random(1)


def a_local_of_a_module() -> Done:
    LOCAL.rounds = 0

    def done() -> bool:
        LOCAL.rounds += 1
        return bool(LOCAL.rounds >= ROUNDS)

    return done


def a_global_generator_of_random_numbers() -> Done:
    RANDOM.seed(1)
    last = [RANDOM.random() for _ in range(ROUNDS)][-1]
    RANDOM.seed(1)
    return lambda: RANDOM.random() == last


def a_local_of_the_thread() -> Done:
    held = threading.local()
    held.rounds = 0

    def done() -> bool:
        held.rounds += 1
        return bool(held.rounds >= ROUNDS)

    return done


def a_field_of_a_structure() -> Done:
    class Two(ctypes.Structure):
        _fields_ = (("rounds", ctypes.c_int),)

    held = Two()

    def done() -> bool:
        held.rounds += 1
        return bool(held.rounds >= ROUNDS)

    return done


LOOPS: dict[str, Callable[[Callable[[], Any]], None]] = {
    loop.__name__: loop
    for loop in (in_a_local, up_to_a_deadline, up_to_a_date, along_a_list, round_a_ring, over_a_list,
                 over_repeat, in_a_comprehension, through_a_helper, by_an_iterator)
}
LOOPS |= {
    make.__name__: by(make)
    for make in (
        a_global, an_attribute_of_a_global, a_global_table, an_attribute_of_a_class,
        an_attribute_of_the_class_of_an_object, a_local_of_a_module, a_global_generator_of_random_numbers,
        an_attribute_of_a_module, a_cell, an_attribute_of_a_function,
        a_default, a_slot, a_partial, a_deque, a_deque_of_a_class, the_order_of_a_dictionary, a_counter,
        itertools_count, itertools_islice, an_iterator_of_zip, a_generator, a_generator_with_a_local,
        a_generator_of_random_numbers, the_random_module, a_text_buffer, a_local_of_the_thread,
        a_field_of_a_structure,
    )
}
LOOPS |= {
    name: by(a_buffer(make))
    for name, make in {
        "bytearray": lambda: bytearray(1), "array": lambda: array.array("i", [0]),
        "memoryview": lambda: memoryview(bytearray(1)), "ctypes array": lambda: (ctypes.c_int * 1)(0),
    }.items()
}
