"""Programs of a few operations, and the check that they have just the outcomes that they say."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from gates import gates_declared

from schedule_explorer import explore
from schedule_explorer.runtime import current_execution
from schedule_explorer.strategies.optimal_dpor import OptimalDPOR
from schedule_explorer.strategies.sleep_set_dfs import SleepSetDFS

Notes = dict[str, Any]
#: returns what each thread does; what they note is the outcome
Program = Callable[[Notes], list[Callable[[], object]]]
Programs = dict[str, tuple[Program, set[str]]]


def ends_in(programs: Programs, *outcomes: str) -> Callable[[Program], Program]:
    """Add a program whose notes are one of `outcomes`, sorted by name and written ``a=1 b=2``."""

    def keep(program: Program) -> Program:
        programs[program.__name__] = (program, set(outcomes))
        return program

    return keep


def tried(call: Callable[[], Any]) -> Any:
    """Return what `call` returns, or the name of what it raises."""
    try:
        return call()
    except (queue.Empty, queue.Full, RuntimeError, ValueError) as error:
        return type(error).__name__


def body_of(program: Program, seen: set[str]) -> Callable[[], None]:
    """Return a body that runs `program` and adds the outcome of each execution to `seen`."""
    def body() -> None:
        notes: Notes = {}
        execution = current_execution()
        assert execution is not None
        execution.at_quiescence.append(
            lambda: seen.add(" ".join(f"{name}={notes[name]}" for name in sorted(notes)))
        )
        for target in program(notes):
            threading.Thread(target=target, daemon=True).start()

    return body


def check(program: Program, expected: set[str], *, large: bool = False) -> None:
    """Hold every strategy, and enumeration without any reduction, to the expected outcomes.

    Arguments:
        large: too large for the enumeration, which then finds but a part.
    """
    found: dict[str, set[str]] = {}
    counts = {}
    dpor = OptimalDPOR()
    for label, strategy in (("plain", SleepSetDFS(reduce=False)), ("sleep", SleepSetDFS()), ("dpor", dpor)):
        seen: set[str] = set()
        with gates_declared() if label == "plain" else nullcontext():
            result = explore(
                body_of(program, seen), strategy, stop_at_first_failure=False, max_executions=6000,
            )
            if label == "plain" and not large and result.executions >= 6000:
                seen.clear()
                result = explore(
                    body_of(program, seen), SleepSetDFS(reduce=False, at_once=True),
                    stop_at_first_failure=False, max_executions=6000,
                )
        assert (large and label == "plain") or not result.reason.startswith("stopped"), result.reason
        assert not any(failure.error for failure in result.failures), result.failures[0].error
        found[label], counts[label] = seen, result.executions
    assert found["plain"] <= expected if large else found["plain"] == expected
    assert found["sleep"] == expected
    assert found["dpor"] == expected
    assert counts["sleep"] == counts["dpor"] and dpor.infeasible == 0
