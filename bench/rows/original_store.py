"""One execution of the original store under the explorer, against the same body on real threads."""

from __future__ import annotations

import logging
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bench.measure import NotMeasuredError, Options, Table, interleaved, milliseconds, progress, ratio
from schedule_explorer import explore, replay
from schedule_explorer.errors import OrphanFileError
from schedule_explorer.interposition.filesystem import fast_directory, remove_tree
from schedule_explorer.targets.original_store import OriginalStore, orphan_program, program, snapshots

_PLAIN = "real threads"
_WRITTEN = "real threads, all written first"


@contextmanager
def _directories(made: list[str]) -> Iterator[None]:
    """Let a body have its fresh directory without an exploration, on the same file system."""
    root = f"{fast_directory()}/schedule-explorer-bench-{os.getpid()}"

    def plain_dir() -> Path:
        path = f"{root}-{len(made)}"
        os.mkdir(path, 0o700)
        made.append(path)
        return Path(path)

    with patch.object(program, "fresh_dir", plain_dir):
        yield


def _plain(body: Callable[[], None], count: int) -> float:
    """Return the seconds of one execution on real threads, with the removal of its directory."""
    made: list[str] = []
    with _directories(made):
        started = time.perf_counter()
        for _ in range(count):
            try:
                body()
            except OrphanFileError:
                pass  # The race may be met on real threads too; its time counts like any other.
            remove_tree(made[-1])
        return (time.perf_counter() - started) / count


def _plain_written(body: Callable[[], None], count: int) -> float:
    """As `_plain`, but the cleanup waits until the writer has written everything."""
    cleanup_all = OriginalStore.cleanup_all

    def waiting(store: OriginalStore) -> None:
        while store._pending_writes:
            time.sleep(0)
        cleanup_all(store)

    with patch.object(OriginalStore, "cleanup_all", waiting):
        return _plain(body, count)


def _explored(body: Callable[[], None], strategy: str, count: int) -> float:
    """Return the seconds of one execution under a strategy; those that were cut off count as executions."""
    result = explore(body, strategy, max_executions=count, stop_at_first_failure=False, simplify=0)
    return result.seconds / (result.executions + result.blocked)


def _replayed(body: Callable[[], None], token: str, count: int) -> float:
    """Return the seconds of one call of `replay`, which notes source lines."""
    started = time.perf_counter()
    for _ in range(count):
        replay(body, token)
    return (time.perf_counter() - started) / count


def _written(executions: Callable[[int], object], count: int) -> str:
    """Say how many snapshots are written in one execution; nothing is timed here."""
    written = 0
    write = snapshots.write

    def counting(*arguments: Any) -> None:
        nonlocal written
        written += 1
        write(*arguments)

    with patch.object(snapshots, "write", counting):
        executions(count)
    return f"{written / count:.2f}"


def run(options: Options) -> list[Table]:
    """Return the table of the design before the fix and that of the one after it."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        return [_design(barrier, options) for barrier in (False, True)]
    finally:
        logging.disable(level)


def _design(barrier: bool, options: Options) -> Table:
    when = "after" if barrier else "before"
    body = orphan_program(barrier=barrier)
    count = 40 if options.quick else 300
    progress(f"the store {when} its fix: {options.repetitions} times {count} executions of each kind")
    found = explore(body, "random", max_executions=5000, simplify=0)
    if found.failure is None:
        raise NotMeasuredError(f"the race {when} the fix was not found: {found.reason}")
    token = found.failure.schedule
    kinds: dict[str, Callable[[int], float]] = {
        _PLAIN: lambda n: _plain(body, n),
        _WRITTEN: lambda n: _plain_written(body, n),
        "random": lambda n: _explored(body, "random", n),
        "optimal-dpor": lambda n: _explored(body, "optimal-dpor", n),
        "replay": lambda n: _replayed(body, token, n),
    }
    counts = {how: max(count // 10, 5) if how == "replay" else count for how in kinds}
    taken = interleaved(
        {how: partial(executions, counts[how]) for how, executions in kinds.items()}, options.repetitions
    )
    written = {how: _written(executions, counts[how]) for how, executions in kinds.items()}
    table = Table(
        f"One execution of the original store {when} its fix: explored / on real threads",
        ["how", "median of one", "executions/s", "snapshots written in one"],
        [
            [how, milliseconds(times), f"{1 / statistics.median(times):,.0f}", written[how]]
            for how, times in taken.items()
        ],
    )
    explored = [how for how in kinds if how not in (_PLAIN, _WRITTEN)]
    table.ratios += [ratio(f"{how} / {_PLAIN}", taken[how], taken[_PLAIN], at_most=1.0) for how in explored]
    table.ratios += [ratio(f"{how} / {_WRITTEN}", taken[how], taken[_WRITTEN]) for how in explored]
    table.notes += [
        f"files on {fast_directory()}; {_PLAIN}: the sentinel wakes the writer, its poll of 1 s is not "
        "waited for. Left alone the cleanup comes before the writer, which then writes nothing: the second "
        "baseline makes it write both snapshots first",
        "replay: one call of replay(), with the interposition it sets up and the source lines it notes",
    ]
    return table
