"""A body of two threads, and the set of what it returns over all its schedules."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from schedule_explorer import Verdict, explore


def outcomes(body: Callable[[], Any]) -> set[Any]:
    """Explore all schedules of `body`, and return what it returned."""
    seen: set[Any] = set()
    result = explore(lambda: seen.add(body()))
    assert result.verdict is Verdict.PROVED, result.failures or result.reason
    return seen


def beside(act: Callable[[], Any]) -> threading.Thread:
    """Start a thread that does `act`, and return it."""
    thread = threading.Thread(target=act)
    thread.start()
    return thread
