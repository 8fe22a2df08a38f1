"""A program on a target as a body: what it checks, and that it is gone when it has run."""

from __future__ import annotations

import gc
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest

from schedule_explorer import Verdict, explore
from schedule_explorer.programs import Tally, client_body, parse

sys.path.insert(0, str(Path(__file__).parents[1] / "campaigns"))

from toys import CellsTarget, locked, racy


def explored(target: CellsTarget, line: str) -> Any:
    tally = Tally()
    result = explore(client_body(target, parse(line), tally))
    return result, tally.histories


def test_ok_and_bad_twins() -> None:
    assert explored(locked(), "swap(a) | swap(a)")[0].verdict is Verdict.PROVED
    failed, _ = explored(racy(), "swap(a) | swap(a)")
    assert failed.verdict is Verdict.FAILED
    # one after the other there is nothing to race with
    assert explored(racy(), "swap(a) swap(a)")[0].verdict is Verdict.PROVED


def test_every_execution_has_a_history_and_no_repetition_is_counted() -> None:
    result, histories = explored(locked(), "swap(a) | swap(a)")
    assert (result.executions, histories) == (2, 2)
    # two calls about different cells: one trace, in which either may begin first
    result, histories = explored(locked(("a", "b")), "get(a) | get(b)")
    assert (result.executions, histories) == (1, 2)


def test_what_holds_at_quiescence_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    def unhappy(self: CellsTarget, system: Any, history: Any) -> None:
        raise AssertionError("a table is not empty")

    monkeypatch.setattr(CellsTarget, "at_quiescence", unhappy)
    result, _ = explored(locked(), "get(a)")
    assert result.verdict is Verdict.FAILED and "a table is not empty" in result.reason


def test_what_can_be_observed_at_the_end_is_part_of_every_history(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = CellsTarget.observe
    monkeypatch.setattr(
        CellsTarget, "observe", lambda self, system: [(call, 99) for call, _ in inner(self, system)]
    )
    result, _ = explored(locked(), "put(a)")
    assert result.verdict is Verdict.FAILED and "get(a)" in result.reason


def test_a_program_without_threads_is_refused() -> None:
    with pytest.raises(ValueError, match="no thread"):
        client_body(locked(), ())


def test_the_system_dies_with_its_execution(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even one that a finalizer waits for: a campaign makes millions of them."""
    made: list[weakref.ref[Any]] = []
    inner = CellsTarget.make

    def make(self: CellsTarget, root: Path) -> Any:
        system = inner(self, root)
        weakref.finalize(system, print, end="", flush=system.lock)
        made.append(weakref.ref(system))
        return system

    monkeypatch.setattr(CellsTarget, "make", make)
    assert explored(locked(), "swap(a) | swap(a)")[0].verdict is Verdict.PROVED
    gc.collect()
    assert len(made) == 3 and not [system for system in made if system() is not None]
