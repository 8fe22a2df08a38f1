"""A program on a target as a body for `explore`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from schedule_explorer.interposition.filesystem import fresh_dir
from schedule_explorer.oracles.history import History, Recorded, orders
from schedule_explorer.oracles.linearizability import check, explanation
from schedule_explorer.oracles.quiescence import at_quiescence
from schedule_explorer.programs.calls import Program, text
from schedule_explorer.programs.target import Target
from schedule_explorer.runtime import Trace, current_execution

#: later than every call of a program
LAST = 1 << 20


@dataclass
class Tally:
    """Counts what a body had checked.

    Attributes:
        histories: interval orders of calls that were searched for a linearization. A repetition of an
            execution, which notes source lines, counts nothing.
    """

    histories: int = 0


class NotLinearizableError(Exception):
    """The program under test failed: its history is not one of the sequential specification."""


def client_body(target: Target, program: Program, tally: Tally | None = None) -> Callable[[], None]:
    """Return a body that runs each thread of `program` on a fresh object of `target`.

    The first client is the main thread, each other one has a thread of its own. When nothing moves any more
    the history must be linearizable, and what the target asks for must hold.

    Arguments:
        tally: counts what was checked, over all executions of the body.

    Raises:
        ValueError: the program has no thread.
    """
    if not program:
        raise ValueError("the program has no thread")

    def body() -> None:
        system = target.make(fresh_dir())
        history = History()
        values = [sum(map(len, program[:number])) + 1 for number in range(len(program))]

        def client(number: int) -> None:
            for place, call in enumerate(program[number]):
                recorded = history.begin(number, call, values[number] + place)
                history.end(recorded, target.perform(system, recorded))
                recorded.seen = target.look(system, recorded, history)

        at_quiescence(lambda trace: judge(target, system, history, trace, tally))
        threads = [
            threading.Thread(target=client, args=(number,), name=f"client-{number}")
            for number in range(1, len(program))
        ]
        for thread in threads:
            thread.start()
        client(0)
        for thread in threads:
            thread.join()

    body.__qualname__ = body.__name__ = text(program)
    return body


def judge(target: Target, system: Any, history: History, trace: Trace, tally: Tally | None = None) -> None:
    """Check an execution at whose end nothing moves any more.

    Raises:
        NotLinearizableError: some interval order of the history is not one of the specification.
        Exception: whatever the target has to say of what is left.
    """
    last = [
        Recorded(-1, call, 0, LAST + 2 * i, LAST + 2 * i + 1, result)
        for i, (call, result) in enumerate(target.observe(system))
    ]
    execution = current_execution()
    repeated = execution is not None and execution.record
    for order in orders(history, trace):
        if tally is not None and not repeated:
            tally.histories += 1
        target.check_order(order)
        order += last
        found = check(order, target.specification)
        if not found:
            raise NotLinearizableError(explanation(order, target.specification, found))
    target.at_quiescence(system, history)
