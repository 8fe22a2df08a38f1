"""One execution, advanced by hand: give a call to a thread, let one thread make one step, look, go on.

The execution runs in greenlets of its own. Where it asks who runs next, the answer is awaited from outside:

    caller ──begin(thread, call)──> mailbox of a client thread
    caller ──advance(n)──> the n-th thread that can move makes one step ──> back to the caller

Between two steps nothing of the execution runs, and what the caller does is no step.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import Any

import greenlet

from schedule_explorer.errors import ExplorerError
from schedule_explorer.exploration import error_of
from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.filesystem import fresh_dir
from schedule_explorer.operations import Operation
from schedule_explorer.oracles.history import History
from schedule_explorer.oracles.quiescence import at_quiescence
from schedule_explorer.programs.calls import Call
from schedule_explorer.programs.client import judge
from schedule_explorer.programs.target import Target
from schedule_explorer.reporting.text import explain
from schedule_explorer.runtime import Choice, Execution, Trace
from schedule_explorer.session import session

#: seconds that one step may take, the caller's own time included
_STEP_SECONDS = 600.0


class _ByHand:
    """A chooser that asks outside."""

    def __init__(self) -> None:
        self.outside: greenlet.greenlet | None = None
        self.asking: greenlet.greenlet | None = None
        self.inner = 0

    def choose(self, choice: Choice) -> int | None:
        """Hand a choice of threads over; take the answer that was given beforehand for every other one."""
        if choice.kind != "thread":
            return choice.options[self.inner % len(choice.options)]
        assert self.outside is not None
        execution = choice.execution
        thread, execution.current = execution.current, None  # outside, nothing is a step
        self.asking = greenlet.getcurrent()
        chosen: int | None = self.outside.switch(list(choice.options))
        execution.current = thread
        return chosen


class Stage:
    """One execution of client threads on a target, advanced by hand.

    Arguments:
        target: what the calls are made on.
        clients: how many client threads there are; each waits for a call to make.

    Raises:
        ExplorerError: an exploration is under way already, or something uncontrolled was met. As do all
            methods.
    """

    def __init__(self, target: Target, clients: int) -> None:
        if clients < 1:
            raise ValueError(f"clients is {clients}: give 1 or more")
        self._target = target
        self._mail: list[list[Call]] = [[] for _ in range(clients)]
        self._values = 0
        self._tids: dict[int, int] = {}
        self._chooser = _ByHand()
        self._execution: Execution | None = None
        self._options: list[int] = []
        self.trace: Trace | None = None
        self._stack = ExitStack()
        self._runs = self._stack.enter_context(session(_STEP_SECONDS))
        self._runner = greenlet.greenlet(self._run)
        try:
            self._go(self._runner)
            while len(self._tids) < clients and not self.over:
                self._step(self._next_to_open())
        except BaseException:
            self.close()
            raise

    # -- outside -------------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Say whether the execution has ended."""
        return self.trace is not None

    def failure(self) -> BaseException | None:
        """Return what the execution has failed with so far, told as columns in a note; None: it has not.

        One that has failed is run to its end first, so that the story has one.
        """
        assert self._execution is not None
        if not (self.trace or self._execution.trace).failed:
            return None
        trace = self.finish()
        error = error_of(trace)
        told = explain(trace, error, "the steps were chosen by hand: they are the test that repeats it")
        error.__notes__ = [told]
        return error

    def able(self) -> list[str]:
        """Return the names of the threads that can move, in the order of `advance`."""
        assert self._execution is not None
        return [self._execution.by_tid[tid].name for tid in self._movable()]

    def waits(self, client: int) -> bool:
        """Say whether a client has no call under way."""
        assert self._execution is not None
        pending = self._execution.by_tid[self._tids[client]].pending
        return pending is not None and pending.kind == "client.wait" and not self._mail[client]

    def begin(self, client: int, call: Call) -> None:
        """Have a waiting client begin a call: it goes up to the first step of it, or through one without.

        Raises:
            ValueError: it has a call under way.
        """
        if self.over or not self.waits(client):
            raise ValueError(f"client {client} has a call under way")
        self._mail[client].append(call)
        self._step(self._tids[client])

    def advance(self, which: int = 0, inner: int = 0) -> bool:
        """Let one of the threads that can move make one step.

        Arguments:
            which: the thread, counted among those of `able`, and on from the first one after the last.
            inner: the answer to a choice within the step, such as which waiter is woken; counted alike.

        Returns:
            False when no thread can move but by a new call.
        """
        movable = self._movable()
        if not movable:
            return False
        self._chooser.inner = inner
        self._step(movable[which % len(movable)])
        return True

    def finish(self) -> Trace:
        """Let everything run to its end, and return the trace."""
        last = -1
        while self.trace is None:
            # In turn, so that nobody who polls keeps the others from going on.
            last = next((tid for tid in self._options if tid > last), self._options[0])
            self._step(last)
        return self.trace

    def close(self) -> None:
        """End the execution where it is, and all interposition. Nothing when that was done."""
        try:
            if not self.over and self._chooser.asking is not None and not self._runner.dead:
                self._go(self._chooser.asking, None)
        finally:
            self._stack.close()

    def _next_to_open(self) -> int:
        """Return the main thread while it can move, then a client that has not come to wait."""
        assert self._execution is not None
        if 0 in self._options:
            return 0
        opened = set(self._tids.values())
        threads = self._execution.by_tid
        return next(t for t in self._options if t not in opened and threads[t].name.startswith("client-"))

    def _movable(self) -> list[int]:
        waiting = {self._tids[client] for client in range(len(self._mail)) if self.waits(client)}
        return [tid for tid in self._options if tid not in waiting]

    def _step(self, tid: int) -> None:
        assert self._chooser.asking is not None
        self._go(self._chooser.asking, tid)

    def _go(self, into: greenlet.greenlet, *answer: int | None) -> None:
        """Switch into the execution until it asks again or has ended."""
        self._chooser.outside = greenlet.getcurrent()
        self._options = into.switch(*answer) or []

    # -- inside --------------------------------------------------------------------------------------

    def _run(self) -> None:
        self._execution = Execution(self._chooser, {}, record=True)
        self.trace = self._runs.run(self._body, self._execution)

    def _body(self) -> None:
        system = self._target.make(fresh_dir())
        history = History()
        at_quiescence(lambda trace: judge(self._target, system, history, trace))
        threads = [
            threading.Thread(target=self._client, args=(number, system, history), name=f"client-{number}")
            for number in range(len(self._mail))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _client(self, number: int, system: Any, history: History) -> None:
        execution = virtual()
        if execution is None or execution.current is None:
            raise ExplorerError("a client was started outside of its execution")
        self._tids[number] = execution.current.tid
        while (call := self._wait(execution, number)) is not None:
            self._values += 1
            recorded = history.begin(number, call, self._values)
            history.end(recorded, self._target.perform(system, recorded))
            recorded.seen = self._target.look(system, recorded, history)

    def _wait(self, execution: Execution, number: int) -> Call | None:
        mail = self._mail[number]
        found: Call | None = execution.step(Operation(
            # Always able to move, so that the execution does not end while calls may still come.
            "client.wait", "", lambda _: mail.pop() if mail else None
        ))  # fmt: skip
        return found
