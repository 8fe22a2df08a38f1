"""One accepted save, and the phases of its life; `state` has every change of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Protocol


class Payload(Protocol):
    """What a generation keeps alive until it is on disk."""

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        ...


class Phase:
    """Where a generation is in its life. No `Enum`: to look a member up may take memory (Python 3.11)."""

    SAVING: Final = "saving"
    QUEUED: Final = "queued"
    IN_HAND: Final = "in hand"
    ON_DISK: Final = "on disk"
    FAILED: Final = "failed"
    CANCELLED: Final = "cancelled"
    LEAVING: Final = "leaving"
    RELEASED: Final = "released"


@dataclass(eq=False, slots=True)
class Generation:
    """One save. A later save of the same key, or of the same id after a cleanup, is another one.

    That is what makes cancelling exact: a cleanup marks the generations it found, and nothing it does can
    reach one that was made later.
    """

    request_id: str = ""
    token_count: int = -1
    payload: Any = None
    """The arrays; None before the save is accepted, and as soon as nobody may need them."""
    nbytes: int = 0
    sequence: int = -1
    phase: str = Phase.SAVING
    place: Any = None
    """The names on disk that belong to this generation and to no other; set when the writer takes it."""
    stolen: bool = False
    """Something of it may be in a staging directory that the writer will not use again: a cleanup gave up
    waiting for the writer, or a part could not be removed."""
    replaces: Generation | None = None
    """The older file of the same key, kept until this one is on disk."""


@dataclass
class Forgotten:
    """What one cleanup has to deal with, out of the lock."""

    count: int = 0
    files: list[Generation] = field(default_factory=list)
    """Generations whose files are to be removed by the caller; an earlier cleanup may be at it too."""
    in_hand: Generation | None = None
    """The one that the writer is busy with, when the cleanup covers it."""
