"""The strategies by the names that `explore` takes."""

from __future__ import annotations

from collections.abc import Callable

from schedule_explorer.strategies import Strategy
from schedule_explorer.strategies.optimal_dpor import OptimalDPOR
from schedule_explorer.strategies.pct import PCT
from schedule_explorer.strategies.portfolio import Portfolio
from schedule_explorer.strategies.pos import POS
from schedule_explorer.strategies.random_walk import RandomWalk
from schedule_explorer.strategies.sleep_set_dfs import SleepSetDFS

STRATEGIES: dict[str, Callable[[int], Strategy]] = {
    "optimal-dpor": lambda seed: OptimalDPOR(),
    "sleep-set-dfs": lambda seed: SleepSetDFS(),
    "random": RandomWalk,
    "pct": PCT,
    "pos": POS,
}


def named(name: str | None, seed: int) -> Strategy:
    """Make the strategy of that name; None: a random burst, then optimal DPOR.

    Raises:
        ValueError: there is no such strategy.
    """
    if name is None:
        return Portfolio(RandomWalk(seed), OptimalDPOR())
    if name not in STRATEGIES:
        raise ValueError(f"strategy {name!r} is unknown: take one of {', '.join(sorted(STRATEGIES))}")
    return STRATEGIES[name](seed)
