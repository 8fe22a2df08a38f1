"""How a test is to be explored: the marker's arguments and the options of the command line.

An option that was given wins over the marker, for it is about the run at hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

#: what ``--explore`` without a strategy is
PORTFOLIO = "portfolio"
#: the strategies that can be named, in the order of the help text; a test holds them to those of `named`
STRATEGIES = ("optimal-dpor", "sleep-set-dfs", "random", "pct", "pos")
#: seconds for one test where neither a time nor a number of executions was asked for
TIME_LIMIT = 60.0
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "ms": 0.001}
_ARGUMENTS = (
    "strategy", "max_executions", "time_limit", "seed", "preemption_bound", "timeouts", "simplify",
    "step_timeout", "max_steps",
)


@dataclass(frozen=True)
class Settings:
    """What `explore` is given for one test.

    Attributes:
        strategy: a name, a `Strategy` instance, or None: the portfolio.
        max_executions, time_limit, seed, preemption_bound, timeouts, simplify: see `explore`; `time_limit` in
            seconds.
        token: the schedule to replay, in place of an exploration.
        strict: an unfinished exploration fails.
        limits: `step_timeout` and `max_steps` where the marker gives them; see `explore`.
    """

    strategy: Any = "optimal-dpor"
    max_executions: int | None = None
    time_limit: float | None = None
    seed: int = 0
    preemption_bound: int | None = None
    timeouts: str = "any"
    simplify: int = 100
    token: str | None = None
    strict: bool = False
    limits: dict[str, Any] = field(default_factory=dict)


def seconds(text: str) -> float:
    """Read a time such as ``30``, ``30s``, ``1.5m`` or ``500ms``.

    Raises:
        ValueError: it is none, or not positive.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|)", text.strip())
    if found is None or float(found[1]) <= 0:
        raise ValueError(f"{text!r} is no time: write 30s, 2m or 500ms")
    return float(found[1]) * _UNITS[found[2]]


def settings_of(item: pytest.Item) -> Settings | None:
    """Return how `item` is to be explored; None: not at all.

    Raises:
        pytest.UsageError: the marker has an argument that is unknown.
    """
    option = item.config.option
    marker = item.get_closest_marker("explore")
    if marker is None and option.explore is None and option.explore_replay is None:
        return None
    given = _arguments(item, marker) if marker is not None else {"strategy": None}
    limits = {name: given.pop(name) for name in ("step_timeout", "max_steps") if name in given}
    found = Settings(**given, strict=option.explore_strict, token=option.explore_replay, limits=limits)
    chosen = {
        "max_executions": option.explore_executions, "time_limit": option.explore_time,
        "seed": option.explore_seed, "timeouts": option.explore_timeouts, "simplify": option.explore_simplify,
    }
    found = replace(found, **{name: value for name, value in chosen.items() if value is not None})
    if option.explore not in (None, PORTFOLIO):
        found = replace(found, strategy=option.explore)
    if found.time_limit is None and found.max_executions is None and "time_limit" not in given:
        found = replace(found, time_limit=TIME_LIMIT)
    return found


def _arguments(item: pytest.Item, marker: pytest.Mark) -> dict[str, Any]:
    given = dict(marker.kwargs)
    if len(marker.args) == 1:
        given.setdefault("strategy", marker.args[0])
    unknown = sorted(given.keys() - set(_ARGUMENTS))
    if unknown or len(marker.args) > 1:
        wrong = ", ".join(unknown or map(repr, marker.args[1:]))
        raise pytest.UsageError(
            f"{item.nodeid}: @pytest.mark.explore has no argument {wrong}: it takes {', '.join(_ARGUMENTS)}"
        )
    return given
