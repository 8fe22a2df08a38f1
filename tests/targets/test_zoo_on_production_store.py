"""The smallest program of every bug of the zoo, on the production store: every schedule, every oracle."""

from __future__ import annotations

import os

import pytest

from schedule_explorer import Verdict, explore
from schedule_explorer.programs import client_body, parse
from schedule_explorer.targets.original_store import ZOO
from schedule_explorer.targets.original_store.on_production import on_production
from schedule_explorer.targets.original_store.quarries import QUARRIES, Quarry

pytestmark = pytest.mark.usefixtures("interposed_once")

#: those with thousands of schedules: a part of them, unless PROVE_ZOO is set
LARGE = {5, 16, 17, 21}
FULL = bool(os.environ.get("PROVE_ZOO"))


@pytest.mark.timeout(0 if FULL else 300)
@pytest.mark.parametrize(
    "quarry", QUARRIES, ids=[f"{bug.number} {bug.name}".replace(" ", "_") for bug in ZOO]
)
def test_is_proved(quarry: Quarry) -> None:
    limit = None if FULL or quarry.number not in LARGE else 300
    result = explore(client_body(on_production(quarry), parse(quarry.program)), max_executions=limit)
    result.raise_for_failure()
    if limit is None:
        assert result.verdict is Verdict.PROVED, result.reason
    else:
        assert result.reason == f"stopped after {limit} executions"
