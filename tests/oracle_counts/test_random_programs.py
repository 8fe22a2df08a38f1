"""On random small programs the strategies agree with each other, and with no reduction at all.

`PROVE_EXAMPLES` sets the number of programs for each family of operations (``make prove-explorer``).
"""

from __future__ import annotations

import os
from random import Random
from typing import Any

import pytest
from figures import leave
from gates import gates_declared
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from random_programs import FAMILIES, Program, ended, enumeration, generate, outcome

from schedule_explorer.strategies.optimal_dpor import OptimalDPOR
from schedule_explorer.strategies.sleep_set_dfs import SleepSetDFS

pytestmark = pytest.mark.usefixtures("interposed_once")

EXAMPLES = int(os.environ.get("PROVE_EXAMPLES", "3"))
LIMIT = int(os.environ.get("PROVE_EXECUTIONS", "150"))
#: at length no figure depends on how quick the machine is
SECONDS = 2.0 if EXAMPLES < 20 else 30.0
#: a family's programs are drawn in so many tests, that no worker is left alone with a slow family
PARTS = max(1, EXAMPLES // 20)


def check(program: Program, family: str) -> None:
    """Compare the strategies on a program; one too large for optimal DPOR is passed over, and counted."""
    dpor = OptimalDPOR()
    limits: dict[str, Any] = {"max_executions": LIMIT, "time_limit": SECONDS}
    reduced, finals = outcome(program, dpor, **limits)
    if not ended(reduced, **limits):
        event("too large")
        leave("random program", family, too_large=True)
        return
    assert dpor.infeasible == 0
    limits["max_executions"] = 2 * LIMIT
    slept, slept_finals = outcome(program, "sleep-set-dfs", **limits)
    both = ended(slept, **limits)
    if both:
        assert (reduced.executions, reduced.deadlocks) == (slept.executions, slept.deadlocks)
        assert finals == slept_finals
    limits["max_executions"] = 5 * LIMIT
    with gates_declared():
        plain, plain_finals = outcome(program, enumeration(program), **limits)
    assert plain_finals <= finals
    if ended(plain, **limits):
        event("enumerated in full")
        assert plain_finals == finals
        assert bool(plain.deadlocks) == bool(reduced.deadlocks)
    leave(
        "random program", family, too_large=False, slept=both, enumerated=ended(plain, **limits),
        executions=reduced.executions, finals=len(finals), deadlocks=bool(reduced.deadlocks),
        plain_executions=plain.executions,
    )  # fmt: skip


@pytest.mark.timeout(0)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("family", [*sorted(FAMILIES), "mixed", "faults", "faults and more"])
def test_strategies_agree(family: str, part: int) -> None:
    @settings(
        max_examples=EXAMPLES // PARTS, derandomize=True, deadline=None, database=None,
        suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink),
    )
    @given(st.integers(0, 2**32))
    def agree(seed: int) -> None:
        families = {"mixed": None, "faults": ("files",), "faults and more": ("files", "locks")}.get(
            family, (family,)
        )
        random = Random(seed) if part == 0 else Random(f"{part}:{seed}")
        check(generate(random, families, faults=family.startswith("faults")), family)

    agree()


@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed", range(EXAMPLES))
def test_order_in_which_threads_are_created_does_not_matter(seed: int) -> None:
    random = Random(seed)
    # The threads name each other by position, so the family that does so is left out.
    program = generate(random, tuple(random.sample(sorted(FAMILIES.keys() - {"threads"}), 2)))
    order = list(range(len(program.threads)))
    random.shuffle(order)
    results = []
    for chosen in (list(range(len(order))), order):
        renamed = Program(tuple(program.threads[i] for i in chosen), program.tree)
        limits: dict[str, Any] = {"max_executions": LIMIT, "time_limit": SECONDS}
        result, finals = outcome(renamed, "optimal-dpor", names=chosen, **limits)
        if not ended(result, **limits):
            return
        results.append((result.verdict, result.executions, result.deadlocks, finals))
    assert results[0] == results[1]
    leave("order of creation", str(seed), executions=results[0][1])


def test_a_program_that_deadlocks_is_counted() -> None:
    """Its threads are waited for: of daemon threads no one would say that they hang."""
    first, second = ("acquire", "0", "0"), ("acquire", "1", "0")
    program = Program(((first, second), (second, first)))
    for strategy in (OptimalDPOR(), SleepSetDFS()):
        result, finals = outcome(program, strategy)
        assert (result.executions, result.deadlocks, len(finals)) == (3, 3, 3)
