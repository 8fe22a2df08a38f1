"""Linearizability against brute force, ok and bad twins, and the story of a history that nothing explains."""

from __future__ import annotations

import itertools
import os
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schedule_explorer.oracles import Recorded, check, explanation
from schedule_explorer.programs import Call

GOLDEN = Path(__file__).parent / "golden"


class Bags:
    """Cells and bags: a bag gives back any value that was put in, or None; `clear` is about all of them."""

    def initial(self) -> frozenset[Any]:
        return frozenset()

    def outcomes(self, state: frozenset[Any], recorded: Recorded) -> Iterable[tuple[frozenset[Any], Any]]:
        name, arguments = recorded.call.name, recorded.call.arguments
        if name == "put":
            yield state | {(arguments[0], recorded.value)}, None
        elif name == "take":
            own = sorted(entry for entry in state if entry[0] == arguments[0])
            if not own:
                yield state, None
            for entry in own:
                yield state - {entry}, entry[1]
        elif name == "size":
            yield state, sum(entry[0] == arguments[0] for entry in state)
        elif name == "clear":
            yield frozenset(), None
        elif name == "never":
            return

    def parts(self, call: Call) -> Sequence[Hashable]:
        return ("a", "b") if call.name == "clear" else call.arguments


def brute_force(history: list[Recorded], specification: Any) -> bool:
    """Try every order of every choice of calls that did not return."""
    returned = [r for r in history if r.returned is not None]
    pending = [r for r in history if r.returned is None]
    for count in range(len(pending) + 1):
        for chosen in itertools.combinations(pending, count):
            for order in itertools.permutations([*returned, *chosen]):
                if agrees(order, history, specification):
                    return True
    return False


def agrees(order: Sequence[Recorded], history: list[Recorded], specification: Any) -> bool:
    """Say whether an order keeps every call behind those that had returned, and is one of the object."""
    for i, first in enumerate(order):
        for later in order[i + 1 :]:
            if later.returned is not None and later.returned < first.began:
                return False
    states = {specification.initial()}
    for recorded in order:
        states = {
            after
            for state in states
            for after, result in specification.outcomes(state, recorded)
            if recorded.returned is None or result == recorded.result
        }
    return bool(states)


RESULTS = {"put": [None], "take": [None, 0, 1, 2, 3, 4], "size": [0, 1, 2], "clear": [None], "never": [None]}


@st.composite
def histories(draw: st.DrawFn, names: Sequence[str] = ("put", "take", "size", "clear")) -> list[Recorded]:
    """Calls of up to three threads, begun and ended in any order, with any results."""
    threads = [draw(st.integers(0, 2)) for _ in range(draw(st.integers(0, 5)))]
    running: dict[int, Recorded] = {}
    found: list[Recorded] = []
    clock = itertools.count()
    for thread in threads:
        if thread in running:
            running.pop(thread).returned = next(clock)
        name = draw(st.sampled_from(names))
        arguments = () if name == "clear" else (draw(st.sampled_from("ab")),)
        result = draw(st.sampled_from(RESULTS[name]))
        recorded = Recorded(thread, Call(name, arguments), len(found), next(clock), None, result)
        running[thread] = recorded
        found.append(recorded)
        for other in draw(st.lists(st.sampled_from(sorted(running)), max_size=2, unique=True)):
            running.pop(other).returned = next(clock)
    return found


@settings(max_examples=800, deadline=None)
@given(histories())
def test_it_agrees_with_brute_force(history: list[Recorded]) -> None:
    found = check(history, Bags())
    assert bool(found) == brute_force(history, Bags())
    if found:
        order = found.order
        assert order is not None and len(set(map(id, order))) == len(order)
        assert {id(r) for r in history if r.returned is not None} <= set(map(id, order))
    else:
        assert "no order of these calls explains" in explanation(history, Bags(), found)


@settings(max_examples=500, deadline=None)
@given(histories(("put", "take", "size", "never")))
def test_it_agrees_with_brute_force_in_parts(history: list[Recorded]) -> None:
    """No call is about everything here, so the search is in parts; and one call can never be made."""
    assert bool(check(history, Bags())) == brute_force(history, Bags())


@settings(max_examples=300, deadline=None)
@given(histories())
def test_the_order_that_it_found_explains(history: list[Recorded]) -> None:
    """Of a history that is searched as one. Parts are each in order, and not merged."""
    whole = [*history, Recorded(9, Call("clear"), 99, 1_000)]
    found = check(whole, Bags())
    if found.order is not None:
        assert agrees(found.order, whole, Bags())


def recorded(*calls: tuple[int, str, Any, int, int | None]) -> list[Recorded]:
    """Write a history as (thread, call on the bag "a", result, began, returned)."""
    return [
        Recorded(thread, Call(name, () if name == "clear" else ("a",)), number, began, returned, result)
        for number, (thread, name, result, began, returned) in enumerate(calls, 1)
    ]


TWINS = [
    ("ok", "a value that was put before", recorded((0, "put", None, 0, 1), (1, "take", 1, 2, 3))),
    ("bad", "a value that was put after", recorded((1, "take", 2, 0, 1), (0, "put", None, 2, 3))),
    ("ok", "a value that is put meanwhile", recorded((1, "take", 2, 0, 2), (0, "put", None, 1, 3))),
    ("ok", "a pending put had its effect", recorded((0, "put", None, 0, None), (1, "take", 1, 1, 2))),
    ("ok", "a pending put had no effect", recorded((0, "put", None, 0, None), (1, "take", None, 1, 2))),
    (
        "bad", "a pending put had its effect and lost it",
        recorded((0, "put", None, 0, None), (1, "size", 1, 1, 2), (1, "size", 0, 3, 4)),
    ),
    (
        "ok", "a pending take took it",
        recorded(
            (0, "put", None, 0, 1), (2, "take", None, 2, None), (1, "size", 1, 3, 4), (1, "size", 0, 5, 6)
        ),
    ),
    ("bad", "a pending call has not begun yet", recorded((1, "take", 2, 0, 1), (0, "put", None, 2, None))),
    (
        "ok", "either of two values",
        recorded((0, "put", None, 0, 1), (0, "put", None, 2, 3), (1, "take", 2, 4, 5), (1, "take", 1, 6, 7)),
    ),
    (
        "bad", "one value twice",
        recorded((0, "put", None, 0, 1), (0, "put", None, 2, 3), (1, "take", 2, 4, 5), (1, "take", 2, 6, 7)),
    ),
    ("bad", "cleared", recorded((0, "put", None, 0, 1), (1, "clear", None, 2, 3), (0, "take", 1, 4, 5))),
    (
        "ok", "cleared meanwhile",
        recorded((0, "put", None, 0, 1), (1, "clear", None, 2, 5), (0, "take", 1, 3, 4)),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("verdict", "what", "history"), TWINS, ids=[f"{v}: {w}" for v, w, _ in TWINS])
def test_twins(verdict: str, what: str, history: list[Recorded]) -> None:
    assert bool(check(history, Bags())) is (verdict == "ok")


def test_the_state_is_visited_once() -> None:
    """Ten overlapping calls that change nothing: 2^10 sets of calls, not 10! orders."""
    history = recorded(*((thread, "size", 0, thread, 100 + thread) for thread in range(10)))
    history += recorded((11, "size", 5, 50, 200), (12, "clear", None, 60, 201))
    found = check(history, Bags())
    assert not found and found.visited <= 2**12


@pytest.mark.parametrize("name", ["lost", "blocked"])
def test_the_story_of_what_nothing_explains(name: str) -> None:
    history = {
        "lost": recorded(
            (0, "put", None, 0, 3), (1, "put", None, 1, 2), (0, "take", 1, 4, 7), (1, "take", 1, 5, 6),
            (1, "take", 2, 8, 9),
        ),
        "blocked": recorded((0, "put", None, 0, None), (1, "take", 4, 1, 3), (2, "size", 0, 2, None)),
    }[name]  # fmt: skip
    told = explanation(history, Bags(), check(history, Bags())) + "\n"
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(told)
    assert told == file.read_text()
