"""The clocks that the standard library bound early, in the defaults of `sched` and `timeit`."""

from __future__ import annotations

import sched
import time
import timeit
import types
from collections.abc import Callable, Mapping
from typing import Any

from schedule_explorer.interposition import clock


def with_defaults(function: Any, replacements: Mapping[Any, Any]) -> Any:
    """Copy a function whose defaults are calls that are interposed now."""
    old = function.__defaults__ or ()
    defaults = tuple(replacements.get(value, value) if callable(value) else value for value in old)
    copy = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, defaults, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


_CLOCKS: dict[Callable[..., Any], Any] = {
    getattr(owner, name): value for owner, name, value in clock.PATCHES if owner is time
}
PATCHES: list[tuple[object, str, Any]] = [
    (owner, name, with_defaults(vars(owner)[name], _CLOCKS))
    for owner, name in ((sched.scheduler, "__init__"), (timeit.Timer, "__init__"), (timeit, "timeit"),
                        (timeit, "repeat"))
]
PATCHES.append((timeit, "default_timer", _CLOCKS[timeit.default_timer]))
