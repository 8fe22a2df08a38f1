"""The switches of the original store: which part of the fix is missing, which flaw is put in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Flaws:
    """One switch a bug that the fixed design does not have anyway; the numbers are those of the zoo.

    With every switch off this is the store after its fix. The first group takes one part of the fix away,
    the second puts a flaw in that some version of the design had.
    """

    # -- a part of the fix is missing
    no_barrier: bool = False
    """1, 2: cleanups do not wait for the item that the writer has in hand."""
    failed_write_keeps_counter: bool = False
    """3: a write that fails for a cancelled request is not counted down."""
    zero_counter: bool = False
    """4: a cleanup that finds nothing pending makes a counter of zero, which cancels what comes next."""
    overwritten_counter: bool = False
    """5: a second cleanup sets the counter to its own number, it does not add it."""
    popped_on_timeout: bool = False
    """6: `cleanup_request` drops the counter also when it did not get the barrier."""
    early_return_keeps_counter: bool = False
    """7: an item whose pending entry was cleared is dropped without being counted down."""
    flag_before_cleanup: bool = False
    """8: `shutdown(cleanup=True)` sets the flag first; a cleanup that finds the flag set only warns."""
    blocking_sentinel: bool = False
    """9: `cleanup_all` puts a shutdown sentinel that it drained back with a put that blocks."""
    no_cleared_check: bool = False
    """10: the writer does not look, under the barrier, whether its item's pending entry was cleared."""
    full_queue_keeps_entry: bool = False
    """The other way into 16: a save that meets a full queue returns True and leaves a pending entry that no
    queue item belongs to."""

    # -- the flaw itself
    forgets_failed_write: bool = False
    """18: a write that fails takes the pending entry with it, so an accepted snapshot is gone."""
    inline_when_full: bool = False
    """20: a save that meets a full queue writes on the caller's thread, behind the barrier."""
    tidies_directories: bool = False
    """28: `cleanup_request` ends by removing every empty request directory, outside of the barrier."""
    load_raises: bool = False
    """29: `load` lets the error of a file that went away under it out to the caller."""


#: The fixed design; it still has the bugs of the zoo that its fix left.
AFTER_FIX = Flaws()

#: The design before its fix. It had no `shutdown(cleanup=True)`, so 8 is not part of it, and popped no
#: counter in `cleanup_request`, so 6 is not either.
BEFORE_FIX = Flaws(
    no_barrier=True,
    failed_write_keeps_counter=True,
    zero_counter=True,
    overwritten_counter=True,
    blocking_sentinel=True,
    no_cleared_check=True,
    full_queue_keeps_entry=True,
)
