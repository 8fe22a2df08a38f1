"""The stage and the state machine: every step in one's hand, and a failure that runs again as printed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

sys.path.insert(0, str(Path(__file__).parents[1] / "campaigns"))

from toys import CellsTarget, locked, racy

from schedule_explorer import explore
from schedule_explorer.errors import ExplorerError
from schedule_explorer.programs import Call, client_body, parse
from schedule_explorer.programs.client import NotLinearizableError
from schedule_explorer.programs.machine import state_machine
from schedule_explorer.programs.stage import Stage
from schedule_explorer.targets.boundary_store import target as boundary_store

pytestmark = pytest.mark.usefixtures("interposed_once")

SWAP = Call("swap", ("a",))
SETTINGS = settings(
    max_examples=40, stateful_step_count=12, database=None, deadline=None, derandomize=True,
    phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck),
)  # fmt: skip


class RacyMachine(state_machine(racy, clients=2, calls=4)):  # type: ignore[misc]
    """Cells with a race."""


class LockedMachine(state_machine(locked, clients=2, calls=4)):  # type: ignore[misc]
    """Cells without one."""


class StoreMachine(state_machine(boundary_store, clients=2, calls=4)):  # type: ignore[misc]
    """The production store, its writer thread included."""


def test_steps_are_made_one_by_one() -> None:
    stage = Stage(racy(), 2)
    try:
        assert stage.able() == [] and stage.waits(0) and stage.waits(1)
        assert not stage.advance(0), "no thread moves without a call"
        stage.begin(0, SWAP)
        assert stage.able() == ["client-0"] and not stage.waits(0)
        with pytest.raises(ValueError, match="client 0 has a call under way"):
            stage.begin(0, SWAP)
        stage.begin(1, SWAP)
        assert stage.able() == ["client-0", "client-1"]
        assert stage.advance(0) and stage.advance(1)  # both have loaded
        assert stage.failure() is None
        stage.finish()
        assert isinstance(stage.failure(), NotLinearizableError)
    finally:
        stage.close()


def test_one_after_the_other_there_is_no_race() -> None:
    stage = Stage(racy(), 2)
    try:
        stage.begin(0, SWAP)
        while stage.advance(0):
            pass
        assert stage.waits(0)
        stage.begin(1, SWAP)
        assert not stage.finish().failed and stage.failure() is None
    finally:
        stage.close()


def test_a_stage_that_is_left_leaves_nothing() -> None:
    stage = Stage(boundary_store(), 2)
    stage.begin(0, Call("save", ("x", 0)))
    stage.advance(0)
    with pytest.raises(ExplorerError, match="nested"):
        explore(lambda: None)
    stage.close()
    stage.close()
    assert explore(client_body(locked(), parse("swap(a)"))).verdict.value == "proved"


def test_what_a_call_raises_fails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(self: CellsTarget, system: Any, recorded: Any) -> None:
        raise RuntimeError("no such call")

    monkeypatch.setattr(CellsTarget, "perform", raising)
    machine = RacyMachine()
    try:
        with pytest.raises(RuntimeError, match="no such call"):
            machine.begin(call=SWAP, client=0)
    finally:
        machine.teardown()


def test_a_failure_is_printed_as_a_test_that_runs() -> None:
    with pytest.raises(NotLinearizableError) as raised:
        run_state_machine_as_test(RacyMachine, settings=SETTINGS)
    notes = "\n".join(raised.value.__notes__)
    assert "client-0" in notes, "the story is told too"
    printed = [line for line in notes.splitlines() if line.startswith("state")]
    # two swaps are begun, and one of them is left behind its load
    assert sum(".begin(" in line for line in printed) == 2 and printed[-1] == "state.teardown()"
    with pytest.raises(NotLinearizableError):
        exec("\n".join(printed), {"RacyMachine": RacyMachine, "Call": Call})


def test_what_holds_passes() -> None:
    run_state_machine_as_test(LockedMachine, settings=SETTINGS)


def test_the_production_store_step_by_step() -> None:
    few = settings(SETTINGS, max_examples=10, stateful_step_count=40)
    run_state_machine_as_test(StoreMachine, settings=few)


@pytest.mark.parametrize(("clients", "calls"), [(0, 1), (1, 0)])
def test_bounds_are_checked(clients: int, calls: int) -> None:
    with pytest.raises(ValueError, match="give 1 or more"):
        state_machine(locked, clients, calls)
