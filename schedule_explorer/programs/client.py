"""A program on a target as a body for `explore`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
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

        def client(number: int) -> None:
            make_calls(target, system, history, program, number)

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


def make_calls(target: Target, system: Any, history: History, program: Program, number: int) -> None:
    """Be one client thread: make its calls one after the other, and look at what must hold after each.

    Arguments:
        number: of the thread within `program`, from 0.

    Raises:
        Exception: whatever a call raises, or the target has to say.
    """
    value = sum(map(len, program[:number])) + 1
    for place, call in enumerate(program[number]):
        recorded = history.begin(number, call, value + place)
        history.end(recorded, target.perform(system, recorded))
        recorded.seen = target.look(system, recorded, history)


def judge(target: Target, system: Any, history: History, trace: Trace, tally: Tally | None = None) -> None:
    """Check an execution at whose end nothing moves any more.

    Raises:
        NotLinearizableError: some interval order of the history is not one of the specification.
        Exception: whatever the target has to say of what is left.
    """
    execution = current_execution()
    repeated = execution is not None and execution.record
    judge_orders(target, system, history, orders(history, trace), None if repeated else tally)


def judge_orders(
    target: Target, system: Any, history: History, found: Iterable[list[Recorded]], tally: Tally | None = None
) -> None:
    """Check what was done, when nothing moves any more.

    Arguments:
        found: the interval orders that the history has; on real threads that is one.

    Raises:
        NotLinearizableError: some interval order of the history is not one of the specification.
        Exception: whatever the target has to say of what is left.
    """
    last = [
        Recorded(-1, call, 0, LAST + 2 * i, LAST + 2 * i + 1, result)
        for i, (call, result) in enumerate(target.observe(system))
    ]
    for order in found:
        if tally is not None:
            tally.histories += 1
        target.check_order(order)
        order += last
        linearization = check(order, target.specification)
        if not linearization:
            raise NotLinearizableError(explanation(order, target.specification, linearization))
    target.at_quiescence(system, history)
