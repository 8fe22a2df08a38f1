"""Follow a recorded execution and note, after every step, how its threads, objects and files are.

Looking is no step: it happens where the next thread is chosen, and at the end where nothing can move any
more. The execution is the recorded one, or a `DivergenceError` says that it is not.
"""

from __future__ import annotations

from collections.abc import Sequence

from schedule_explorer.interposition.looking import Looking
from schedule_explorer.runtime import Choice, Execution, Trace
from schedule_explorer.states import State
from schedule_explorer.strategies.replay import Replay


class Watching(Replay):
    """Repeats recorded choices, and looks around before each choice of a thread.

    Attributes:
        states: by the index of an event, the state after it, up to the program's next operation.
    """

    def __init__(self, choices: Sequence[tuple[str, int]], kinds: Sequence[str | None] = ()) -> None:
        super().__init__(choices, kinds)
        self.states: dict[int, State] = {}
        self._looking: Looking | None = None

    def watch(self, execution: Execution) -> None:
        """Look at this execution, which is about to begin."""
        self._looking = Looking(execution)
        # Before any oracle looks.
        execution.at_quiescence.insert(0, lambda: self._look(execution, []))

    def choose(self, choice: Choice) -> int:
        """Look, then return the recorded option."""
        if choice.kind == "thread":
            self._look(choice.execution, choice.options)
        return super().choose(choice)

    def finish(self, trace: Trace) -> None:
        """Check that the whole schedule was used."""
        self._looking = None  # it leads to the whole execution
        super().finish(trace)

    def _look(self, execution: Execution, options: list[int]) -> None:
        assert self._looking is not None
        self.states[len(execution.trace.events) - 1] = self._looking.look(options)
