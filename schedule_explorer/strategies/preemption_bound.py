"""Bounded preemptions: an explicitly incomplete mode (Musuvathi and Qadeer, PLDI 2007).

Most bugs need few preemptions. A switch away from a thread that could go on is one; a switch away from a
thread that is blocked or has ended costs nothing.
"""

from __future__ import annotations

from schedule_explorer.runtime import Choice, Trace
from schedule_explorer.strategies import Strategy
from schedule_explorer.strategies.optimal_dpor import OptimalDPOR
from schedule_explorer.strategies.sleep_set_dfs import SleepSetDFS


class PreemptionBound:
    """Offer another strategy only what the bound allows.

    A reduction would plan schedules that the bound forbids: in place of optimal DPOR and of sleep sets every
    schedule within the bound is enumerated.

    Arguments:
        strategy: chooses among what is allowed.
        bound: most preemptions in one execution, 0 or more.
    """

    exhaustive = False

    def __init__(self, strategy: Strategy, bound: int) -> None:
        if isinstance(strategy, (OptimalDPOR, SleepSetDFS)):
            strategy = SleepSetDFS(reduce=False)
        self._strategy = strategy
        self._bound = bound
        self._used = 0
        self._last = -1
        self.incomplete = f"only schedules with at most {bound} preemptions were run"

    def begin(self) -> bool:
        """As the other strategy."""
        self._used, self._last = 0, -1
        return self._strategy.begin()

    def choose(self, choice: Choice) -> int | None:
        """Let the running thread go on once the bound is used up."""
        if choice.kind != "thread":
            return self._strategy.choose(choice)
        could_go_on = self._last in choice.options
        if could_go_on and self._used >= self._bound:
            choice = Choice(choice.kind, [self._last], choice.execution)
        chosen = self._strategy.choose(choice)
        if chosen is not None:
            self._used += could_go_on and chosen != self._last
            self._last = chosen
        return chosen

    def finish(self, trace: Trace) -> None:
        """As the other strategy."""
        self._strategy.finish(trace)
