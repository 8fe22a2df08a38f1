"""Depth-first search with sleep sets (Godefroid, 1996): the oracle for every cleverer strategy.

Completes exactly one execution of every Mazurkiewicz trace, and cuts off those in which every
enabled thread sleeps. Nothing but `operations.dependent` decides what may be skipped.
"""

from __future__ import annotations

from schedule_explorer.operations import Accesses, dependent
from schedule_explorer.runtime import Choice, Trace
from schedule_explorer.strategies.divergence import other_kind, other_options
from schedule_explorer.strategies.labels import AT_ONCE, Choices, Label, awake_outcomes, label_of


class _Node:
    """One thread choice of the present execution.

    `asleep` maps a branch to the accesses of its operation, as executed where it was explored, and to the
    choices made within it; `label` is the branch under exploration; `order` are the threads that are tried.
    """

    __slots__ = ("accesses", "asleep", "choices", "kind", "label", "options", "order")

    def __init__(self, options: list[int], asleep: dict[Label, tuple[Accesses, Choices]]) -> None:
        self.options = options
        self.asleep = asleep
        self.label: Label | None = None
        self.order = options
        self.accesses: Accesses = ()
        self.choices: Choices = ()
        self.kind = ""

    def next(self) -> Label | None:
        """Return the first branch that is awake."""
        for tid in self.order:
            outcomes = awake_outcomes(entry[1] for label, entry in self.asleep.items() if label[0] == tid)
            if outcomes is not None:
                return tid, outcomes
        return None


class SleepSetDFS:
    """Enumerate all choices depth first, skipping threads asleep.

    Arguments:
        reduce: False turns the sleep sets off: plain enumeration of every interleaving, the oracle
            of the dependence rules themselves.
        at_once: a thread starts, and ends, right after the step before; nothing else is tried there. Without
            a reduction that leaves out many interleavings, which differ only for who looks at threads.
    """

    def __init__(self, reduce: bool = True, *, at_once: bool = False) -> None:
        self._reduce = reduce
        self._at_once = at_once
        self.exhaustive = not at_once
        self._stack: list[_Node] = []
        self._depth = 0
        self._outcomes: tuple[int, ...] = ()
        self._started = False

    def begin(self) -> bool:
        """Backtrack to the deepest choice that has a branch left."""
        self._depth = 0
        if not self._started:
            self._started = True
            return True
        while self._stack:
            node = self._stack[-1]
            assert node.label is not None
            node.asleep[node.label] = (node.accesses, node.choices)
            node.label = node.next()
            node.kind = ""
            if node.label is not None:
                return True
            self._stack.pop()
        return False

    def choose(self, choice: Choice) -> int | None:
        """Follow the stack, then always the first branch that is awake."""
        if choice.kind != "thread":
            option = self._outcomes[0] if self._outcomes else 0
            self._outcomes = self._outcomes[1:]
            return option
        depth = self._depth
        if depth < len(self._stack):
            node = self._stack[depth]
            if node.options != choice.options:
                raise other_options(depth, node.options, choice)
        else:
            node = _Node(list(choice.options), self._inherited(choice))
            edge = _first_at_once(choice)
            if edge is not None:
                # As it mostly happens for real; and this order makes the fewest switches.
                node.order = [edge] if self._at_once else sorted(choice.options, key=lambda tid: tid != edge)
            node.label = node.next()
            if node.label is None:
                return None
            self._stack.append(node)
        assert node.label is not None
        tid, self._outcomes = node.label
        pending = choice.execution.by_tid[tid].pending
        assert pending is not None
        if node.kind not in ("", pending.kind):
            raise other_kind(depth, node.kind, tid, choice)
        node.kind = pending.kind
        self._depth = depth + 1
        return tid

    def _inherited(self, choice: Choice) -> dict[Label, tuple[Accesses, Choices]]:
        """The sleep set of a new node: who slept or was explored at the parent, and commutes."""
        if not self._stack:
            return {}
        parent = self._stack[-1]
        self._note(parent, choice.execution.trace)
        if not self._reduce or parent.label is None:
            return {}
        return {
            label: entry
            for label, entry in parent.asleep.items()
            if label[0] != parent.label[0] and not dependent(entry[0], parent.accesses)
        }

    def _note(self, node: _Node, trace: Trace) -> None:
        """Keep what the operation of a node did, once its whole step is over."""
        event = trace.events[len(self._stack)]
        node.accesses, node.choices, node.label = event.accesses, event.choices, label_of(event)

    def finish(self, trace: Trace) -> None:
        """Note what the last chosen thread did; it sleeps by that once its branch is exhausted."""
        if self._stack and len(trace.events) > len(self._stack):
            self._note(self._stack[-1], trace)


def _first_at_once(choice: Choice) -> int | None:
    """Return the first thread that is about to start another one, or to end."""
    for tid in choice.options:
        pending = choice.execution.by_tid[tid].pending
        if pending is not None and pending.kind in AT_ONCE:
            return tid
    return None
