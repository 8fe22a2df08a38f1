"""Let the tests of this directory import the helpers beside them, and order real threads."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from real_threads import Threads


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Threads]:
    """Return the means to order threads; everything stopped goes on at the end of the test."""
    with monkeypatch.context() as patches:
        found = Threads(patches)
        yield found
        found.finish()
