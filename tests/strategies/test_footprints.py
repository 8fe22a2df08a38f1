"""Masks say the same as the relation that they stand for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schedule_explorer.operations import Accesses, dependent
from schedule_explorer.strategies.footprints import EVERYTHING, NOTHING, Footprints, conflict

accesses = st.dictionaries(st.sampled_from("abcd"), st.sampled_from([0, 1, 2])).map(
    lambda found: tuple(found.items())
)


@given(accesses, accesses)
def test_conflict_is_dependent(first: Accesses, second: Accesses) -> None:
    footprints = Footprints()
    assert bool(conflict(footprints(first), footprints(second))) is dependent(first, second)


def test_everything_conflicts_with_all_but_nothing() -> None:
    footprints = Footprints()
    assert conflict(EVERYTHING, footprints((("a", 0),)))
    assert not conflict(EVERYTHING, NOTHING)
