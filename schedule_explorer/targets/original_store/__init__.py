"""The store design that had the race: its code, and the client program that shows it."""

from schedule_explorer.targets.original_store.program import orphan_program
from schedule_explorer.targets.original_store.store import BoundarySnapshotSSDStore, OriginalStore

__all__ = ["BoundarySnapshotSSDStore", "OriginalStore", "orphan_program"]
