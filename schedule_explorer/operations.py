"""The alphabet: what an operation is, what it touches, and when two of them commute.

An *operation* is one visible step of a virtual thread. It says what it is (``kind``, ``target``),
when it may run (``ready``), what it does (``perform``), and, once performed, which *accesses* it
made: pairs of a key and a mode. Two operations commute exactly when no key that they share is
accessed in conflicting modes:

=========  ======  ======  ======
           READ    ADD     WRITE
=========  ======  ======  ======
READ       yes     no      no
ADD        no      yes     no
WRITE      no      no      no
=========  ======  ======  ======

``ADD`` is for commuting updates: two files created in one directory commute with each other, but
not with a listing of that directory. Accesses are those of the operation as it was *executed* (a
``mkdir`` that failed with ``EEXIST`` only read its entry), which is what conditional independence
allows (Katz and Peled, 1992). Keys must be the same in equivalent executions: they are built from
the creating thread and its own count of creations, never from an address or a global counter.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

READ = 0
ADD = 1
WRITE = 2

Key = Hashable
Access = tuple[Key, int]
Accesses = tuple[Access, ...]
#: what lets a blocking operation through: the key of a resource, and what of it must hold
Gate = tuple[Key, str]

#: Written by an expiry that happened because nothing else could move (see `Operation.timeout`).
QUIESCENCE: Key = ("quiescence",)


class Operation:
    """One visible step that a virtual thread announces before it is performed.

    Arguments:
        kind: what it is, e.g. ``"lock.acquire"`` or ``"mkdir"``.
        target: what it is done to, for people; never decides anything.
        perform: does it for real; called once, with the operation, when a strategy has picked it.
            It sets `accesses` and returns what the interposed call returns (or raises).
        ready: says whether it can be performed now; None when it always can.
        accesses: what it touches, where that is known beforehand; a blocking operation says what it will
            touch once it runs, so that a thread blocked for ever takes part in races.
        timeout: seconds of virtual time after which a wait that is not ready may expire; None when
            it waits for ever. `expired` tells `perform` which of the two happened.
        owner: returns the virtual thread that holds what a blocked operation waits for.
        gate: what must be open for a blocking operation to run, as (key of the resource, name). It races
            with an operation on that key only if the gate was open before that one: acquire against
            acquire, never release against acquire.
        steady: it touches the same keys whatever its outcome; only the modes vary.
        opened: the gates of what it touches that were open before it ran; `perform` may set it.
    """

    __slots__ = (
        "accesses",
        "bound",
        "effective",
        "expired",
        "gate",
        "kind",
        "note",
        "opened",
        "order",
        "owner",
        "parked",
        "perform",
        "ready",
        "steady",
        "target",
        "timeout",
    )

    def __init__(
        self,
        kind: str,
        target: object,
        perform: Callable[[Operation], Any],
        ready: Callable[[], bool] | None = None,
        accesses: Accesses = (),
        timeout: float | None = None,
        owner: Callable[[], object] | None = None,
        gate: Gate | None = None,
        opened: tuple[Gate, ...] = (),
        steady: bool = True,
    ) -> None:
        self.kind = kind
        self.target = target
        self.perform = perform
        self.ready = ready
        self.accesses = accesses
        self.timeout = timeout
        self.expired = False
        #: whatever comes of it, its thread has an effect before its program goes on: it only polls nowhere
        self.effective = False
        self.gate = gate
        self.steady = steady
        #: declared and without a time limit: it touches just this, in whatever order it runs
        self.bound: Accesses | None = accesses if accesses and timeout is None else None
        self.opened = opened
        #: indices of events known to come before it, such as the notify that woke its thread
        self.order: tuple[int, ...] = ()
        #: keys whose change lets a polling loop move again, with the event index they were read at
        self.parked: dict[Key, int] | None = None
        #: for people: the outcome, e.g. "FileNotFoundError"
        self.note = ""
        self.owner = owner

    def __str__(self) -> str:
        target = str(self.target)
        return f"{self.kind} {target}" if target else self.kind


def dependent(first: Iterable[Access], second: Iterable[Access]) -> bool:
    """Say whether two sets of accesses conflict, so that the order of their operations matters.

    Two ADDs commute, two READs commute; everything else on a shared key conflicts.
    """
    for key, mode in first:
        for other_key, other_mode in second:
            if key == other_key and (mode != other_mode or mode == WRITE):
                return True
    return False


def merge(first: Accesses, second: Accesses) -> Accesses:
    """Unite two sets of accesses; the stronger mode of a shared key stays (READ with ADD: WRITE)."""
    if not first:
        return second
    united: dict[object, int] = dict(first)
    for key, mode in second:
        old = united.get(key)
        united[key] = mode if old is None or old == mode else WRITE
    return tuple(united.items())
