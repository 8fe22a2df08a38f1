"""Chance and the process number: the same in every execution.

Every virtual thread draws from a generator of its own, seeded by the thread's path: what a thread draws
depends on what it drew before and on nothing else, so equivalent schedules draw the same values, here and
in any other process. `random.seed` therefore seeds the calling thread only. The real generator is never
touched. The names that `tempfile` tries are in `files`.
"""

from __future__ import annotations

import os
import random
import uuid
from typing import Any

from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.paths import virtual_now
from schedule_explorer.runtime import Execution

#: what os.getpid() answers: above every number that a process can have, so that a signal sent to it is lost
PID = 2**22 + 1
#: what uuid.getnode() answers: marked, as RFC 4122 asks, as no hardware address
NODE = 0x01_00_00_00_00_01
#: 100 ns intervals between the beginning of the Gregorian calendar and 1970
_GREGORIAN = 0x01B2_1DD2_1381_4000

_originals: dict[str, Any] = {
    "seed": random.Random.seed,
    "urandom": os.urandom,
    "getrandom": getattr(os, "getrandom", None),
    "getpid": os.getpid,
    "uuid1": uuid.uuid1,
    "uuid4": uuid.uuid4,
    "getnode": uuid.getnode,
}


class _Chance:
    """What one thread draws from in one execution."""

    __slots__ = ("node", "random", "timestamp")

    def __init__(self, path: tuple[int, ...]) -> None:
        # A text is hashed in full, and its hash does not depend on the process.
        self.random = random.Random(f"schedule-explorer {path}")
        # uuid1 must not repeat itself in another thread at the same virtual time.
        self.node = self.random.getrandbits(48) | 1 << 40
        self.timestamp = 0


def _chance(execution: Execution) -> _Chance:
    """Return what the calling thread draws from."""
    thread = execution.current
    path: tuple[int, ...] = ()
    if thread is not None:
        thread.gets_on()
        path = thread.path
    drawn: dict[tuple[int, ...], _Chance] = execution.state.setdefault("chance", {})
    found = drawn.get(path)
    if found is None:
        found = drawn[path] = _Chance(path)
    return found


def _function(name: str) -> Any:
    """Stand for a function of `random`, which is a method of its one generator."""
    original = getattr(random, name)

    def draw(*arguments: Any, **options: Any) -> Any:
        execution = virtual()
        if execution is None:
            return original(*arguments, **options)
        return getattr(_chance(execution).random, name)(*arguments, **options)

    draw.__name__ = name
    return draw


def _seed(self: random.Random, a: Any = None, version: int = 2) -> None:
    """Seed a generator: without a seed, from what the thread draws."""
    execution = virtual()
    if a is None and execution is not None:
        a = _chance(execution).random.getrandbits(256)
    _originals["seed"](self, a, version)


def _urandom(size: Any, /) -> Any:
    execution = virtual()
    if execution is None or not hasattr(size, "__index__") or size.__index__() < 0:
        return _originals["urandom"](size)  # in a virtual thread it raises
    return _chance(execution).random.randbytes(size.__index__())


def _getrandom(size: Any, flags: int = 0) -> Any:
    return _originals["getrandom"](size, flags) if virtual() is None else _urandom(size)


def _getpid() -> int:
    return _originals["getpid"]() if virtual() is None else PID


def _getnode() -> int:
    return _originals["getnode"]() if virtual() is None else NODE


def _uuid1(node: int | None = None, clock_seq: int | None = None) -> uuid.UUID:
    """Follow the virtual clock. The real one counts on from the last of the process."""
    execution = virtual()
    if execution is None:
        return _originals["uuid1"](node, clock_seq)  # type: ignore[no-any-return]
    chance = _chance(execution)
    chance.timestamp = max(virtual_now(execution) // 100 + _GREGORIAN, chance.timestamp + 1)
    sequence = chance.random.getrandbits(14) if clock_seq is None else clock_seq
    return uuid.UUID(
        fields=(
            chance.timestamp & 0xFFFF_FFFF, chance.timestamp >> 32 & 0xFFFF, chance.timestamp >> 48 & 0xFFF,
            sequence >> 8 & 0x3F, sequence & 0xFF, chance.node if node is None else node,
        ),
        version=1,
    )


def _uuid4() -> uuid.UUID:
    execution = virtual()
    if execution is None:
        return _originals["uuid4"]()  # type: ignore[no-any-return]
    return uuid.UUID(bytes=_chance(execution).random.randbytes(16), version=4)


PATCHES: list[tuple[object, str, Any]] = [
    *(
        (random, name, _function(name))
        for name in random.__all__
        if getattr(getattr(random, name), "__self__", None) is random._inst
    ),
    (random.Random, "seed", _seed),
    (os, "urandom", _urandom),
    # SystemRandom and all of `secrets` draw from this.
    (random, "_urandom", _urandom),
    (os, "getpid", _getpid),
    (uuid, "getnode", _getnode),
    (uuid, "uuid1", _uuid1),
    (uuid, "uuid4", _uuid4),
]
if hasattr(os, "getrandom"):
    PATCHES.append((os, "getrandom", _getrandom))
