"""What the store answers: the outcome of a cleanup, and the numbers of the store."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CleanupOutcome:
    """What a cleanup did. True when nothing of what it covers is left on disk."""

    forgotten: int = 0
    """Snapshots that could be loaded before and cannot be now."""
    deferred: bool = False
    """The writer was stuck with a snapshot of this cleanup: it is out of the live tree, and the writer
    removes it as soon as its operation returns."""
    errors: tuple[str, ...] = ()
    """Files that the operating system did not let go. They are tried again by every later cleanup that covers
    them."""

    @property
    def complete(self) -> bool:
        """Say whether nothing is left to do."""
        return not self.deferred and not self.errors

    def __bool__(self) -> bool:
        return self.complete


@dataclass(frozen=True)
class StoreStats:
    """Numbers of one store, read at one instant."""

    pending_bytes: int = 0
    """Bytes of arrays that the store keeps alive: queued, in hand, failed, or cancelled while being read."""
    peak_pending_bytes: int = 0
    pending: int = 0
    """Snapshots that are served from memory: queued, in hand or failed."""
    on_disk: int = 0
    """Snapshots that are served from their files."""
    written: int = 0
    discarded: int = 0
    """Snapshots that were cleaned up or replaced before they were on disk."""
    refused: int = 0
    failed_writes: int = 0
    deferred_cleanups: int = 0
    last_error: str | None = None
    """Why the last write or removal failed, or why the writer died."""
