"""Wakeup trees: the executions still to be explored from one point, as ordered trees of operations.

(Abdulla, Aronis, Jonsson, Sagonas: Optimal Dynamic Partial Order Reduction, POPL 2014, section 6.)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from schedule_explorer.strategies.footprints import Footprint, conflict
from schedule_explorer.strategies.labels import Label, same_branch


class Step(NamedTuple):
    """One operation of a sequence.

    `most` and `least` bound what it touches: they are the same for an operation that was executed in this
    order; one that runs in a new order may do something else than it did.
    """

    bit: int
    label: Label
    most: Footprint
    least: Footprint


class WakeupNode:
    """One operation to be run next, and what is to follow it."""

    __slots__ = ("children", "label", "least", "most")

    def __init__(self, step: Step) -> None:
        self.label = step.label
        self.most = step.most
        self.least = step.least
        self.children: list[WakeupNode] = []


class Sequence:
    """A sequence of operations to be inserted: the v of the paper.

    Arguments:
        events: bits of the events of the present execution that it takes over, ascending.
        executed: for each event, its step.
        before: for each event, the mask of what happens before it.
        of_thread: tid to the mask of its events.
        new: the operation that has not been executed in this order.
        first: `new` comes before the others instead of after them.
    """

    __slots__ = ("_before", "_events", "_executed", "_of_thread", "_union", "first", "mask", "new")

    def __init__(
        self,
        events: list[int],
        executed: list[Step],
        before: list[int],
        of_thread: dict[int, int],
        new: Step,
        *,
        first: bool = False,
    ) -> None:
        self._events = events
        self._executed = executed
        self._before = before
        self._of_thread = of_thread
        self.first = first
        self._union: Footprint | None = None
        #: what is left of `events`, and the new operation if it is left
        self.new: Step | None = new
        self.mask = 0
        for bit in events:
            self.mask |= 1 << bit

    def steps(self) -> list[Step]:
        """Return what is left, in order."""
        found = [self._executed[bit] for bit in self._events if self.mask >> bit & 1]
        if self.new is not None:
            found.insert(0 if self.first else len(found), self.new)
        return found

    def __bool__(self) -> bool:
        return bool(self.mask) or self.new is not None

    def place(self, label: Label, footprint: Footprint) -> int | None:
        """Say which step an operation is that could be run before all of the sequence (a weak initial).

        Arguments:
            footprint: what the operation touches when it is run first.

        Returns:
            the bit of the step; -1 when it is none of them and is independent of all; None when it is no
            weak initial, or when that is not sure.
        """
        tid, outcomes = label
        own = self._of_thread.get(tid, 0) & self.mask
        if own:
            bit = (own & -own).bit_length() - 1
            if self._before[bit] & self.mask:
                return None
            return bit if same_branch(outcomes, self._executed[bit].label[1]) else None
        new = self.new
        if new is not None:
            if new.label[0] == tid:
                if not same_branch(outcomes, new.label[1]):
                    return None
                return new.bit if self.first or self._independent(footprint) else None
            if conflict(footprint, new.most):
                return None
        return -1 if self._independent(footprint) else None

    def _independent(self, footprint: Footprint) -> bool:
        """Say whether `footprint` commutes with all that is left of the events."""
        union = self._union
        if union is None:
            read = added = written = touched = 0
            for bit in self._events:
                keys = self._executed[bit].most
                read |= keys[0]
                added |= keys[1]
                written |= keys[2]
                touched |= keys[3]
            union = self._union = (read, added, written, touched)
        if not conflict(footprint, union):
            return True
        for bit in self._events:
            if self.mask >> bit & 1 and conflict(footprint, self._executed[bit].most):
                return False
        return True

    def remove(self, bit: int) -> None:
        """Take out one step."""
        if self.new is not None and bit == self.new.bit:
            self.new = None
        else:
            self.mask ^= 1 << bit


def insert(
    nodes: list[WakeupNode],
    sequence: Sequence,
    explored: Iterable[tuple[Label, Footprint]] = (),
) -> bool:
    """Insert `sequence` among the branches `nodes`, unless a leaf already covers it.

    Arguments:
        explored: the branches that are under exploration or asleep where the tree stands. A leaf of which
            one of them may be a weak initial covers nothing, for it will be run with that branch asleep: it
            is extended. Where all operations touch the same in every order there is no such leaf.

    Returns:
        whether something was inserted. The sequence is used up.
    """
    path: list[WakeupNode] = []
    while True:
        for node in nodes:
            position = sequence.place(node.label, node.most)
            if position is None:
                continue
            if position >= 0:
                sequence.remove(position)
            if not sequence:
                return False
            path.append(node)
            if not node.children and not any(_maybe_initial(entry, path) for entry in explored):
                return False
            nodes = node.children
            break
        else:
            chain: WakeupNode | None = None
            for step in reversed(sequence.steps()):
                node = WakeupNode(step)
                if chain is not None:
                    node.children.append(chain)
                chain = node
            assert chain is not None
            if sequence.first and not path:
                nodes.insert(0, chain)  # the outcomes of one operation are explored one after the other
            else:
                nodes.append(chain)
            return True


def _maybe_initial(entry: tuple[Label, Footprint], path: list[WakeupNode]) -> bool:
    (tid, _), footprint = entry
    return not any(node.label[0] == tid or conflict(footprint, node.least) for node in path)
