"""What a target must give, to have client programs explored on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from schedule_explorer.oracles.history import History, Recorded
from schedule_explorer.oracles.linearizability import Specification
from schedule_explorer.programs.alphabet import Alphabet
from schedule_explorer.programs.calls import Call


@runtime_checkable
class Target(Protocol):
    """Something to explore: the object under test, its calls, its specification and what else must hold.

    A package brings one by an entry point of the group ``schedule_explorer.targets``.
    """

    name: str
    alphabet: Alphabet
    specification: Specification

    def make(self, root: Path) -> Any:
        """Make a fresh object below `root`, an empty directory."""

    def perform(self, system: Any, recorded: Recorded) -> Any:
        """Make the call, and return what the specification would call its result."""

    def look(self, system: Any, recorded: Recorded, history: History) -> Any:
        """Look at what must hold as soon as this call returned, and return what was seen.

        What it reads are steps of the program. Which they are may depend on the call, never on the history:
        which calls have returned by now is a matter of this schedule, and equivalent ones must agree on the
        steps. What it means is for `check_order` to say.
        """

    def check_order(self, order: Sequence[Recorded]) -> None:
        """Check what must hold of the calls, and of what was seen after each, in one of their orders.

        Arguments:
            order: the calls with one interval order that the trace has, as they began.
        """

    def observe(self, system: Any) -> Iterable[tuple[Call, Any]]:
        """Make calls when nothing moves any more, and yield each with its result: the end of every history.

        Nothing of it is a step.
        """

    def at_quiescence(self, system: Any, history: History) -> None:
        """Check what must hold when nothing moves any more. Nothing of it is a step."""


@runtime_checkable
class RealTarget(Target, Protocol):
    """A target that also runs on real threads, where nobody sees its steps and no thread can be stopped."""

    def needs_explorer(self) -> str:
        """Say what of it there is only in an execution of the explorer; empty when it runs without."""

    def idle(self, system: Any) -> bool:
        """Say whether the object has nothing left to do, so that no thread of its own will move.

        Asked when no client runs any more, again and again. It must not say so while a thread of the object
        can still change anything: what is checked at quiescence would be checked too early.
        """

    def close(self, system: Any) -> None:
        """End all threads of the object, after everything was checked."""
