"""Mutants of the production store's protocol, as data: changes that break it, or that one would think do.

`mutation` applies them and verifies the result.
"""

from __future__ import annotations

from schedule_explorer.targets.boundary_store.mutant import Mutant, mutate
from schedule_explorer.targets.boundary_store.mutants_of_state import STATE
from schedule_explorer.targets.boundary_store.mutants_of_threads import CODEC, LAYOUT, STORE, WRITER

__all__ = ["MUTANTS", "Mutant", "mutate"]

MUTANTS: tuple[Mutant, ...] = STATE + WRITER + STORE + LAYOUT + CODEC
