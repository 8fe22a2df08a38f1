"""When do two operations commute?"""

import pytest

from schedule_explorer.operations import ADD, READ, WRITE, dependent


@pytest.mark.parametrize(
    ("first", "second", "conflict"),
    [
        (READ, READ, False),
        (ADD, ADD, False),
        (WRITE, WRITE, True),
        (READ, ADD, True),
        (READ, WRITE, True),
        (ADD, WRITE, True),
    ],
)
def test_modes_on_one_key(first: int, second: int, conflict: bool) -> None:
    assert dependent([("k", first)], [("k", second)]) is conflict
    assert dependent([("k", second)], [("k", first)]) is conflict


def test_different_keys_never_conflict() -> None:
    assert not dependent([("a", WRITE)], [("b", WRITE)])
