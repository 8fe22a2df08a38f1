"""Runs two file operations in both orders on a real tree, and says what they did, touched and left.

Two virtual threads make one operation each, at different virtual times; the order is fixed by the caller.
"""

from __future__ import annotations

import os
import stat as stats
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from schedule_explorer.interposition.attributes import mask
from schedule_explorer.interposition.filesystem import fresh_dir, real
from schedule_explorer.interposition.paths import world_of
from schedule_explorer.operations import WRITE, Key, Operation
from schedule_explorer.runtime import Choice, Execution


class Ordered:
    """Runs the threads one after the other, in the order of `tids`."""

    def __init__(self, tids: tuple[int, ...]) -> None:
        self.tids = tids

    def choose(self, choice: Choice) -> int:
        if choice.kind != "thread":
            return choice.options[0]
        return next(tid for tid in self.tids if tid in choice.options)


class State:
    """What operations work on: the directory, and descriptors that are open in it."""

    def __init__(self, top: str) -> None:
        self.top = top
        #: links and ``..`` can lead out of it, but not out of `top`
        self.root = f"{top}/o/i"
        os.makedirs(self.root)
        self.fds: dict[str, int] = {}

    def path(self, name: str) -> str:
        return f"{self.root}/{name}"


Call = Callable[[State], Any]
Footprint = dict[Key, int]


@dataclass
class Run:
    """One order: results and footprints by operation (0, 1, ...), and the final tree."""

    results: list[Any]
    footprints: list[Footprint]
    final: Any


def plain(value: Any) -> Any:
    """Make a result comparable between executions."""
    if isinstance(value, os.stat_result):
        return (tuple(value), value.st_mtime_ns, value.st_atime_ns, value.st_ctime_ns)
    if isinstance(value, Exception):
        names = (getattr(value, "filename", None), getattr(value, "filename2", None))
        return (type(value).__name__, getattr(value, "errno", None), *map(str, names))
    return value


def run(setup: Call, calls: tuple[Call, ...], order: tuple[int, ...]) -> Run:
    """Make a tree, then run each of `calls` in a thread of its own, in `order`."""
    results: list[Any] = [None] * len(calls)
    found: list[Any] = []

    def body() -> None:
        state = State(str(fresh_dir()))
        setup(state)
        execution = current()
        parent = execution.current

        def thread(index: int) -> Callable[[], None]:
            def act() -> None:
                try:
                    results[index] = plain(calls[index](state))
                except Exception as error:
                    results[index] = plain(error)

            return act

        for index in range(len(calls)):
            spawned = execution.spawn(parent, str(index), thread(index))
            spawned.now = 1.0 + index
        execution.step(Operation("join", "", lambda _: None))
        user = os.geteuid()
        if user != os.getuid():
            os.seteuid(os.getuid())
        try:
            found.append(snapshot(execution, state))
        finally:
            os.seteuid(user)

    made: list[Execution] = []

    def current() -> Execution:
        return made[0]

    execution = Execution(Ordered((*(index + 1 for index in order), 0)), {(): 0})
    made.append(execution)
    trace = execution.run(body)
    for _, error in trace.errors:
        raise error
    footprints: list[Footprint] = [{} for _ in calls]
    for event in trace.events:
        if event.tid > 0 and event.kind != "thread.begin":
            footprint = footprints[event.tid - 1]
            for key, mode in event.accesses:
                if isinstance(key, tuple) and key[0] == "end":
                    continue
                old = footprint.get(key)
                footprint[key] = mode if old is None or old == mode else WRITE
    return Run(results, footprints, found[0])


def snapshot(execution: Execution, state: State) -> Any:
    """Tell the tree, what is open in it, and the working directory."""
    world = world_of(execution)

    def look(status: os.stat_result, path: str) -> Any:
        entry: list[Any] = [plain(mask(world, status))]
        if stats.S_ISLNK(status.st_mode):
            entry.append(real["readlink"](path))
        elif stats.S_ISREG(status.st_mode):
            fd = real["open"](path, os.O_RDONLY)
            entry.append(real["pread"](fd, 1000, 0))
            real["close"](fd)
        return entry

    def walk(directory: str) -> Iterator[Any]:
        for name in sorted(real["listdir"](directory)):
            path = f"{directory}/{name}"
            status = real["lstat"](path)
            yield path[len(state.top) :], look(status, path)
            if stats.S_ISDIR(status.st_mode):
                yield from walk(path)

    opened = []
    for fd in sorted(world.descriptors):
        status = real["fstat"](fd)
        seen: list[Any] = [fd, plain(mask(world, status))]
        if stats.S_ISREG(status.st_mode):
            seen += [real["lseek"](fd, 0, os.SEEK_CUR), real["stat"](fd).st_size]
        opened.append(seen)
    try:
        working = real["getcwd"]()
    except OSError as error:
        working = plain(error)
    return [*walk(state.top)], opened, working


def conflict(first: Footprint, second: Footprint) -> list[Key]:
    """Return the keys on which two footprints conflict."""
    return [
        key for key, mode in first.items()
        if key in second and (mode != second[key] or mode == WRITE)
    ]
