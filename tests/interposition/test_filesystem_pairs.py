"""Two file operations that the relation calls independent really commute, for pairs of the whole alphabet.

``FILESYSTEM_PAIRS=n`` runs one pair in n (1: all of them, about twenty minutes on two cores; 101 by default).
``UPDATE_GOLDEN=1`` records what the relation costs; it wants one process.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from figures import leave
from filesystem_alphabet import TREES, operations
from filesystem_pairs import Call, Run, conflict, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.usefixtures("interposed_once")

DEFAULT = 101
STRIDE = int(os.environ.get("FILESYSTEM_PAIRS", DEFAULT))
BASELINE = Path(__file__).with_name("false_dependence.json")
OPERATIONS = operations()
#: by tree, operations that are always combined with all on descriptors
ALWAYS = {
    "bare": {"rmdir a", "chmod a"},
    "flat": {"rename a b/x"},
    "hard link": {name for name in OPERATIONS if name.startswith("<")},
}
EXAMPLES = 60 if STRIDE > 1 else 2000


def verdict(setup: Call, first: Call, second: Call) -> tuple[str, Run, bool]:
    """Run both orders; say what is wrong with the relation ("" for nothing), and whether they commute."""
    ab = run(setup, (first, second), (0, 1))
    if not conflict(*ab.footprints):
        ba = run(setup, (first, second), (1, 0))
        if conflict(*ba.footprints):
            return "dependent in one order only", ab, False
        if ab.results != ba.results or ab.final != ba.final:
            return f"too fine: {ab.results} against {ba.results}", ab, False
        if ab.footprints != ba.footprints:
            differ = [set(one.items()) ^ set(two.items()) for one, two in
                      zip(ab.footprints, ba.footprints, strict=True)]
            return f"independent, but the footprints differ: {differ}", ab, False
        return "", ab, True
    ba = run(setup, (first, second), (1, 0))
    if not conflict(*ba.footprints):
        return "dependent in one order only", ab, False
    return "", ab, ab.results == ba.results and ab.final == ba.final


@pytest.mark.skipif(sys.platform != "linux", reason="the baseline was recorded on Linux")
@pytest.mark.timeout(120 if STRIDE > 1 else 0)
@pytest.mark.parametrize("tree", TREES)
def test_the_relation_is_sound_symmetric_and_no_coarser_than_recorded(tree: str) -> None:
    wrong: list[str] = []
    coarse: Counter[str] = Counter()
    pairs = 0
    #: kinds of keys without which some pair that does not commute would be called independent
    needed: set[Any] = set()
    offset = list(TREES).index(tree)  # so that the pairs of one tree are not those of the next
    for index, (x, y) in enumerate(itertools.combinations(OPERATIONS, 2)):
        if (index * 7919 + offset) % STRIDE and not (y.startswith("<") and x in ALWAYS.get(tree, ())):
            continue
        (kind, first), (other, second) = OPERATIONS[x], OPERATIONS[y]
        problem, ab, commute = verdict(TREES[tree], first, second)
        pairs += 1
        if problem:
            wrong.append(f"{x} | {y}: {problem}")
        shared = {key[0] for key in conflict(*ab.footprints) if isinstance(key, tuple)}
        if shared and commute:
            coarse[" / ".join(sorted((kind, other)))] += 1
        elif len(shared) == 1 and not commute:
            needed |= shared
    leave("filesystem pairs", tree, pairs=pairs, wrong=len(wrong), coarse=sum(coarse.values()))
    assert not wrong, f"{len(wrong)} of the pairs, among them\n" + "\n".join(wrong[:20])
    if os.environ.get("UPDATE_GOLDEN"):
        record(tree, {"coarse": dict(sorted(coarse.items())), "needed": sorted(needed)})
    recorded = json.loads(BASELINE.read_text())[tree]
    assert needed >= set(recorded["needed"])
    if STRIDE != DEFAULT:
        return
    grown = {
        k: (recorded["coarse"].get(k, 0), n) for k, n in coarse.items() if n > recorded["coarse"].get(k, 0)
    }
    assert not grown, f"dependent though they commute, recorded and now: {grown}"


def record(tree: str, found: dict[str, Any]) -> None:
    recorded = json.loads(BASELINE.read_text())
    recorded[tree] = found
    BASELINE.write_text(json.dumps(recorded, indent=0) + "\n")


def test_all_kinds_of_keys_are_needed() -> None:
    """The alphabet has, for each, a pair that no other key would keep apart."""
    recorded = json.loads(BASELINE.read_text())
    needed = {key for tree in TREES for key in recorded[tree]["needed"]}
    assert needed >= {"entry", "listing", "directory", "content", "node", "descriptor", "flock"}


names = st.sampled_from(list(OPERATIONS))
trees = st.sampled_from(list(TREES))


def after(tree: str, steps: list[str]) -> Call:
    """Make a state that no tree has: a tree, changed by operations."""

    def setup(state: Any) -> None:
        TREES[tree](state)
        for step in steps:
            try:
                OPERATIONS[step][1](state)
            except Exception:
                pass

    return setup


@settings(max_examples=EXAMPLES * 10, deadline=None, suppress_health_check=list(HealthCheck))
@given(trees, st.lists(names, max_size=5), names, names)
def test_pairs_at_random_states(tree: str, steps: list[str], x: str, y: str) -> None:
    problem, _, _ = verdict(after(tree, steps), OPERATIONS[x][1], OPERATIONS[y][1])
    assert not problem, problem


@settings(max_examples=EXAMPLES * 5, deadline=None, suppress_health_check=list(HealthCheck))
@given(trees, st.lists(names, max_size=4), st.lists(names, min_size=3, max_size=3))
def test_an_independent_operation_changes_neither_result_nor_footprint(
    tree: str, steps: list[str], three: list[str]
) -> None:
    setup = after(tree, steps)
    calls = tuple(OPERATIONS[name][1] for name in three)
    whole = run(setup, calls, (0, 1, 2))
    for last in (1, 2):
        if not any(conflict(whole.footprints[i], whole.footprints[last]) for i in range(last)):
            order = (last, *(i for i in range(3) if i != last))
            moved = run(setup, calls, order)
            assert moved.results == whole.results
            assert moved.footprints == whole.footprints
            assert moved.final == whole.final


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user and back")
@settings(max_examples=EXAMPLES * 5, deadline=None, suppress_health_check=list(HealthCheck))
@given(trees, st.lists(names, max_size=2), names, names)
def test_pairs_where_modes_matter(tree: str, steps: list[str], x: str, y: str) -> None:
    os.seteuid(65534)
    try:
        problem, _, _ = verdict(after(tree, steps), OPERATIONS[x][1], OPERATIONS[y][1])
    finally:
        os.seteuid(0)
    assert not problem, problem


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user and back")
@pytest.mark.parametrize("y", [name for name in OPERATIONS if name.endswith(" here>")])
@pytest.mark.parametrize("x", ["forbid a", "<forbid directory>", "chmod a"])
def test_the_working_directory_may_be_forbidden(x: str, y: str) -> None:
    os.seteuid(65534)
    try:
        problems = [verdict(after(tree, []), OPERATIONS[x][1], OPERATIONS[y][1])[0] for tree in TREES]
    finally:
        os.seteuid(0)
    assert not any(problems), problems
