"""hunt(): go through generated programs until one fails, then make program and schedule small.

    programs by size, then drawn ones ──> explore each a little ──> the first failure that is wanted
        ──> fewer calls and threads ──> fewer switches ──> `Hunted`

Everything follows from the arguments: the same hunt finds the same program and the same token.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Protocol, runtime_checkable

from schedule_explorer import token as tokens
from schedule_explorer.exploration import explore, replay
from schedule_explorer.interposition.install import interposed
from schedule_explorer.programs.alphabet import Alphabet
from schedule_explorer.programs.calls import Program, text
from schedule_explorer.programs.client import client_body
from schedule_explorer.programs.enumeration import canonical, programs
from schedule_explorer.programs.target import Target
from schedule_explorer.runtime import Choice, Trace
from schedule_explorer.shortest import size, switches
from schedule_explorer.strategies import Strategy
from schedule_explorer.strategies.named import named
from schedule_explorer.strategies.optimal_dpor import OptimalDPOR
from schedule_explorer.strategies.pct import PCT
from schedule_explorer.strategies.portfolio import Portfolio
from schedule_explorer.strategies.random_walk import RandomWalk

#: what a hunt takes for a failure when it is not told: any
ANY: frozenset[str] = frozenset()


def symptoms(trace: Trace) -> frozenset[str]:
    """Name what failed in an execution.

    Returns:
        ``"deadlock"``, ``"leak"``, and for each error its attribute `symptom`, or the name of its class.
    """
    found = {str(getattr(error, "symptom", type(error).__name__)) for _, error in trace.errors}
    if trace.deadlock:
        found.add("deadlock")
    if trace.leaked:
        found.add("leak")
    return frozenset(found)


@dataclass(frozen=True)
class Hunt:
    """Where to look for what.

    Arguments:
        wanted: symptoms that count; empty: any failure. See `symptoms`.
        threads: client threads of a program at most.
        calls: calls of one thread at most, when programs are enumerated.
        enumerated: programs to go through by size, smallest first.
        drawn: programs to draw when none of those failed.
        lengths: fewest and most calls in all of a drawn program.
        executions: of each program.
        budget: executions of all programs together, up to the first failure: no other program is begun when
            so many were run; None: no other bound.
        strategy: by its name, or None for a portfolio: a third of the executions drawn at random and by PCT,
            which find different bugs at once, then optimal DPOR.
        seed: for strategies that draw, and for drawn programs.
        timeouts: as for `explore`.
        shrinking: executions of each smaller program that is tried.
        same_schedule: how to tell a bug from others with the same symptom; see `hunt`.
    """

    wanted: frozenset[str] = ANY
    threads: int = 2
    calls: int = 3
    enumerated: int = 1000
    drawn: int = 0
    lengths: tuple[int, int] = (4, 8)
    executions: int = 30
    budget: int | None = None
    strategy: str | None = None
    seed: int = 0
    timeouts: str = "any"
    shrinking: int = 200
    same_schedule: bool = False

    @property
    def most(self) -> int:
        """Failures of one program that are looked at: several, where each may be due to another bug."""
        return 20 if self.same_schedule else 1


@runtime_checkable
class Huntable(Protocol):
    """A target that knows how it is to be hunted: for one bug of several, say.

    Attributes:
        where: which programs, how long, and what counts.
        spared: the target without the bug; see `hunt`.
    """

    where: Hunt
    spared: Target | None


@dataclass(frozen=True)
class Hunted:
    """What a hunt found.

    Attributes:
        program: the smallest one found that fails in the wanted way.
        symptoms: of its failing execution.
        schedule: a token of that execution: the fewest switches among those seen.
        switches: that many.
        first: the program in which the failure was met first.
        programs: tried up to that one.
        executions: run up to the first failure, in all programs.
    """

    program: Program
    symptoms: frozenset[str]
    schedule: str
    switches: int
    first: Program
    programs: int
    executions: int

    def explain(self, target: Target) -> str:
        """Tell the failing execution as columns, one a thread; the token is the last line.

        Raises:
            ValueError: it does not fail on `target`.
        """
        failure = replay(client_body(target, self.program), self.schedule).failure
        if failure is None:
            raise ValueError(f"{text(self.program)} does not fail on {target.name} in this schedule")
        return failure.explain()


def hunt(
    target: Target, where: Hunt, spared: Target | None = None, only: Program | None = None
) -> Hunted | None:
    """Look for a program and a schedule that fail.

    Arguments:
        target: what to explore.
        where: which programs, and how long.
        spared: a target without the bug that is looked for. What fails on it in the wanted way, too, tells
            nothing about the bug and is passed over: a program, as far as the same search sees, or, with
            `Hunt.same_schedule`, an execution that is followed there as far as possible.
        only: try this program and no other one, such as one that failed on real threads.

    Returns:
        The failure, or None when the budget ended without one.
    """
    with interposed():
        return _hunt(target, where, spared, only)


def _hunt(target: Target, where: Hunt, spared: Target | None, only: Program | None) -> Hunted | None:
    tried = executions = 0
    seen: set[Program] = set()
    for program in _candidates(target.alphabet, where) if only is None else (only,):
        if where.budget is not None and executions >= where.budget:
            return None
        if program in seen:
            continue
        seen.add(program)
        tried += 1
        found = search(target, program, where, most=where.most)
        executions += found.executions
        if not _is_found(found, spared, program, where):
            continue
        small = shrink(target, program, where, spared)
        trace = simplest(target, small, where, spared, found.traces if small == program else ())
        return Hunted(
            small, symptoms(trace), tokens.encode(trace, where.timeouts), switches(trace), program, tried,
            executions,
        )  # fmt: skip
    return None


def _candidates(alphabet: Alphabet, where: Hunt) -> Iterator[Program]:
    """Yield programs by size, then drawn ones."""
    yield from itertools.islice(programs(alphabet, where.threads, where.calls), where.enumerated)
    random = Random(where.seed)
    every = alphabet.calls()
    for _ in range(where.drawn):
        count = random.randint(1, where.threads)
        total = random.randint(*where.lengths)
        calls = [random.choice(every) for _ in range(total)]
        cuts = sorted(random.sample(range(1, total), min(count, total) - 1))
        yield canonical(
            alphabet,
            tuple(tuple(calls[a:b]) for a, b in itertools.pairwise((0, *cuts, total))),
        )


# -- one program ---------------------------------------------------------------------------------------


@dataclass
class Found:
    """What the search of one program met.

    Attributes:
        traces: executions that failed in a wanted way; the first one comes first.
        executions: up to and with the last one of them, or all.
    """

    traces: list[Trace] = field(default_factory=list)
    executions: int = 0


class _Until:
    """Runs a strategy until so many executions are wanted ones."""

    def __init__(self, inner: Strategy, wanted: frozenset[str], found: Found, most: int) -> None:
        self._inner = inner
        self._wanted = wanted
        self._found = found
        self._most = most

    @property
    def exhaustive(self) -> bool:
        """As the strategy."""
        return self._inner.exhaustive

    def begin(self) -> bool:
        """Go on as long as too few were found."""
        return len(self._found.traces) < self._most and self._inner.begin()

    def choose(self, choice: Choice) -> int | None:
        """As the strategy."""
        return self._inner.choose(choice)

    def finish(self, trace: Trace) -> None:
        """Look at an execution."""
        self._inner.finish(trace)
        if not trace.cut:
            self._found.executions += 1
            if is_wanted(trace, self._wanted):
                self._found.traces.append(trace)


def is_wanted(trace: Trace, wanted: frozenset[str]) -> bool:
    """Say whether an execution failed in a wanted way."""
    return trace.failed and (not wanted or bool(symptoms(trace) & wanted))


def search(
    target: Target, program: Program, where: Hunt, executions: int | None = None, *, most: int = 1
) -> Found:
    """Explore one program up to its first wanted failures.

    Arguments:
        executions: the budget; that of `where` unless given.
        most: failures after which to stop.
    """
    found = Found()
    budget = executions or where.executions
    strategy = strategy_of(where, budget)
    explore(
        client_body(target, program), _Until(strategy, where.wanted, found, most), max_executions=budget,
        timeouts=where.timeouts, stop_at_first_failure=False,
    )  # fmt: skip
    return found


def strategy_of(where: Hunt, executions: int) -> Strategy:
    """Make the strategy of a hunt, for so many executions of one program."""
    if where.strategy is not None:
        return named(where.strategy, where.seed)
    burst = max(executions // 6, 1)
    pct = Portfolio(PCT(where.seed), OptimalDPOR(), burst)
    return Portfolio(RandomWalk(where.seed), pct, burst)


def _is_found(found: Found, spared: Target | None, program: Program, where: Hunt) -> bool:
    """Say whether the bug was met: a failure, and none without it."""
    if not found.traces or spared is None:
        return bool(found.traces)
    if where.same_schedule:
        return any(not _fails_alike(spared, program, trace, where) for trace in found.traces)
    return not search(spared, program, where, where.shrinking).traces


def _fails_alike(spared: Target, program: Program, trace: Trace, where: Hunt) -> bool:
    """Say whether another target fails in the same way when it follows an execution."""
    followed = Found()
    explore(
        client_body(spared, program), _Until(Following(trace), where.wanted, followed, 1), max_executions=1,
        timeouts=where.timeouts, stop_at_first_failure=False,
    )  # fmt: skip
    return bool(followed.traces)


class Following:
    """Runs one execution along another one, of a program that may differ a little.

    The next thread is the next one of the other execution that can run; where none can, the first one.
    """

    exhaustive = False

    def __init__(self, trace: Trace) -> None:
        self._choices = list(trace.choices[1:])
        self._left: list[tuple[str, int]] = []
        self._begun = False

    def begin(self) -> bool:
        """Run once, and a second time to see that it repeats."""
        again, self._begun = self._begun, True
        self._left = list(self._choices)
        return not again

    def choose(self, choice: Choice) -> int:
        """Take what the other execution chose."""
        for place, (kind, option) in enumerate(self._left):
            if kind == choice.kind and option in choice.options:
                del self._left[: place + 1]
                return option
        return choice.options[0]

    def finish(self, trace: Trace) -> None:
        """Learns nothing."""


def shrink(target: Target, program: Program, where: Hunt, spared: Target | None = None) -> Program:
    """Drop threads and calls as long as what is left fails in a wanted way."""
    while True:
        for smaller in _smaller(target.alphabet, program):
            found = search(target, smaller, where, where.shrinking, most=where.most)
            if _is_found(found, spared, smaller, where):
                program = smaller
                break
        else:
            return program


def _smaller(alphabet: Alphabet, program: Program) -> Iterator[Program]:
    """Yield the program without a thread, without a call, and with two threads as one."""
    for i, thread in enumerate(program):
        others = program[:i] + program[i + 1 :]
        if others:
            yield canonical(alphabet, others)
        for j in range(len(thread)):
            rest = thread[:j] + thread[j + 1 :]
            if rest:
                yield canonical(alphabet, (*program[:i], rest, *program[i + 1 :]))
    for first, second in itertools.permutations(range(len(program)), 2):
        left = [thread for i, thread in enumerate(program) if i not in (first, second)]
        yield canonical(alphabet, (program[first] + program[second], *left))


def simplest(
    target: Target, program: Program, where: Hunt, spared: Target | None = None, known: Iterable[Trace] = ()
) -> Trace:
    """Return the wanted failing execution with the fewest switches, among those of a small search.

    Arguments:
        known: wanted failing executions that were met before, in a search that may have been larger.

    Raises:
        ValueError: none of them fails.
    """
    traces = list(known)
    for name in dict.fromkeys((where.strategy, "sleep-set-dfs")):
        again = replace(where, strategy=name)
        traces += search(target, program, again, where.shrinking, most=where.shrinking).traces
    for trace in sorted(traces, key=size):
        if not (spared and where.same_schedule and _fails_alike(spared, program, trace, where)):
            return trace
    raise ValueError(f"{text(program)} did not fail in {where.shrinking} executions")
