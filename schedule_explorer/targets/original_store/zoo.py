"""The bugs of the original store: which guarantee each breaks, and the store that has it.

A bug whose `flaws` are all off is one that the fix left: the fixed design has it as it is. Every other bug
is the fixed design with one switch, or with the one more that makes its symptom reach the caller.
"""

from __future__ import annotations

from dataclasses import dataclass

from .flaws import AFTER_FIX, Flaws


@dataclass(frozen=True)
class Bug:
    """One bug of the zoo."""

    number: int
    """What the comments of the store refer to."""
    name: str
    guarantee: str
    """The guarantees that it breaks (``"G3, G5"``), or ``"deadlock"``."""
    flaws: Flaws
    """The store that has it: ``OriginalStore(directory, flaws=bug.flaws)``."""
    reason: str
    """How it comes about, in one line."""
    needs_fault: str = ""
    """What a file operation must do for it to show; empty when nothing need fail."""
    needs_expiry: bool = False
    """Whether a cleanup must wait for the writer in vain."""

    @property
    def left_by_fix(self) -> bool:
        """Say whether the fixed design has the bug without any switch."""
        return self.flaws == AFTER_FIX


ZOO: tuple[Bug, ...] = (
    Bug(
        1, "in-hand orphan", "G1", Flaws(no_barrier=True),
        "cleanup_all empties the queue and the directory while the writer is about to write an item it took",
    ),
    Bug(
        2, "in-hand orphan, one request", "G1", Flaws(no_barrier=True),
        "the writer makes directory and file anew; the counter has it remove the file, but after the cleanup "
        "returned, and an empty directory can stay",
    ),
    Bug(
        3, "rename ENOENT pins the id", "G5", Flaws(failed_write_keeps_counter=True),
        "the cleanup's rmtree makes the rename fail, and a failed write does not count down",
        needs_expiry=True,
    ),
    Bug(
        4, "zero counter", "G5", Flaws(zero_counter=True),
        "a counter of zero cancels too: the writer asks whether there is one, not how much is left",
        needs_expiry=True,
    ),
    Bug(
        5, "overwritten counter", "G5", Flaws(overwritten_counter=True),
        "the counter ends before its items do: one of them is written in the name of a later save of its key "
        "and that save is dropped",
        needs_expiry=True,
    ),
    Bug(
        6, "popped on timeout", "G1", Flaws(popped_on_timeout=True),
        "nothing tells the writer, whom the cleanup did not wait for, to remove the file it renames",
        needs_expiry=True,
    ),
    Bug(
        7, "early return without countdown", "G5", Flaws(early_return_keeps_counter=True),
        "the items that a cleanup cleared are dropped and its counter stays",
        needs_expiry=True,
    ),
    Bug(
        8, "flag before cleanup", "G10", Flaws(flag_before_cleanup=True),
        "the cleanup finds the store shut down and only warns: files and queued items are left behind",
    ),
    Bug(
        9, "sentinel on a full queue", "deadlock", Flaws(blocking_sentinel=True),
        "a save takes the sentinel's place while cleanup_all holds it, and no writer is left to make room",
    ),
    Bug(
        10, "get then barrier", "G1", Flaws(no_cleared_check=True),
        "a cleanup fits between the queue get and the barrier, and nothing tells the writer afterwards",
    ),
    Bug(
        11, "ABA", "G5", AFTER_FIX,
        "an item takes the entry of a later save of its key for its own: the forgotten bytes are written",
    ),
    Bug(
        12, "re-save loses the second", "G4", AFTER_FIX,
        "the first write ends by removing the key's pending entry, which is the second save's",
    ),
    Bug(
        13, "timeout then re-save", "G5", AFTER_FIX,
        "the branch for a cancelled item removes the key's pending entry, made by a save after the cleanup",
        needs_expiry=True,
    ),
    Bug(
        14, "half-published save", "G3", AFTER_FIX,
        "pending entry and registry entry are made in two critical sections, and a cleanup fits in between",
    ),
    Bug(
        15, "stat under the lock", "G7", AFTER_FIX,
        "the writer looks for the final file while it holds the lock that save, has and load need",
        needs_fault="a stat that hangs",
    ),
    Bug(
        16, "failed-write ghost", "G3, G5", AFTER_FIX,
        "a failed write leaves a pending entry without a queue item: the count that a cleanup makes stays",
        needs_fault="ENOSPC while writing", needs_expiry=True,
    ),
    Bug(
        17, "pinned counter", "G5", AFTER_FIX,
        "cleanup_all that waited in vain keeps the counters, also of the items that it drained",
        needs_expiry=True,
    ),
    Bug(
        18, "accepted then lost", "G3", Flaws(forgets_failed_write=True),
        "a failed write takes the pending entry with it and says so in a debug line only",
        needs_fault="ENOSPC while writing",
    ),
    Bug(
        19, "failed re-save unlinks the good file", "G4", AFTER_FIX,
        "the except branch unlinks the final path, also when it was not this item that was renamed to it",
        needs_fault="ENOSPC while writing",
    ),
    Bug(
        20, "inline save waits for the writer", "G7", Flaws(inline_when_full=True),
        "a save that meets a full queue waits for the barrier without a bound, then writes itself",
    ),
    Bug(
        21, "budget bypass", "G8", AFTER_FIX,
        "the budget counts pending entries; a cancelled item keeps its bytes in the queue for free",
    ),
    Bug(
        22, "silent writer death", "G13", AFTER_FIX,
        "an error of the stat in the writer's finally ends the thread, and saves go on returning True",
        needs_fault="EIO from stat",
    ),
    Bug(
        23, "sibling sweep", "G11", AFTER_FIX,
        "a store removes what it finds at its start, and at cleanup_all, whoever it belongs to",
    ),
    Bug(
        24, "id as path", "G12", AFTER_FIX,
        "a request id is joined to the directory as it is, and a link that stands there is followed",
    ),
    Bug(
        25, "save after shutdown", "G10, G8", AFTER_FIX,
        "save does not look at the flag: it returns True for items that no writer will take",
    ),
    Bug(
        26, "dropped without shutdown", "G10", AFTER_FIX,
        "the writer's target is a bound method, so the thread keeps the store, and itself, alive",
    ),
    Bug(
        27, "payload pinned by a local", "G8", AFTER_FIX,
        "between two items the writer's frame still holds the last one",
    ),
    Bug(
        28, "staging rmdir", "G3", Flaws(tidies_directories=True, forgets_failed_write=True),
        "an rmdir that tidies up falls between the writer's mkdir and its open, and the write fails",
    ),
    Bug(
        29, "rmtree under a reader", "G9", Flaws(load_raises=True),
        "load meets a cleanup between its look for the file and its open",
    ),
)  # fmt: skip
"""Every bug, by number from 1."""
