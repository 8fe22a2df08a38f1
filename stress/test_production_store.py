"""The production store: whatever program comes next, under each group of amplifiers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from schedule_explorer.programs import Program, text
from schedule_explorer.targets.boundary_store import BoundaryStoreTarget
from stress.conftest import Once

pytestmark = pytest.mark.timeout(120)
GROUPS = [(), ("switch", "yields"), ("switch", "slow-writer"), ("switch", "gc")]


@pytest.mark.parametrize("amplifiers", GROUPS, ids=lambda names: "-".join(names) or "plain")
def test_production_store(amplifiers: tuple[str, ...], programs: Iterator[Program], once: Once) -> None:
    program = next(programs)
    run = once(BoundaryStoreTarget(), program, amplifiers)
    assert not run.symptoms, f"{text(program)}\n{run.symptoms[0].told}"
    assert len(run.history) == sum(map(len, program))


def test_production_store_with_arrays(programs: Iterator[Program], once: Once) -> None:
    program = next(programs)
    run = once(BoundaryStoreTarget(arrays=True), program, ("switch",))
    assert not run.symptoms, f"{text(program)}\n{run.symptoms[0].told}"
