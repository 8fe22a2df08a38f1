"""Follow recorded choices, and say where the program went another way."""

from __future__ import annotations

from collections.abc import Sequence

from schedule_explorer.errors import DivergenceError
from schedule_explorer.runtime import Choice, Trace, site_text


class Replay:
    """Repeat the choices of a recorded execution.

    Arguments:
        choices: (kind, option) in order, as `Trace.choices` has them.
        kinds: the operation kind expected at each thread choice, or None where it is unknown.
    """

    exhaustive = False

    def __init__(
        self, choices: Sequence[tuple[str, int]], kinds: Sequence[str | None] = ()
    ) -> None:
        self._choices = choices
        self._kinds = kinds
        self._next = 1
        self._begun = False

    def begin(self) -> bool:
        """One execution only."""
        first, self._begun = not self._begun, True
        return first

    def choose(self, choice: Choice) -> int:
        """Return the recorded option.

        Raises:
            DivergenceError: when it is not to be had, or another operation would run.
        """
        index = self._next
        self._next += 1
        if index >= len(self._choices):
            met = _describe(choice, choice.options[0])
            raise DivergenceError(
                f"the schedule has {len(self._choices)} choices, but the program goes on: {met}"
            )
        kind, option = self._choices[index]
        expected = self._kinds[index] if index < len(self._kinds) else None
        if kind != choice.kind or option not in choice.options:
            found = ", ".join(_describe(choice, o) for o in choice.options)
            raise DivergenceError(
                f"choice {index}: expected {kind} {option}"
                f"{f' at {expected}' if expected else ''}, met {found}: the program does not behave "
                "as it did when the schedule was recorded"
            )
        if expected is not None and kind == "thread":
            operation = choice.execution.by_tid[option].pending
            if operation is not None and operation.kind != expected:
                raise DivergenceError(
                    f"choice {index}: expected thread {option} at {expected}, "
                    f"met {_describe(choice, option)}"
                )
        return option

    def finish(self, trace: Trace) -> None:
        """Check that the whole schedule was used.

        Raises:
            DivergenceError: when the program ended before the schedule did.
        """
        if self._next < len(self._choices):
            raise DivergenceError(
                f"the program ended after {self._next} of {len(self._choices)} recorded choices"
            )


def _describe(choice: Choice, option: int) -> str:
    if choice.kind != "thread":
        return f"{choice.kind} {option}"
    thread = choice.execution.by_tid[option]
    where = f" at {site_text(thread.resume)}" if thread.resume else ""
    return f"thread {option} ({thread.name}) at {thread.pending}{where}"
