"""save / save / cleanup_all: the smallest program in which a file can survive its own cleanup."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from schedule_explorer.errors import OrphanFileError
from schedule_explorer.interposition.filesystem import fresh_dir
from schedule_explorer.targets.original_store.store import OriginalStore


def _states(snapshot: list[Any]) -> tuple[list[dict[str, Any]], None]:
    return [{"state": tuple(snapshot), "meta_state": "", "class_name": "KVCache", "cache_type": "kv"}], None


def orphan_program(*, barrier: bool, saves: int = 2) -> Callable[[], None]:
    """Return the body: saves, cleanup_all, shutdown; then no snapshot may be left on disk.

    Arguments:
        barrier: False for the design before the fix, True for the one after it.
        saves: snapshots saved before the cleanup.
    """

    def body() -> None:
        root = fresh_dir()
        store = OriginalStore.after_fix(root) if barrier else OriginalStore.before_fix(root)
        for count in range(saves):
            store.save("request", count, [b"data"], _states)
        store.cleanup_all()
        store.shutdown()
        left = sorted(str(path.relative_to(root)) for path in root.rglob("*.safetensors"))
        if left:
            raise OrphanFileError(f"left after cleanup_all(): {', '.join(left)}")

    return body
