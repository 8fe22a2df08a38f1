"""G14: every history of calls is one that a plain dict, used by one caller after the other, could have."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_sequential import Call, State, apply, linearizable
from store_support import Disk, files, save, settled, values

from store import BoundarySnapshotStore

ROUNDS = int(os.environ.get("STORE_ROUNDS", "150"))
KEYS = [("a", 0), ("a", 1), ("b", 0)]


def perform(store: BoundarySnapshotStore, name: str, arguments: tuple[Any, ...]) -> Any:
    """Make a call as the specification spells it."""
    if name == "save":
        request_id, count, value = arguments
        return save(store, request_id, float(value), count)
    if name == "load":
        loaded = values(store.load(*arguments))
        assert loaded is None or loaded == loaded[:1] * 4
        return None if loaded is None else loaded[0]
    result = getattr(store, name)(*arguments)
    return result if name == "has" else bool(result)


CALLS = st.one_of(
    st.tuples(st.just("save"), st.sampled_from(KEYS), st.integers(0, 9)).map(lambda c: (c[0], (*c[1], c[2]))),
    st.tuples(st.sampled_from(["load", "has"]), st.sampled_from(KEYS)),
    st.tuples(st.just("cleanup_request"), st.sampled_from([("a",), ("b",), ("c",)])),
    st.just(("cleanup_all", ())), st.just(("settle", ())), st.just(("fail", ())),
)  # fmt: skip


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(calls=st.lists(CALLS, max_size=30))
def test_one_caller(
    store: BoundarySnapshotStore, disk: Disk, calls: list[tuple[str, tuple[Any, ...]]]
) -> None:
    store.cleanup_all()
    state: State = frozenset()
    for name, arguments in calls:
        if name == "settle":
            settled(store)
            disk.heal()
        elif name == "fail":
            for request_id in "ab":
                disk.fail(request_id, OSError(28, "no space left on device"))
        else:
            state, expected = apply(state, name, arguments)
            assert perform(store, name, arguments) == expected
    disk.heal()
    settled(store)
    assert store.cleanup_all() and files(store.root) == []


@pytest.fixture(scope="session")
def callers() -> Iterator[ThreadPoolExecutor]:
    """Three threads for all rounds: MLX keeps a thread of its own for each one that ever computed."""
    with ThreadPoolExecutor(3) as pool:
        yield pool


@pytest.mark.parametrize("seed", range(2))
def test_three_callers(tmp_path: Path, callers: ThreadPoolExecutor, seed: int) -> None:
    drawn = random.Random(seed)
    clock = itertools.count()
    for _ in range(ROUNDS):
        store = BoundarySnapshotStore(tmp_path)
        history: list[Call] = []

        def client(
            program: list[tuple[str, tuple[Any, ...]]], store: BoundarySnapshotStore = store,
            history: list[Call] = history,
        ) -> None:
            for name, arguments in program:
                began = next(clock)
                result = perform(store, name, arguments)
                history.append(Call(name, arguments, result, began, next(clock)))

        value = itertools.count()
        programs: list[list[tuple[str, tuple[Any, ...]]]] = []
        for _ in range(3):
            programs.append([])
            for _ in range(3):
                name = drawn.choice(["save", "save", "load", "has", "cleanup_request", "cleanup_all"])
                key = drawn.choice(KEYS)
                arguments: tuple[Any, ...] = key
                if name == "save":
                    arguments = (*key, next(value))
                elif name.startswith("cleanup"):
                    arguments = (key[0],) if name == "cleanup_request" else ()
                programs[-1].append((name, arguments))
        for done in [callers.submit(client, program) for program in programs]:
            done.result()
        assert len(history) == 9 and linearizable(history), history
        assert store.shutdown(cleanup=True)
        assert files(tmp_path) == []


def test_the_check_can_fail() -> None:
    stale = [
        Call("save", ("a", 0, 1.0), True, 0, 1), Call("cleanup_all", (), True, 2, 3),
        Call("load", ("a", 0), 1.0, 4, 5),
    ]  # fmt: skip
    assert not linearizable(stale)
    assert linearizable([*stale[:2], Call("load", ("a", 0), 1.0, 2, 5)])
