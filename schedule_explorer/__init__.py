"""A deterministic schedule explorer for ordinary Python threads and real files."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from schedule_explorer.exploration import Failure, Result, Verdict, explore, replay
    from schedule_explorer.interposition.filesystem import fresh_dir
    from schedule_explorer.shared import SharedVariable

__all__ = ["Failure", "Result", "SharedVariable", "Verdict", "explore", "fresh_dir", "replay"]

_HOME = {
    **dict.fromkeys(("Failure", "Result", "Verdict", "explore", "replay"), "schedule_explorer.exploration"),
    "fresh_dir": "schedule_explorer.interposition.filesystem",
    "SharedVariable": "schedule_explorer.shared",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for: every run of pytest loads this package, for its plugin, and few explore."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(home), name)
    return value
