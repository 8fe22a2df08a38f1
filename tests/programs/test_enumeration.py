"""Enumeration against brute force: one program of each class, no class left out, none twice."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schedule_explorer.programs import Alphabet, Call, Method, Program, canonical, programs, sizes

ONE = Alphabet((Method("f"), Method("g")))
FLAG = Alphabet((Method("stop", ("flag",)), Method("get", ("id",))), {"flag": (False, True), "id": ("x",)})
NAMES = Alphabet((Method("f", ("id",)), Method("g")), {"id": ("x", "y", "z")}, symmetric=("id",))
STORE = Alphabet(
    (Method("save", ("id", "key")), Method("clean", ("id",)), Method("all")),
    {"id": ("x", "y"), "key": (0, 1)}, symmetric=("id", "key"),
)  # fmt: skip
TWICE = Alphabet((Method("move", ("id", "id")),), {"id": ("x", "y")}, symmetric=("id",))
CASES = [
    (ONE, 3, 2, None), (ONE, 2, 3, 4), (FLAG, 2, 2, None), (NAMES, 2, 2, None), (NAMES, 3, 1, None),
    (STORE, 2, 1, None), (STORE, 2, 2, 3), (STORE, 3, 1, None), (TWICE, 2, 2, None), (TWICE, 4, 1, None),
]  # fmt: skip


def everything(alphabet: Alphabet, threads: int, calls: int, total: int | None) -> Iterator[Program]:
    """Yield all programs, equal ones and all."""
    words = [
        word for length in range(1, calls + 1) for word in itertools.product(alphabet.calls(), repeat=length)
    ]
    for count in range(1, threads + 1):
        for program in itertools.product(words, repeat=count):
            if total is None or sum(map(len, program)) <= total:
                yield program


def alike(alphabet: Alphabet, program: Program) -> frozenset[Program]:
    """Return the class of a program, from its definition: rename the values, and reorder the threads."""
    found = set()
    orders = [itertools.permutations(alphabet.domains[name]) for name in alphabet.symmetric]
    for chosen in itertools.product(*orders):
        renamed = tuple(tuple(_renamed(alphabet, call, chosen) for call in thread) for thread in program)
        found.update(itertools.permutations(renamed))
    return frozenset(found)


def _renamed(alphabet: Alphabet, call: Call, chosen: tuple[tuple[object, ...], ...]) -> Call:
    method = next(method for method in alphabet.methods if method.name == call.name)
    arguments = []
    for domain, argument in zip(method.domains, call.arguments, strict=True):
        if domain in alphabet.symmetric:
            order = chosen[alphabet.symmetric.index(domain)]
            argument = order[alphabet.domains[domain].index(argument)]  # type: ignore[assignment]
        arguments.append(argument)
    return Call(call.name, tuple(arguments))


@pytest.mark.parametrize(("alphabet", "threads", "calls", "total"), CASES)
def test_one_of_each_class(alphabet: Alphabet, threads: int, calls: int, total: int | None) -> None:
    found = list(programs(alphabet, threads, calls, total))
    classes = {alike(alphabet, program) for program in everything(alphabet, threads, calls, total)}
    assert Counter(alike(alphabet, program) for program in found) == Counter(classes)


@pytest.mark.parametrize(("alphabet", "threads", "calls", "total"), CASES)
def test_sizes_are_counted_without_going_through(
    alphabet: Alphabet, threads: int, calls: int, total: int | None
) -> None:
    found = Counter(tuple(map(len, program)) for program in programs(alphabet, threads, calls, total))
    assert sizes(alphabet, threads, calls, total) == dict(found)


@pytest.mark.parametrize(("alphabet", "threads", "calls", "total"), CASES)
def test_smaller_ones_come_first(alphabet: Alphabet, threads: int, calls: int, total: int | None) -> None:
    found = [(sum(map(len, p)), len(p)) for p in programs(alphabet, threads, calls, total)]
    assert found == sorted(found)


@settings(max_examples=200)
@given(alphabet=st.sampled_from([ONE, FLAG, NAMES, STORE, TWICE]), seed=st.integers(0, 2**32))
def test_canonical_is_one_for_all_that_are_alike(alphabet: Alphabet, seed: int) -> None:
    drawn = random.Random(seed)
    program = tuple(
        tuple(drawn.choices(alphabet.calls(), k=drawn.randint(1, 3))) for _ in range(drawn.randint(1, 3))
    )
    standing = canonical(alphabet, program)
    class_of_it = alike(alphabet, program)
    assert standing in class_of_it
    other = drawn.choice(sorted(class_of_it, key=repr))
    assert canonical(alphabet, other) == standing


def test_what_is_enumerated_is_canonical() -> None:
    assert all(canonical(STORE, program) == program for program in programs(STORE, 2, 2, 3))


def test_a_call_of_another_alphabet_is_refused() -> None:
    with pytest.raises(ValueError, match=r"h\(\) is not a call of this alphabet"):
        canonical(ONE, ((Call("h"),),))


def test_a_domain_without_values_is_refused() -> None:
    with pytest.raises(ValueError, match="domains without values: id, key"):
        Alphabet((Method("f", ("id",)),), {}, symmetric=("key",))
