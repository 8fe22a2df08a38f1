"""The production store as a target: its calls, its sequential specification, and what may be on disk."""

from schedule_explorer.targets.boundary_store.target import BoundaryStoreTarget
from schedule_explorer.targets.store_specification import StoreSpecification

__all__ = ["BoundaryStoreTarget", "StoreSpecification", "target"]


def target(
    ids: tuple[str, ...] = ("x", "y"), keys: tuple[int, ...] = (0, 1), *,
    max_pending_bytes: int | None = None, arrays: bool = False,
) -> BoundaryStoreTarget:  # fmt: skip
    """Return the target, which see for its options; the entry point ``boundary_store``."""
    return BoundaryStoreTarget(ids, keys, max_pending_bytes=max_pending_bytes, arrays=arrays)
