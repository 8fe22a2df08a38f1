"""Mutants of the production store's protocol, as data: changes that break it, or that one would think do.

`mutation` applies them and verifies the result.
"""

from __future__ import annotations

from dataclasses import replace

from schedule_explorer.targets.boundary_store.mutant import Mutant, mutate
from schedule_explorer.targets.boundary_store.mutants_of_state import STATE
from schedule_explorer.targets.boundary_store.mutants_of_threads import CODEC, LAYOUT, STORE, WRITER
from schedule_explorer.targets.boundary_store.survivors import SURVIVORS

__all__ = ["MUTANTS", "Mutant", "mutate"]

MUTANTS: tuple[Mutant, ...] = tuple(
    replace(mutant, survives=why, test=test)
    for mutant in STATE + WRITER + STORE + LAYOUT + CODEC
    for why, test in [SURVIVORS.get(mutant.name, ("", ""))]
)
