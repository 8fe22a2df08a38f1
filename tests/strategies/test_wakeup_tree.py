"""Insertion into a wakeup tree: initials go down, leaves cover, the rest becomes a new branch."""

from __future__ import annotations

from schedule_explorer.operations import READ, WRITE
from schedule_explorer.strategies.footprints import NOTHING, Footprint, Footprints
from schedule_explorer.strategies.labels import same_branch
from schedule_explorer.strategies.wakeup_tree import Sequence, Step, WakeupNode, insert

KEYS = Footprints()
WRITE_X, WRITE_Y, READ_X = KEYS((("x", WRITE),)), KEYS((("y", WRITE),)), KEYS((("x", READ),))


def sequence(*steps: tuple[int, Footprint], exact: bool = True) -> Sequence:
    """All but the last step are events 0, 1, ... of their threads, and each pair of a thread is ordered."""
    made = [Step(bit, (tid, ()), touched, touched) for bit, (tid, touched) in enumerate(steps)]
    before = [sum(1 << b for b in range(bit) if steps[b][0] == steps[bit][0]) for bit in range(len(steps))]
    of_thread: dict[int, int] = {}
    for bit, (tid, _) in enumerate(steps[:-1]):
        of_thread[tid] = of_thread.get(tid, 0) | 1 << bit
    new = made[-1] if exact else made[-1]._replace(least=NOTHING)
    return Sequence(list(range(len(steps) - 1)), made, before, of_thread, new)


def shape(nodes: list[WakeupNode]) -> list[object]:
    return [(node.label[0], shape(node.children)) for node in nodes]


def test_first_sequence_becomes_a_chain() -> None:
    nodes: list[WakeupNode] = []
    assert insert(nodes, sequence((1, WRITE_X), (2, WRITE_Y)))
    assert shape(nodes) == [(1, [(2, [])])]


def test_equivalent_sequence_is_covered_by_the_leaf() -> None:
    nodes: list[WakeupNode] = []
    insert(nodes, sequence((1, WRITE_X), (2, WRITE_Y)))
    assert not insert(nodes, sequence((2, WRITE_Y), (1, WRITE_X)))


def test_conflicting_sequence_is_a_branch_of_its_own() -> None:
    nodes: list[WakeupNode] = []
    insert(nodes, sequence((1, WRITE_X), (2, READ_X)))
    assert insert(nodes, sequence((2, READ_X), (1, WRITE_X)))
    assert shape(nodes) == [(1, [(2, [])]), (2, [(1, [])])]


def test_absent_independent_branch_is_gone_through() -> None:
    nodes: list[WakeupNode] = []
    insert(nodes, sequence((3, WRITE_Y), (1, WRITE_X)))
    assert insert(nodes, sequence((2, READ_X)))
    assert shape(nodes) == [(3, [(1, []), (2, [])])]


def test_leaf_that_a_sleeping_operation_could_precede_is_extended() -> None:
    nodes: list[WakeupNode] = []
    insert(nodes, sequence((1, WRITE_X), exact=False))
    asleep = [((9, ()), WRITE_X)]
    # Reordered, 1 may touch nothing of x: then 9 sleeps through the leaf, and it covers nothing.
    assert insert(nodes, sequence((1, WRITE_X), (2, WRITE_Y)), asleep)
    assert shape(nodes) == [(1, [(2, [])])]
    exact: list[WakeupNode] = []
    insert(exact, sequence((1, WRITE_X)))
    assert not insert(exact, sequence((1, WRITE_X), (2, WRITE_Y)), asleep)


def test_weak_initial_is_not_claimed_where_it_is_not_sure() -> None:
    steps = sequence((1, WRITE_X), (2, WRITE_Y))
    assert steps.place((1, ()), WRITE_X) == 0
    assert steps.place((2, ()), WRITE_Y) == 1
    assert steps.place((3, ()), READ_X) is None
    assert steps.place((3, ()), NOTHING) == -1


def test_outcomes_that_are_not_given_are_the_first_ones() -> None:
    assert same_branch((), (0,)) and same_branch((1,), (1, 0))
    assert not same_branch((), (1,)) and not same_branch((1,), (1, 1))
