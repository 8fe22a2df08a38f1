"""Programs beyond the bound, drawn and shrunk by Hypothesis; the schedules of each come from a strategy.

    @given(drawn_programs(target.alphabet, threads=3, calls=5))
    def test_cache(program):
        assert_holds(target, program, "pos", max_executions=100)

Hypothesis makes a failing program smaller, the explorer tells its schedule. Needs the package `hypothesis`,
so nothing else in here imports this module.
"""

from __future__ import annotations

import shlex

from hypothesis import strategies as st

from schedule_explorer.exploration import Result, explore
from schedule_explorer.programs.alphabet import Alphabet
from schedule_explorer.programs.calls import Program, text
from schedule_explorer.programs.client import client_body
from schedule_explorer.programs.target import Target
from schedule_explorer.strategies import Strategy


class ProgramFailedError(AssertionError):
    """A program failed under some schedule. The text is the program, the story, and how to replay it."""


def drawn_programs(
    alphabet: Alphabet, threads: int = 3, calls: int = 4, total: int | None = None
) -> st.SearchStrategy[Program]:
    """Return a strategy for programs of up to `threads` threads with up to `calls` calls each.

    A program shrinks towards fewer threads, fewer calls, and calls that come first in the alphabet.

    Arguments:
        total: calls of all threads together at most; None: no other bound.

    Raises:
        ValueError: a bound is not positive.
    """
    for name, bound in (("threads", threads), ("calls", calls), ("total", total)):
        if bound is not None and bound < 1:
            raise ValueError(f"{name} is {bound}: give 1 or more")
    thread = st.lists(st.sampled_from(alphabet.calls()), min_size=1, max_size=calls).map(tuple)
    program = st.lists(thread, min_size=1, max_size=threads).map(tuple)
    if total is None:
        return program
    most = total
    return program.map(lambda drawn: _cut(drawn, most))


def _cut(program: Program, total: int) -> Program:
    """Return the first `total` calls of a program, thread by thread; threads without a call are left out."""
    kept: list[tuple[object, ...]] = []
    for thread in program:
        thread = thread[: total - sum(map(len, kept))]
        if thread:
            kept.append(thread)
    return tuple(kept)  # type: ignore[arg-type] # the calls are those of the program


def assert_holds(
    target: Target, program: Program, strategy: str | Strategy = "optimal-dpor", *,
    max_executions: int | None = 1000, time_limit: float | None = None, seed: int = 0,
) -> Result:  # fmt: skip
    """Explore the program on the target, and raise if a schedule of it fails.

    Arguments:
        strategy: as for `explore`. ``"pos"`` covers large programs better within few executions; optimal
            DPOR proves those that it gets to the end of.
        max_executions: complete executions at most; None: no limit.
        time_limit: seconds at most; None: no limit. It makes a test depend on the machine.
        seed: for strategies that draw.

    Returns:
        What `explore` found: `PROVED`, or `UNFINISHED` within the limits.

    Raises:
        ProgramFailedError: a schedule fails.
        ExplorerError: something uncontrolled was met.
    """
    result = explore(
        client_body(target, program), strategy,
        max_executions=max_executions, time_limit=time_limit, seed=seed,
    )  # fmt: skip
    failure = result.failure
    if failure is not None:
        line = text(program)
        raise ProgramFailedError(
            f"{line}\n{failure.explain()}\n\nreplay it with: schedule-explorer replay {target.name} "
            f"{failure.schedule} --program {shlex.quote(line)}"
        ) from failure.error
    return result
