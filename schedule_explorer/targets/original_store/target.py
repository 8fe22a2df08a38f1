"""The original store, with the switches that are set, as something to explore."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schedule_explorer.runtime import current_execution
from schedule_explorer.targets.original_store import snapshots
from schedule_explorer.targets.original_store.flaws import AFTER_FIX, Flaws
from schedule_explorer.targets.original_store.store import OriginalStore
from schedule_explorer.targets.store_guarantees import System
from schedule_explorer.targets.store_target import StoreSetting, StoreTarget, died_at, value_of

_PUBLISHED = re.compile(r".*/_boundary_snapshots/(.+)/(\d+)\.tmp -> \2\.safetensors")


@dataclass(frozen=True)
class OriginalSetting(StoreSetting):
    """What is explored on an original store.

    Arguments:
        flaws: its switches.
        queue_size: items that wait for the writer.
    """

    flaws: Flaws = AFTER_FIX
    queue_size: int = OriginalStore.QUEUE_SIZE


class OriginalStoreTarget(StoreTarget):
    """Explores `OriginalStore`.

    Arguments:
        setting: what is explored, and which store it is; the one after its fix unless given.
    """

    setting: OriginalSetting

    def __init__(self, setting: OriginalSetting | None = None) -> None:
        super().__init__("original_store", setting or OriginalSetting(), OriginalStore.__module__)

    def make_store(self, base: Path) -> OriginalStore:
        """Make a store."""
        return OriginalStore(
            base, flaws=self.setting.flaws, queue_size=self.setting.queue_size,
            max_pending_bytes=self.setting.max_pending_bytes,
        )  # fmt: skip

    def request_directory(self, system: System, request_id: str) -> str:
        """Return the directory of a request."""
        return os.path.join(system.base, "_boundary_snapshots", request_id)

    def scene_of(self, system: System) -> dict[str, Any]:
        """Look at the directory, the tables and, in a trace, what was renamed."""
        execution = current_execution()
        events = () if execution is None else execution.trace.events
        root = system.base / "_boundary_snapshots"
        files = {str(path.relative_to(root)): _value(path) for path in sorted(root.rglob("*.safetensors"))}
        directories = {name for name in self.setting.ids if (root / name).is_dir()}
        renamed = (
            _PUBLISHED.fullmatch(str(event.target)) for event in events
            if event.kind == "rename" and not event.note
        )  # fmt: skip
        return {
            "files": files,
            "directories": frozenset() if self.setting.hostile else frozenset(directories),
            "published": frozenset((found[1], int(found[2])) for found in renamed if found),
            "tables": "" if system.store is None else _tables(system.store),
            "died_at": None if execution is None else died_at(execution.trace),
        }

    # -- on real threads ---------------------------------------------------------------------------

    def idle(self, system: System) -> bool:
        """Say whether every writer waits at an empty queue, or has ended."""
        return all(_is_idle(store) for store in (system.store, *system.siblings))

    def close(self, system: System) -> None:
        """Shut every store down."""
        for store in (system.store, *system.siblings):
            store.shutdown()


def _is_idle(store: OriginalStore) -> bool:
    """A `put` takes the writer off the list of those who wait, with the lock of the queue in its hands."""
    with store._queue.mutex:
        waiting: Any = store._queue.not_empty
        if waiting._waiters:
            return True
    return not store._writer.is_alive()


def _value(path: Path) -> int | None:
    try:
        return value_of(snapshots.read(path))
    except (OSError, ValueError, KeyError):
        return None


def _tables(store: OriginalStore) -> str:
    kept = {
        "pending": list(store._pending_writes), "registered": dict(store._file_registry),
        "cancelled": dict(store._cancelled_requests),
        "queued": [item.key for item in store._queue.queue if item is not None],
    }  # fmt: skip
    return ", ".join(f"{name} {what}" for name, what in kept.items() if what)
