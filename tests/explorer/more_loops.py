"""More polling loops like those of `polling_loops`: places of progress that are easily overlooked."""

from __future__ import annotations

import datetime
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from typing import Any

from polling_loops import ROUNDS, Done, by


def kinds_of_zero() -> Done:
    held: list[object] = [0]
    following: dict[type, object] = {int: False, bool: 0.0, float: -0.0}

    def done() -> bool:
        last = str(held[0]) == "-0.0"
        held[0] = following[type(held[0])]
        return last

    return done


def of_a_metaclass() -> Any:
    """Return a class whose metaclass nothing else leads to."""

    class Meta(type):
        rounds = 0

    class OfMeta(metaclass=Meta):
        pass

    return OfMeta


def an_attribute_of_a_metaclass() -> Done:
    kind = of_a_metaclass()

    def done() -> bool:
        type(kind).rounds += 1
        return bool(type(kind).rounds >= ROUNDS)

    return done


def hits_of_a_cache() -> Done:
    @functools.lru_cache
    def nothing() -> None:
        return None

    nothing()

    def done() -> bool:
        nothing()
        return nothing.cache_info().hits >= ROUNDS

    return done


def a_coroutine() -> Done:
    class Turn:
        def __await__(self) -> Any:
            yield

    async def count() -> None:
        for _ in range(ROUNDS - 1):
            await Turn()

    going = count()

    def done() -> bool:
        try:
            going.send(None)
        except StopIteration:
            return True
        return False

    return done


def an_asynchronous_generator() -> Done:
    async def count() -> AsyncIterator[int]:
        for n in range(1, ROUNDS + 1):
            yield n

    going = count()

    def done() -> bool:
        try:
            going.__anext__().send(None)  # type: ignore[attr-defined]
        except StopIteration as given:
            return bool(given.value == ROUNDS)
        return True

    return done


def dates_in_one_place() -> Done:
    held = [datetime.date(2020, 1, 1)]

    def done() -> bool:
        held.append(datetime.date(2020, 1, held.pop().day + 1))
        return held[0].day > ROUNDS

    return done


def numbers_in_one_place() -> Done:
    held = [Decimal(0)]

    def done() -> bool:
        held.append(Decimal(int(held.pop()) + 1))
        return held[0] >= ROUNDS

    return done


def in_c_code(wait: Callable[[], Any]) -> None:
    any(map(lambda _: wait(), [None] * ROUNDS))


def by_an_iterator_of_c_code(wait: Callable[[], Any]) -> None:
    for _ in map(lambda _: wait(), [None] * ROUNDS):
        pass


def delegated(wait: Callable[[], Any]) -> None:
    def attempt() -> Iterator[None]:
        yield
        wait()

    def attempts() -> Iterator[None]:
        for _ in [None] * ROUNDS:
            yield from attempt()

    for _ in attempts():
        pass


def by_an_asynchronous_iterator(wait: Callable[[], Any]) -> None:
    class Attempts:
        left = ROUNDS

        def __aiter__(self) -> Any:
            return self

        async def __anext__(self) -> None:
            if not self.left:
                raise StopAsyncIteration
            self.left -= 1

    async def poll() -> None:
        async for _ in Attempts():
            wait()

    try:
        poll().send(None)
    except StopIteration:
        pass


def beside_a_generator_in_a_loop(wait: Callable[[], Any]) -> None:
    def attempts() -> Iterator[None]:
        for _ in [None] * (ROUNDS - 1):
            yield

    left = attempts()
    try:
        while True:
            wait()
            next(left)
    except StopIteration:
        pass


def in_the_context_of_an_exception(wait: Callable[[], Any]) -> None:
    first = ValueError()
    while _depth(first) < ROUNDS:
        wait()
        last: BaseException = first
        while last.__context__ is not None:
            last = last.__context__
        last.__context__ = ValueError()
        del last


def _depth(error: BaseException | None) -> int:
    return 0 if error is None else 1 + _depth(error.__context__)


AS_THEY_ARE = (
    in_c_code, by_an_iterator_of_c_code, delegated, by_an_asynchronous_iterator, beside_a_generator_in_a_loop,
    in_the_context_of_an_exception,
)
MORE = {loop.__name__: loop for loop in AS_THEY_ARE} | {
    make.__name__: by(make)
    for make in (
        kinds_of_zero, an_attribute_of_a_metaclass, hits_of_a_cache, a_coroutine, an_asynchronous_generator,
        dates_in_one_place, numbers_in_one_place,
    )
}
