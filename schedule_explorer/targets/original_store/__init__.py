"""The store design that had the race: its code, its bugs, and the client program that shows the first."""

from __future__ import annotations

from dataclasses import replace

from schedule_explorer.targets.original_store.flaws import AFTER_FIX, BEFORE_FIX, Flaws
from schedule_explorer.targets.original_store.program import orphan_program
from schedule_explorer.targets.original_store.quarries import quarry
from schedule_explorer.targets.original_store.store import BoundarySnapshotSSDStore, OriginalStore
from schedule_explorer.targets.original_store.target import OriginalSetting, OriginalStoreTarget
from schedule_explorer.targets.original_store.zoo import ZOO, Bug

#: the race that the fix removed is watched for, with the calls that show it
_RACE = OriginalSetting(
    methods=("save", "cleanup_all", "shutdown"), ids=("x",), watch=frozenset({"G1 orphan file"})
)

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
    "after_fix",
    "before_fix",
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


def before_fix(
    *, queue_size: int | None = None, max_pending_bytes: int | None = None, arrays: bool = False
) -> OriginalStoreTarget:
    """Return the store before its fix, watched for its race; the entry point ``original_store_before_fix``.

    Arguments:
        queue_size: items that wait for the writer, if another number than usual.
        max_pending_bytes: the byte budget, if there is to be one.
        arrays: snapshots are MLX arrays, not bytes.
    """
    return _raced(BEFORE_FIX, queue_size, max_pending_bytes, arrays)


def after_fix(
    *, queue_size: int | None = None, max_pending_bytes: int | None = None, arrays: bool = False
) -> OriginalStoreTarget:
    """Return the store after its fix, watched for the same; the entry point ``original_store_after_fix``.

    A program that saves a key again after a cleanup shows the symptom by another bug, which the fix left.

    Arguments:
        queue_size, max_pending_bytes, arrays: as for `before_fix`.
    """
    return _raced(AFTER_FIX, queue_size, max_pending_bytes, arrays)


def _raced(
    flaws: Flaws, queue_size: int | None, max_pending_bytes: int | None, arrays: bool
) -> OriginalStoreTarget:
    setting = replace(_RACE, flaws=flaws, max_pending_bytes=max_pending_bytes, arrays=arrays)
    return OriginalStoreTarget(setting if queue_size is None else replace(setting, queue_size=queue_size))
