"""A state machine for Hypothesis: its rules begin calls and let one chosen thread make one step.

    class CacheMachine(state_machine(target, clients=2)):
        "Explores the cache."

    TestCache = CacheMachine.TestCase

What fails is printed as a test that runs by itself:

    state = CacheMachine()
    state.begin(call=Call(name='swap', arguments=('a',)), client=0)
    state.advance(which=0, inner=0)
    state.teardown()

Needs the package `hypothesis`, so nothing else in here imports this module.
"""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from schedule_explorer.programs.calls import Call
from schedule_explorer.programs.stage import Stage
from schedule_explorer.programs.target import Target


def state_machine(
    factory: Callable[[], Target], clients: int = 2, calls: int = 8
) -> type[RuleBasedStateMachine]:
    """Return a state machine that makes calls of the target's alphabet; give it a name by a subclass.

    Every step of every thread is a rule: of clients, and of threads that the target itself has. At the end
    everything runs to completion, and the history and what is left are checked as for a program. What a
    thread raises fails at once.

    Arguments:
        factory: makes the target.
        clients: how many client threads there are.
        calls: calls of one example at most.

    Raises:
        ValueError: `clients` or `calls` is not positive.
    """
    for name, bound in (("clients", clients), ("calls", calls)):
        if bound < 1:
            raise ValueError(f"{name} is {bound}: give 1 or more")
    alphabet = factory().alphabet.calls()

    class TargetMachine(RuleBasedStateMachine):
        """Begins calls and advances threads."""

        def __init__(self) -> None:
            super().__init__()
            self.stage = Stage(factory(), clients)
            self.begun = 0

        def waiting(self) -> list[int]:
            """Return the clients without a call under way."""
            return [client for client in range(clients) if self.stage.waits(client)]

        @precondition(lambda self: self.begun < calls and self.waiting())
        @rule(call=st.sampled_from(alphabet), client=st.integers(0, clients - 1))
        def begin(self, call: Call, client: int) -> None:
            """Begin a call on one of the clients that wait, counted from 0 and on from the first again."""
            waiting = self.waiting()
            self.begun += 1
            self.stage.begin(waiting[client % len(waiting)], call)
            self.check()

        @rule(which=st.integers(0, 7), inner=st.integers(0, 3))
        def advance(self, which: int, inner: int) -> None:
            """Let a thread that can move make one step, if there is one; see `Stage.advance`."""
            self.stage.advance(which, inner)
            self.check()

        def check(self) -> None:
            """Raise what a thread has raised."""
            error = self.stage.failure()
            if error is not None:
                raise error

        def teardown(self) -> None:
            """Let everything run to its end and check it, unless it has failed before."""
            try:
                if self.stage.failure() is None:
                    self.stage.finish()
                    self.check()
            finally:
                self.stage.close()

    return TargetMachine
