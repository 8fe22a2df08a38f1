"""Accesses as bit masks, so that two operations are compared in a few machine words.

The relation is that of `operations.dependent`; a test holds the two together.
"""

from __future__ import annotations

from schedule_explorer.operations import ADD, READ, WRITE, Accesses, Key

#: masks of the keys read, added to, written, and touched at all
Footprint = tuple[int, int, int, int]
NOTHING: Footprint = (0, 0, 0, 0)
#: conflicts with whatever touches anything
EVERYTHING: Footprint = (-1, -1, -1, -1)


class Footprints:
    """Turns accesses into masks; one bit a key, given out as keys appear in one exploration."""

    def __init__(self) -> None:
        self._bits: dict[Key, int] = {}
        self._known: dict[Accesses, Footprint] = {(): NOTHING}

    def __call__(self, accesses: Accesses) -> Footprint:
        """Return the masks of `accesses`."""
        found = self._known.get(accesses)
        if found is None:
            masks = [0, 0, 0]
            for key, mode in accesses:
                masks[mode] |= 1 << self._bits.setdefault(key, len(self._bits))
            found = (masks[READ], masks[ADD], masks[WRITE], masks[0] | masks[1] | masks[2])
            if len(self._known) > 100_000:
                self._known.clear()  # programs that name things without end must not eat the memory
            self._known[accesses] = found
        return found


def conflict(first: Footprint, second: Footprint) -> int:
    """Return a non-zero mask exactly when the two do not commute."""
    return (
        (first[2] & second[3]) | (second[2] & first[3]) | (first[0] & second[1]) | (first[1] & second[0])
    )
