"""Which programs a loop runs, in a random order that covers them all."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from schedule_explorer.programs.alphabet import Alphabet
from schedule_explorer.programs.calls import Program, text
from schedule_explorer.programs.enumeration import canonical, programs, sizes

#: more programs than this are not put in order: they are drawn
MOST = 50_000


@dataclass(frozen=True)
class Programs:
    """One program, or all up to a bound.

    Arguments:
        only: run this one; the bounds are not looked at.
        threads: client threads at most.
        calls: calls of one thread at most.
        total: calls of all threads together at most; None: no other bound.
    """

    only: Program | None = None
    threads: int = 2
    calls: int = 2
    total: int | None = None

    def possible(self, alphabet: Alphabet) -> int:
        """Count them.

        Raises:
            ValueError: a bound is not positive.
        """
        if self.only is not None:
            return 1
        return sum(sizes(alphabet, self.threads, self.calls, self.total).values())

    def order(self, alphabet: Alphabet, random: Random) -> Iterator[Program]:
        """Return programs without end.

        Where there are at most `MOST` each of them comes once, in a random order, and then again in
        another. Of more, programs are drawn: the lengths of the threads as often as there are programs of
        them, then the calls, so that none is left out for ever.
        """
        if self.only is not None:
            return itertools.repeat(self.only)
        counted = sizes(alphabet, self.threads, self.calls, self.total)
        if sum(counted.values()) > MOST:
            return _drawn(alphabet, counted, random)
        return _shuffled(list(programs(alphabet, self.threads, self.calls, self.total)), random)

    def __str__(self) -> str:
        if self.only is not None:
            return text(self.only)
        together = "" if self.total is None else f", {self.total} together"
        return f"up to {self.threads} threads with {self.calls} calls each{together}"


def _shuffled(every: list[Program], random: Random) -> Iterator[Program]:
    while True:
        random.shuffle(every)
        yield from every


def _drawn(alphabet: Alphabet, counted: dict[tuple[int, ...], int], random: Random) -> Iterator[Program]:
    lengths, weights, calls = list(counted), list(counted.values()), alphabet.calls()
    while True:
        (drawn,) = random.choices(lengths, weights)
        yield canonical(alphabet, tuple(tuple(random.choices(calls, k=length)) for length in drawn))
