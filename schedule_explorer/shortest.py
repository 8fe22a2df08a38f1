"""A failing schedule that is easier to follow: the same failure with fewer switches.

What fails first has as many switches as the strategy happened to make. From it others are made and run, as
Jalbert and Sen simplify traces (FSE 2010): a schedule is a row of blocks, each of one thread, and

1. only the first blocks are kept, fewest first, and the rest runs without preemption;
2. a block is moved up or down to the next one of its thread, so that two switches go.

One that fails in the same way with fewer switches, or with as many in fewer operations, takes the place of
the last one, until none is better or the budget is used up. This only chooses what is shown: executions here
count for nothing, and a schedule that was found is shown unless a better one fails in the same way. The
result is no minimum. It follows from the failing execution and the budget alone: same failure, same token.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from schedule_explorer.errors import DeadlockError, ExplorerError, StepLimitError
from schedule_explorer.reporting.names import raised_at
from schedule_explorer.runtime import Choice, Trace

#: choices within one operation that are not threads, such as whom a notify wakes: (kind, option)
Inner = tuple[tuple[str, int], ...]
#: one operation each: the thread, and the choices within
Steps = list[tuple[int, Inner]]


def switches(trace: Trace) -> int:
    """Count the operations that another thread performed than the one before."""
    return sum(a.tid != b.tid for a, b in itertools.pairwise(trace.events))


def size(trace: Trace) -> tuple[int, int]:
    """Return what makes a schedule hard to follow: its switches, then its operations."""
    return switches(trace), len(trace.events)


def shortest(
    trace: Trace, run: Callable[[Along], Trace], budget: int, late: Callable[[], bool] = lambda: False
) -> Trace:
    """Return the failing execution with the fewest switches that `budget` executions find.

    Arguments:
        trace: the failing execution to begin with.
        run: runs the body once under what it is given.
        budget: executions at most.
        late: says whether there is no time left; asked before each execution.

    Returns:
        An execution that fails as `trace` does; `trace` itself where none is better.
    """
    wanted = failure_of(trace)
    best, left = trace, budget
    tried: set[tuple[tuple[int, Inner], ...]] = set()
    improved = True
    while improved:
        improved = False
        for steps in _candidates(_steps(best)):
            if tuple(steps) in tried:
                continue
            if left <= 0 or _least(best) or late():
                return best
            tried.add(tuple(steps))
            left -= 1
            try:
                found = run(Along(steps))
            except StepLimitError:
                continue  # an endless loop that the schedule with the failure never gets to
            except ExplorerError:
                return best
            if size(found) < size(best) and found.failed and failure_of(found) == wanted:
                best, improved = found, True
                break
    return best


@dataclass(frozen=True)
class FailureKind:
    """By what two executions are said to fail in the same way.

    Attributes:
        error: the class of what was raised first.
        place: the file and line on which it was; of a deadlock the threads that are left, and in what.
    """

    error: str
    place: tuple[object, ...]


def failure_of(trace: Trace) -> FailureKind:
    """Say in what way an execution failed."""
    if trace.errors:
        error = trace.errors[0][1]
        return FailureKind(type(error).__qualname__, tuple(place[:2] for place in raised_at(error)[:1]))
    left = tuple((blocked.tid, blocked.operation) for blocked in trace.blocked)
    return FailureKind(DeadlockError.__name__ if trace.deadlock else "", (*left, *trace.leaked))


class Along:
    """Runs one execution along the operations of another, as far as that is possible.

    A thread that cannot run when its turn comes loses that turn. When no turn is left the present thread
    goes on as long as it can, then the first one that need not wait.

    Arguments:
        steps: whose turn it is, operation by operation, with the choices within each.
    """

    exhaustive = False

    def __init__(self, steps: Steps) -> None:
        self._steps = iter(steps)
        self._inner: list[tuple[str, int]] = []
        self._last = 0

    def begin(self) -> bool:
        """One execution only; `shortest` makes one of these for each."""
        return True

    def choose(self, choice: Choice) -> int:
        """Take what the other execution took."""
        if choice.kind != "thread":
            if self._inner:
                kind, option = self._inner.pop(0)
                if kind == choice.kind and option in choice.options:
                    return option
            return choice.options[0]
        for tid, inner in self._steps:
            if tid in choice.options:
                self._last, self._inner = tid, list(inner)
                return tid
        self._inner = []
        ready = [tid for tid in choice.options if _ready(choice, tid)] or choice.options
        self._last = self._last if self._last in ready else ready[0]
        return self._last

    def finish(self, trace: Trace) -> None:
        """Learns nothing."""


def onwards(trace: Trace) -> Along:
    """Return what runs the operations of `trace`, an execution that was cut off, and goes on from there."""
    return Along(_steps(trace))


def _ready(choice: Choice, tid: int) -> bool:
    """Say whether a thread can run without its wait running out."""
    operation = choice.execution.by_tid[tid].pending
    return operation is None or operation.ready is None or operation.ready()


def _steps(trace: Trace) -> Steps:
    """Return whose turn it was, operation by operation; the start of the main thread is no choice."""
    steps: list[tuple[int, list[tuple[str, int]]]] = []
    for kind, option in trace.choices[1:]:
        if kind == "thread":
            steps.append((option, []))
        elif steps:
            steps[-1][1].append((kind, option))
    return [(tid, tuple(inner)) for tid, inner in steps]


def _candidates(steps: Steps) -> Iterator[Steps]:
    """Yield schedules that may have fewer switches."""
    blocks = [list(block) for _, block in itertools.groupby(steps, key=lambda step: step[0])]
    for kept in range(len(blocks)):
        yield list(itertools.chain(*blocks[:kept]))
    for first, block in enumerate(blocks):
        tid = block[0][0]
        later = (place for place in range(first + 2, len(blocks)) if blocks[place][0][0] == tid)
        second = next(later, None)
        if second is not None:
            before, between, after = blocks[:first], blocks[first + 1 : second], blocks[second + 1 :]
            yield list(itertools.chain(*before, block, blocks[second], *between, *after))
            yield list(itertools.chain(*before, *between, block, blocks[second], *after))


def _least(trace: Trace) -> bool:
    """Say whether no schedule of these threads has fewer switches."""
    return switches(trace) < len({event.tid for event in trace.events})
