"""Let the tests of this directory import the helpers beside them, and give them stores."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from store_support import LONG, Disk

from store import BoundarySnapshotStore, writer


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """A disk between the writer and the real one."""
    made = Disk()
    monkeypatch.setattr(writer, "write_snapshot", made.write)
    yield made
    made.open()


@pytest.fixture
def store(tmp_path: Path, disk: Disk) -> Iterator[BoundarySnapshotStore]:
    """A store on an empty directory, behind `disk`."""
    made = BoundarySnapshotStore(tmp_path / "cache", cleanup_request_timeout=LONG, cleanup_all_timeout=LONG)
    yield made
    disk.open()
    made.shutdown(cleanup=True)
