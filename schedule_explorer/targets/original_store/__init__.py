"""The store design that had the race: its code, its bugs, and the client program that shows the first."""

from schedule_explorer.targets.original_store.flaws import AFTER_FIX, BEFORE_FIX, Flaws
from schedule_explorer.targets.original_store.program import orphan_program
from schedule_explorer.targets.original_store.store import BoundarySnapshotSSDStore, OriginalStore
from schedule_explorer.targets.original_store.target import OriginalSetting, OriginalStoreTarget
from schedule_explorer.targets.original_store.zoo import ZOO, Bug

__all__ = [
    "AFTER_FIX",
    "BEFORE_FIX",
    "ZOO",
    "BoundarySnapshotSSDStore",
    "Bug",
    "Flaws",
    "OriginalSetting",
    "OriginalStore",
    "OriginalStoreTarget",
    "orphan_program",
    "target",
]


def target() -> OriginalStoreTarget:
    """Return the store after its fix as a target; the entry point ``original_store``."""
    return OriginalStoreTarget()
