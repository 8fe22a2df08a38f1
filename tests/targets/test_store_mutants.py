"""Mutants of the production store: the data are right, and some are caught; `make mutate` runs them all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import store
from schedule_explorer.targets.boundary_store.mutants import MUTANTS, Mutant, mutate
from schedule_explorer.targets.boundary_store.mutation import Row, table, unexpected, verify_mutant
from schedule_explorer.targets.boundary_store.survivors import SURVIVORS

STORE = Path(store.__file__).parent
TESTS = Path(__file__).parents[1] / "store"
BY_NAME = {mutant.name: mutant for mutant in MUTANTS}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "_"))
def test_applies_once_and_compiles(mutant: Mutant) -> None:
    source = (STORE / mutant.file).read_text()
    changed = mutate(source, mutant)
    compile(changed, mutant.file, "exec")
    assert changed != source
    if mutant.test:
        file, _, name = mutant.test.partition("::")
        assert mutant.survives and f"def {name}(" in (TESTS / file).read_text()


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(MUTANTS) >= 40
    assert sum(bool(mutant.survives) for mutant in MUTANTS) == len(SURVIVORS)


@pytest.mark.parametrize("old", ["return", "nothing like it"])
def test_a_text_that_is_not_there_once_is_an_error(old: str) -> None:
    mutant = replace(MUTANTS[0], old=old)
    with pytest.raises(ValueError, match=mutant.name):
        mutate((STORE / mutant.file).read_text(), mutant)


@pytest.mark.parametrize(
    "name",
    [
        "accept: no table entry", "wrote: the payload is kept", "wake: no signal", "save: without the lock",
        "steal: the directory alone",
    ],
)  # fmt: skip
def test_is_caught(name: str) -> None:
    row = verify_mutant(BY_NAME[name], 40)
    assert row.caught and row.program and row.oracle and row.executions
    assert unexpected([BY_NAME[name]], [row]) == []
    assert name in table([BY_NAME[name]], [row])


def test_the_store_as_it_is_is_not_caught() -> None:
    row = verify_mutant(None, 4)
    assert not row.caught, row
    assert row.programs > 5


def test_what_is_not_as_the_data_say_is_told() -> None:
    harmless, harmful = replace(MUTANTS[0], survives="it changes nothing"), MUTANTS[1]
    rows = [Row(harmless.name, True), Row(harmful.name, False)]
    assert len(unexpected([harmless, harmful], rows)) == 2
