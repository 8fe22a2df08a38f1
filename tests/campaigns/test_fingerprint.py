"""The fingerprint changes with the code that a verdict is about, and with nothing else."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
from toys import locked

from schedule_explorer.campaigns.fingerprint import fingerprint, reachable
from schedule_explorer.targets.boundary_store import target as boundary_store


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "fingered"
    root.mkdir()
    (root / "__init__.py").write_text("")
    (root / "inner.py").write_text("class Inner: pass\n")
    (root / "outer.py").write_text("from fingered.inner import Inner\ndef make(): return Inner()\n")
    (root / "unused.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield root
    for name in [name for name in sys.modules if name.split(".")[0] == "fingered"]:
        del sys.modules[name]


def test_it_is_the_same_twice() -> None:
    assert fingerprint(locked()) == fingerprint(locked())
    assert fingerprint(locked()) != fingerprint(boundary_store())


@pytest.mark.parametrize("name", ["inner.py", "outer.py", "unused.py", "new.py"])
def test_any_file_of_the_package_changes_it(package: Path, name: str) -> None:
    outer = importlib.import_module("fingered.outer")
    before = fingerprint(outer.make)
    (package / name).write_text("# changed\n")
    assert fingerprint(outer.make) != before


def test_the_package_under_test_is_reached_through_the_target() -> None:
    found = reachable([type(boundary_store()).__module__])
    assert "store.boundary_store" in found and "schedule_explorer.runtime.execution" in found
    assert not {"threading", "greenlet", "rich"} & found
