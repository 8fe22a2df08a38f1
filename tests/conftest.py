"""What tests of several packages use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from schedule_explorer.interposition.install import interposed


@pytest.fixture(scope="module")
def interposed_once() -> Iterator[None]:
    """Interpose once for a module that makes many explorations: each would look through all modules again."""
    with interposed():
        yield
