"""Every program up to a bound, one of each class of programs that differ only in names.

All of them, not a sample: what is proved of each is proved of every client of that size (ACE: Mohan et al.,
"Finding crash-consistency bugs with bounded black-box crash testing", OSDI 2018).
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator

from schedule_explorer.programs.alphabet import Alphabet
from schedule_explorer.programs.calls import Call, Program

#: a call as its index in the alphabet
_Word = tuple[int, ...]


def programs(alphabet: Alphabet, threads: int, calls: int, total: int | None = None) -> Iterator[Program]:
    """Yield every program of 1 to `threads` client threads with 1 to `calls` calls each.

    Of programs that are equal up to the order of their threads and a renaming of the symmetric values, one
    is yielded: the first in the order of the alphabet. Smaller programs come first: by their calls in all,
    then by threads.

    Arguments:
        threads: client threads at most.
        calls: calls of one thread at most.
        total: calls of all threads together at most; None: no other bound.

    Raises:
        ValueError: a bound is not positive.
    """
    every = alphabet.calls()
    renamings = _renamings(alphabet, every)
    for lengths in _all_lengths(threads, calls, total):
        for words in _ascending(len(every), lengths):
            if _is_first(words, renamings):
                yield tuple(tuple(every[index] for index in word) for word in words)


def sizes(
    alphabet: Alphabet, threads: int, calls: int, total: int | None = None
) -> dict[tuple[int, ...], int]:
    """Count what `programs` yields, without going through it: the lengths of the threads, and how many.

    Burnside's lemma: the classes are as many as the programs that a renaming leaves as they are, on the
    average over all renamings. A program is a multiset of words; one that stays has whole cycles of words.

    Raises:
        ValueError: a bound is not positive.
    """
    every = alphabet.calls()
    renamings = _renamings(alphabet, every)
    counted: dict[tuple[int, ...], int] = {}
    for lengths in _all_lengths(threads, calls, total):
        kept = sum(_unchanged(renaming, lengths) for renaming in renamings)
        counted[lengths] = kept // len(renamings)
    return counted


def _unchanged(renaming: list[int], lengths: tuple[int, ...]) -> int:
    """Count the programs with threads of these lengths that a renaming leaves as they are."""
    found = 1
    for length, count in Counter(lengths).items():
        # ways[n]: multisets of n words; each cycle of words is in it whole, any number of times
        ways = [1] + [0] * count
        for period, cycles in _cycles(renaming, length, count).items():
            ways = [
                sum(
                    ways[n - taken * period] * math.comb(cycles + taken - 1, taken)
                    for taken in range(n // period + 1)
                )
                for n in range(count + 1)
            ]
        found *= ways[count]
    return found


def _cycles(renaming: list[int], length: int, longest: int) -> dict[int, int]:
    """Count the cycles of a renaming on words of this length, by their length, up to `longest`."""
    of_letter = [0] * len(renaming)
    for letter in range(len(renaming)):
        at = renaming[letter]
        of_letter[letter] = 1
        while at != letter:
            at = renaming[at]
            of_letter[letter] += 1
    words: dict[int, int] = {}  # by the exact number of renamings that brings a word back
    for period in range(1, longest + 1):
        back = sum(period % own == 0 for own in of_letter) ** length
        words[period] = back - sum(words[shorter] for shorter in range(1, period) if period % shorter == 0)
    return {period: count // period for period, count in words.items() if count}


def canonical(alphabet: Alphabet, program: Program) -> Program:
    """Return the program that stands for the class of `program`.

    Raises:
        ValueError: a call is not in the alphabet.
    """
    every = alphabet.calls()
    index = {call: number for number, call in enumerate(every)}
    for call in itertools.chain.from_iterable(program):
        if call not in index:
            raise ValueError(f"{call} is not a call of this alphabet")
    words = tuple(tuple(index[call] for call in thread) for thread in program)
    first = min(_sorted(words, renaming) for renaming in _renamings(alphabet, every))
    return tuple(tuple(every[number] for number in word) for _, word in first)


def _renamings(alphabet: Alphabet, every: tuple[Call, ...]) -> list[list[int]]:
    index = {call: number for number, call in enumerate(every)}
    return [[index[renamed[call]] for call in every] for renamed in alphabet.renamings()]


def _sorted(words: tuple[_Word, ...], renaming: list[int]) -> list[tuple[int, _Word]]:
    """Rename, and put the threads in order: longer ones first, then by their calls."""
    renamed = (tuple(renaming[index] for index in word) for word in words)
    return sorted((-len(word), word) for word in renamed)


def _is_first(words: tuple[_Word, ...], renamings: list[list[int]]) -> bool:
    own = [(-len(word), word) for word in words]
    return all(own <= _sorted(words, renaming) for renaming in renamings)


def _all_lengths(threads: int, calls: int, total: int | None) -> Iterator[tuple[int, ...]]:
    """Yield the lengths of the threads of every program, in the order of `programs`."""
    for name, bound in (("threads", threads), ("calls", calls), ("total", total)):
        if bound is not None and bound < 1:
            raise ValueError(f"{name} is {bound}: give 1 or more")
    most = threads * calls if total is None else min(total, threads * calls)
    for together in range(1, most + 1):
        for count in range(1, min(threads, together) + 1):
            yield from _partitions(together, count, calls)


def _partitions(total: int, count: int, most: int) -> Iterator[tuple[int, ...]]:
    """Yield the lengths of `count` threads, not increasing, each 1 to `most`, that sum to `total`."""
    if count == 0:
        if total == 0:
            yield ()
        return
    for first in range(min(most, total - count + 1), 0, -1):
        for rest in _partitions(total - first, count - 1, first):
            yield (first, *rest)


def _ascending(letters: int, lengths: tuple[int, ...]) -> Iterator[tuple[_Word, ...]]:
    """Yield words of these lengths; words of one length in ascending order."""
    if not lengths:
        yield ()
        return
    head, rest = lengths[0], lengths[1:]
    for word in itertools.product(range(letters), repeat=head):
        for others in _ascending(letters, rest):
            if not (others and len(others[0]) == head and others[0] < word):
                yield (word, *others)
