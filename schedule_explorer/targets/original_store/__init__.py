"""The store design that had the race: its code, its bugs, and the client program that shows the first."""

from schedule_explorer.targets.original_store.flaws import AFTER_FIX, BEFORE_FIX, Flaws
from schedule_explorer.targets.original_store.program import orphan_program
from schedule_explorer.targets.original_store.quarries import quarry
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


def target(bug: str | None = None) -> OriginalStoreTarget:
    """Return the store as a target; the entry point ``original_store``.

    Arguments:
        bug: the number or the name of a bug of the zoo: the store that has it, with the calls, the disk and
            the oracle that it is hunted with. None: the store after its fix.

    Raises:
        ValueError: there is no such bug.
    """
    return OriginalStoreTarget() if bug is None else quarry(bug).target()
