"""Every bug of the zoo is found from generated programs, and what is known of it is what is found."""

from __future__ import annotations

import json

import pytest

from schedule_explorer import Verdict, explore, replay
from schedule_explorer.campaigns.hunt import is_wanted, search
from schedule_explorer.programs import Program, client_body, parse, text
from schedule_explorer.targets.original_store import ZOO, table
from schedule_explorer.targets.original_store.quarries import QUARRIES, Quarry
from schedule_explorer.targets.original_store.target import OriginalStoreTarget

pytestmark = pytest.mark.usefixtures("interposed_once")

bugs = pytest.mark.parametrize(
    "quarry", QUARRIES, ids=[f"{bug.number} {bug.name}".replace(" ", "_") for bug in ZOO]
)

#: Hunts take more executions by default. What is found with fewer must be as small all the same: here of each
#: smaller program, and of each program that is tried.
SHRINKING = {2: 100}
EXECUTIONS = {4: 6, 7: 6, 9: 6, 17: 6, 29: 10}


def size(program: Program) -> int:
    return sum(map(len, program))


@pytest.mark.timeout(300)
@bugs
def test_a_hunt_finds_it(quarry: Quarry) -> None:
    executions = EXECUTIONS.get(quarry.number, quarry.where.executions)
    found = quarry.hunt(shrinking=SHRINKING.get(quarry.number, 12), executions=executions)
    assert found is not None, "not found"
    assert size(found.program) <= size(parse(quarry.program)), text(found.program)
    assert found.symptoms & quarry.where.wanted
    again = replay(client_body(quarry.target(), found.program), found.schedule)
    assert again.verdict is Verdict.FAILED and again.failure is not None
    assert is_wanted(again.failure.trace, quarry.where.wanted)
    assert found.schedule in found.explain(quarry.target())


@bugs
def test_its_known_program_shows_it(quarry: Quarry) -> None:
    assert search(quarry.target(), parse(quarry.program), quarry.where, 600).traces


def test_every_bug_is_hunted_on_the_store_that_has_it() -> None:
    assert [quarry.number for quarry in QUARRIES] == [bug.number for bug in ZOO] == list(range(1, 30))
    for bug, quarry in zip(ZOO, QUARRIES, strict=True):
        assert quarry.setting.flaws == bug.flaws
        # The symptom is one of a guarantee that the table names.
        for symptom in quarry.where.wanted:
            assert symptom.split()[0] in bug.guarantee


def test_what_the_fix_left_is_found_on_the_fixed_store() -> None:
    left = [bug.number for bug in ZOO if bug.left_by_fix]
    assert left == [11, 12, 13, 14, 15, 16, 17, 19, 21, 22, 23, 24, 25, 26, 27]


@pytest.mark.parametrize("number", [1, 2, 3, 4, 6, 7, 8, 9, 10, 18, 20, 28, 29])
def test_the_fixed_store_does_not_fail_where_a_switch_does(number: int) -> None:
    """The symptom is due to the switch: without it no schedule of the same program was seen to have it."""
    quarry = QUARRIES[number - 1]
    assert quarry.spared is not None
    body = client_body(OriginalStoreTarget(quarry.spared), parse(quarry.program))
    result = explore(body, "sleep-set-dfs", max_executions=250, timeouts=quarry.where.timeouts)
    assert result.failure is None and result.executions > 1


def test_the_zoo_as_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert table.main(["hunts", "--bugs", "26"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["number"], row["found"], row["left_by_fix"], row["program"]) == (26, True, True, "drop()")
    assert table.main(["--bugs", "12", "--seeds", "2", "--limit", "100"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["name"], row["program"]) == ("re-save loses the second", "save(x, 0) save(x, 0)")
    assert set(row["executions"]) == {"random", "pct", "pos", "optimal-dpor", "sleep-set-dfs"}
    assert all(taken is not None and taken >= 1 for taken in row["executions"].values())
    # The first schedule of the search passes.
    assert table.executions_to_failure(QUARRIES[9], "optimal-dpor", 0, 1) is None
