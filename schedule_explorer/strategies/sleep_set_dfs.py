"""Depth-first search with sleep sets (Godefroid, 1996): the oracle for every cleverer strategy.

Completes exactly one execution of every Mazurkiewicz trace, and cuts off those in which every
enabled thread sleeps. Nothing but `dependent` decides what may be skipped.
"""

from __future__ import annotations

from schedule_explorer.errors import DivergenceError
from schedule_explorer.operations import Accesses, dependent
from schedule_explorer.runtime import Choice, Trace


class _Node:
    """One choice of the present execution.

    `asleep` maps a thread to the accesses of its next operation, as executed in a branch already
    explored; `tried` are the options explored before the present one.
    """

    __slots__ = ("asleep", "chosen", "done", "event", "expected", "kind", "options", "tried")

    def __init__(self, kind: str, options: list[int], asleep: dict[int, Accesses]) -> None:
        self.kind = kind
        self.options = options
        self.asleep = asleep
        self.tried: list[int] = []
        self.chosen = -1
        self.event = -1
        self.done: Accesses = ()
        self.expected = ""


class SleepSetDFS:
    """Enumerate all choices depth first, skipping threads asleep.

    Arguments:
        reduce: False turns the sleep sets off: plain enumeration of every interleaving, the oracle
            of the dependence rules themselves.
    """

    exhaustive = True

    def __init__(self, reduce: bool = True) -> None:
        self._reduce = reduce
        self._stack: list[_Node] = []
        self._depth = 0
        self._started = False

    def begin(self) -> bool:
        """Backtrack to the deepest choice that has an option left."""
        self._depth = 0
        if not self._started:
            self._started = True
            return True
        while self._stack:
            node = self._stack[-1]
            node.tried.append(node.chosen)
            if self._reduce and node.kind == "thread":
                node.asleep[node.chosen] = node.done
            if self._next(node) is not None:
                return True
            self._stack.pop()
        return False

    def _next(self, node: _Node) -> int | None:
        for option in node.options:
            if option not in node.tried and option not in node.asleep:
                return option
        return None

    def choose(self, choice: Choice) -> int | None:
        """Follow the stack, then always the first option that is awake."""
        stack = self._stack
        events = choice.execution.trace.events
        depth = self._depth
        if depth < len(stack):
            node = stack[depth]
            if node.kind != choice.kind or node.options != choice.options:
                raise DivergenceError(
                    f"choice {depth}: the options were {node.kind} {node.options} and are now "
                    f"{choice.kind} {choice.options} after the same choices: the body behaves "
                    "differently when it is run again (state kept between runs, or something "
                    "uncontrolled such as a real clock)"
                )
            if depth == len(stack) - 1 and node.chosen in node.tried:
                node.chosen = -1
        else:
            node = _Node(choice.kind, list(choice.options), self._inherited(choice))
            stack.append(node)
        if node.chosen < 0:
            chosen = self._next(node)
            if chosen is None:
                stack.pop()
                return None
            node.chosen = chosen
            node.expected = ""
        if choice.kind == "thread":
            node.event = len(events)
            kind = str(choice.execution.by_tid[node.chosen].pending)
            if node.expected and node.expected != kind:
                raise DivergenceError(
                    f"choice {depth}: thread {node.chosen} was at {node.expected} and is now at "
                    f"{kind} after the same choices: the body behaves differently when run again"
                )
            node.expected = kind
        self._depth += 1
        return node.chosen

    def _inherited(self, choice: Choice) -> dict[int, Accesses]:
        """The sleep set of a new node: who slept or was tried at the parent, and commutes."""
        if choice.kind != "thread" or not self._reduce or not self._stack:
            return {}
        events = choice.execution.trace.events
        index = len(self._stack) - 1
        while index >= 0 and self._stack[index].kind != "thread":
            index -= 1
        if index < 0:
            return {}
        parent = self._stack[index]
        done = events[parent.event].accesses
        return {
            tid: accesses
            for tid, accesses in parent.asleep.items()
            if tid != parent.chosen and not dependent(accesses, done)
        }

    def finish(self, trace: Trace) -> None:
        """Note what every chosen thread did; it sleeps by that once its branch is exhausted."""
        for node in self._stack:
            if node.kind == "thread" and 0 <= node.event < len(trace.events):
                node.done = trace.events[node.event].accesses
