"""Targets are found by entry point; a wrong one is told by its name."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from schedule_explorer.programs import Target, UnknownTargetError, find, known
from schedule_explorer.programs.finding import GROUP


def declared(monkeypatch: pytest.MonkeyPatch, **points: str) -> None:
    found = tuple(EntryPoint(name, value, GROUP) for name, value in points.items())
    monkeypatch.setattr("schedule_explorer.programs.finding.entry_points", lambda group: found)


def nothing() -> None:
    return None


def test_the_production_store_is_known() -> None:
    assert "boundary_store" in known()
    target = find("boundary_store", ids=("x",), keys=(0,))
    assert isinstance(target, Target) and target.alphabet.domains["id"] == ("x",)


def test_an_unknown_name_lists_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    declared(monkeypatch, b="m:f", a="m:f")
    with pytest.raises(UnknownTargetError, match="there is no target 'c': known are a, b"):
        find("c")


def test_no_package_declares_one(monkeypatch: pytest.MonkeyPatch) -> None:
    declared(monkeypatch)
    with pytest.raises(UnknownTargetError, match="no installed package declares one"):
        find("c")


@pytest.mark.parametrize(
    ("value", "options", "said"),
    [
        ("missing_module:f", {}, "'t' cannot be loaded: No module"),
        ("schedule_explorer.programs:missing", {}, "'t' cannot be loaded"),
        ("schedule_explorer.programs:__all__", {}, "cannot be called"),
        ("schedule_explorer.programs:known", {}, "which is no Target"),
        ("schedule_explorer.programs:known", {"ids": ("x",)}, "has no option 'ids': it takes none"),
        ("schedule_explorer.targets.boundary_store:target", {"size": 1}, "'size': it takes ids, keys"),
    ],
)
def test_a_wrong_target_is_told(
    monkeypatch: pytest.MonkeyPatch, value: str, options: dict[str, Any], said: str
) -> None:
    declared(monkeypatch, t=value)
    with pytest.raises(UnknownTargetError, match=said):
        find("t", **options)
