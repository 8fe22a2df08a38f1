"""The production store under the oracles of `store_guarantees`, on a disk that may fail or hang."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from schedule_explorer.oracles.history import History, Recorded
from schedule_explorer.runtime import current_execution
from schedule_explorer.targets.boundary_store.target import BoundaryStoreTarget
from schedule_explorer.targets.store_guarantees import WRITER, System
from schedule_explorer.targets.store_target import StoreSetting, StoreTarget, value_of
from store import BoundarySnapshotStore, codec


class GuardedBoundaryStoreTarget(StoreTarget):
    """Explores `store.BoundarySnapshotStore` with the clients and the oracles of any store.

    Arguments:
        setting: what is explored; every method is allowed.
    """

    def __init__(self, setting: StoreSetting | None = None) -> None:
        super().__init__("boundary_store", setting or StoreSetting(), "store")
        self._plain = BoundaryStoreTarget(self.setting.ids, self.setting.keys)

    def needs_explorer(self) -> str:
        """The trace."""
        return "its oracles read the trace"

    def make_store(self, base: Path) -> BoundarySnapshotStore:
        """Make a store."""
        return BoundarySnapshotStore(base, max_pending_bytes=self.setting.max_pending_bytes)

    def request_directory(self, system: System, request_id: str) -> str:
        """Return the id as a name in the live directory: no request has a directory here."""
        return os.path.join(system.store._layout.session, "live", request_id)

    def look(self, system: System, recorded: Recorded, history: History) -> Any:
        """Look also at what is left when a cleanup has returned."""
        super().look(system, recorded, history)
        return None if system.store is None else self._plain.look(system.store, recorded, history)

    def check_order(self, order: Sequence[Recorded]) -> None:
        """Check also that no cleanup left a file."""
        super().check_order(order)
        self._plain.check_order(order)

    def scene_of(self, system: System) -> dict[str, Any]:
        """Look at the live directory, the tables, and whether the writer died."""
        execution = current_execution()
        assert execution is not None
        files: dict[str, int | None] = {}
        tables, died = "", None
        if system.store is not None:
            live = os.path.join(system.store._layout.session, "live")
            for name in sorted(os.listdir(live)) if os.path.isdir(live) else ():
                path = os.path.join(live, name)
                if not os.path.islink(path):
                    files[name] = value_of(codec.read(path))
            state = system.store._state
            kept = {
                "current": dict(state.current), "queue": dict(state.queue), "in hand": state.in_hand,
                "leaving": dict(state.leaving), "pending bytes": state.pending_bytes,
            }  # fmt: skip
            tables = ", ".join(f"{name} {what}" for name, what in kept.items() if what)
            if state.death is not None:
                tids = [thread.tid for thread in execution.threads if thread.name == WRITER]
                died = max(event.index for event in execution.trace.events if event.tid in tids)
        return {
            "files": files, "directories": frozenset(), "published": frozenset(), "tables": tables,
            "died_at": died,
        }  # fmt: skip

    def at_quiescence(self, system: System, history: History) -> None:
        """Disk and tables agree, where nothing failed and nobody put a link among the files."""
        if system.store is not None and not self.setting.faults and "plant" not in self.setting.methods:
            self._plain.at_quiescence(system.store, history)
