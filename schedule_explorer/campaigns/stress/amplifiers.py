"""What makes a race on real threads more likely; none of it decides which thread runs.

Each amplifier has a name, is a context manager, and goes with all the others. Two of them change the object
under test, so the target must know how: they are options that it is made with.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Any

from schedule_explorer.campaigns.stress.hogs import hogs
from schedule_explorer.campaigns.stress.pauses import Pauses

#: seconds between two requests to let another thread run; CPython's own is 0.005
SWITCH_SECONDS = 1e-6
#: options of the target, by the amplifier
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "full-queue": {"queue_size": 1},
    "small-memory": {"max_pending_bytes": 2},
}


@contextmanager
def _switch(random: Random, directory: Path) -> Iterator[None]:
    """Threads take turns after a microsecond."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def _yields(random: Random, directory: Path) -> AbstractContextManager[None]:
    """Every second call on a lock or a file lets others run, and a few sleep up to 200 µs."""

    def pause(client: bool) -> float | None:
        drawn = random.random()
        return None if drawn >= 0.5 else 0.0 if drawn >= 0.05 else random.random() * 2e-4

    return Pauses(pause, locks=True)


def _slow_writer(random: Random, directory: Path) -> AbstractContextManager[None]:
    """Every call on a file of a thread that is no client takes up to 1 ms longer."""
    return Pauses(lambda client: None if client else random.random() * 1e-3, locks=False)


@contextmanager
def _gc(random: Random, directory: Path) -> Iterator[None]:
    """Garbage is collected at every allocation, all generations; what was there before is spared."""
    usual = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(1, 1, 1)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


def _hogs(random: Random, directory: Path) -> AbstractContextManager[None]:
    """A process for each core computes, and one writes and removes files beside those of the runs."""
    return hogs(os.cpu_count() or 1, directory)


_MANAGERS: Mapping[str, Callable[[Random, Path], AbstractContextManager[None]]] = {
    "switch": _switch, "yields": _yields, "hogs": _hogs, "gc": _gc, "slow-writer": _slow_writer,
}  # fmt: skip
#: every amplifier by its name
AMPLIFIERS: tuple[str, ...] = (*_MANAGERS, *OPTIONS)


def named(line: str) -> tuple[str, ...]:
    """Read names with commas between them; see `check`."""
    return check([name.strip() for name in line.split(",") if name.strip()])


def check(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names, each once.

    Raises:
        ValueError: there is no such amplifier.
    """
    if unknown := [name for name in names if name not in AMPLIFIERS]:
        raise ValueError(f"there is no amplifier {unknown[0]!r}: take some of {', '.join(AMPLIFIERS)}")
    return tuple(dict.fromkeys(names))


def options(names: Sequence[str]) -> dict[str, Any]:
    """Return what the target is to be made with under these amplifiers."""
    return {option: value for name in names for option, value in OPTIONS.get(name, {}).items()}


@contextmanager
def amplified(names: Sequence[str], random: Random, directory: Path) -> Iterator[None]:
    """Run what is inside under the amplifiers, on this thread's process.

    Arguments:
        names: see `AMPLIFIERS`; those that are options of the target do nothing here.
        random: draws the pauses.
        directory: where the runs have their files.

    Raises:
        ValueError: there is no such amplifier.
    """
    with ExitStack() as stack:
        for name in check(names):
            if name in _MANAGERS:
                stack.enter_context(_MANAGERS[name](random, directory))
        yield
