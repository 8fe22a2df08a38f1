"""The states after the steps, each part of a state written once however many steps leave it as it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from schedule_explorer.reporting import names as naming
from schedule_explorer.reporting.html.pages import printable
from schedule_explorer.reporting.names import Names
from schedule_explorer.states import FileState, ObjectState, State, ThreadState


class Pools:
    """Numbers the parts of states: threads, objects, files."""

    def __init__(self, names: Names, lanes: Mapping[int, int]) -> None:
        self._names = names
        self._lanes = lanes
        self._pools: tuple[list[Any], ...] = ([], [], [])
        self._numbers: tuple[dict[str, int], ...] = ({}, {}, {})

    def add(self, state: State | None) -> list[int] | None:
        """Take in a state; return the numbers of its three parts, None where there is none."""
        if state is None:
            return None
        return [
            self._number(0, [self._thread(each) for each in state.threads if each.tid in self._lanes]),
            self._number(1, [self._object(each) for each in state.objects]),
            self._number(2, [*map(_file, state.files),
                             *([["more", f"… {state.more_files} more"]] if state.more_files else [])]),
        ]  # fmt: skip

    def as_data(self) -> dict[str, Any]:
        """Return the parts by their numbers.

        A thread is [lane, what it does, lane of the thread that it waits for or -1], an object [family,
        name, value, lane of its holder or -1, items, lanes of those that wait], a file [kind, path, detail].
        """
        return dict(zip(("threads", "objects", "files"), self._pools, strict=True))

    def _number(self, pool: int, part: list[Any]) -> int:
        key = json.dumps(part)
        number = self._numbers[pool].get(key)
        if number is None:
            number = self._numbers[pool][key] = len(self._pools[pool])
            self._pools[pool].append(part)
        return number

    def _lane(self, tid: int | None) -> int:
        return -1 if tid is None else self._lanes.get(tid, -1)

    def _thread(self, state: ThreadState) -> list[Any]:
        if state.doing == "ended":
            told = "has ended"
        elif state.kind == "thread.begin":
            told = "can start"
        elif state.kind == "thread.end":
            told = "can end"
        elif state.doing == "ready":
            told = f"can do {self._names.operation(state.kind, state.target)}"
        else:
            told = self._names.waiting(state.kind, state.target)
        return [self._lanes[state.tid], printable(told), self._lane(state.holder)]

    def _object(self, state: ObjectState) -> list[Any]:
        return [
            state.family, printable(self._names.target(state.name)), printable(state.value),
            self._lane(state.holder), list(map(printable, state.items)),
            [self._lane(tid) for tid in state.waiting],
        ]  # fmt: skip


def _file(state: FileState) -> list[str]:
    detail = {"file": f"{state.size} B", "link": f"→ {naming.relative(state.leads_to)}"}.get(state.kind, "")
    return [state.kind, printable(state.path), printable(detail)]
