"""G11 under every schedule: stores that begin and end on one directory at the same time.

These are the directories and locks alone, without a writer.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from schedule_explorer import Verdict, explore, fresh_dir
from store.layout import Layout


def _together(bodies: Iterable[Callable[[], object]]) -> None:
    threads = [threading.Thread(target=body) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _is_alive(layout: Layout) -> None:
    assert sorted(os.listdir(layout.session)) == ["live", "staging-0"]


@pytest.mark.parametrize("callers", [1, 2])
def test_a_store_that_begins_while_another_is_shut_down(callers: int) -> None:
    """Whoever shuts down first is told that nothing is left, whoever else looks at the directory."""

    def body() -> None:
        base = fresh_dir()
        first = Layout(base)
        later: list[Layout] = []
        told: list[bool] = []
        _together([
            *[lambda: told.append(first.destroy())] * callers, lambda: later.append(Layout(base))
        ])  # fmt: skip
        assert any(told) and first.destroy()
        assert os.listdir(first.root) == [Path(later[0].session).name]
        _is_alive(later[0])
        assert later[0].destroy() and os.listdir(first.root) == []

    result = explore(body, "optimal-dpor")
    assert result.verdict is Verdict.PROVED and result.executions > callers, result.reason


@pytest.mark.parametrize("dead", ["none", "empty", "files"])
def test_stores_that_begin_together_sweep_what_is_dead_and_nothing_else(dead: str) -> None:
    def body() -> None:
        root = fresh_dir() / "_boundary_snapshots"
        session = root / "session-0123456789abcdef"
        if dead != "none":
            session.mkdir(parents=True)
        if dead == "files":
            (session / "live").mkdir()
            (session / "live" / "0000000000000000.safetensors").touch()
        made: list[Layout] = []
        _together([lambda: made.append(Layout(root.parent))] * 2)
        assert sorted(os.listdir(root)) == sorted(Path(layout.session).name for layout in made)
        for layout in made:
            _is_alive(layout)
            assert layout.destroy()
        assert os.listdir(root) == []

    result = explore(body, "optimal-dpor", max_executions=2000)
    assert result.verdict is Verdict.PROVED and result.executions > 1, result.reason


def test_a_store_that_begins_and_is_shut_down_while_another_begins() -> None:
    """However long the other one's sweep takes, the one that is shut down leaves nothing and says so."""

    def body() -> None:
        base = fresh_dir()
        made: list[Layout] = []
        told: list[bool] = []
        _together([lambda: told.append(Layout(base).destroy()), lambda: made.append(Layout(base))])
        assert told == [True] and os.listdir(made[0].root) == [Path(made[0].session).name]
        _is_alive(made[0])

    result = explore(body, "optimal-dpor")
    assert result.verdict is Verdict.PROVED and result.executions > 1, result.reason
