"""Greenlets that run one virtual thread after another: to make one costs more than a short thread does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import greenlet

if TYPE_CHECKING:
    from schedule_explorer.runtime.execution import Execution


#: greenlets that are kept at most
_KEPT = 64


class Workers:
    """The greenlets of the executions that one greenlet runs, their hub, one execution after the other.

    A greenlet begins at the depth of recursion of the one that switches to it first. Those that are kept are
    therefore made by the hub: were they made by each other, each would begin deeper than the last one.

    Arguments:
        lasting: some are kept for the next execution, until `close`.
    """

    __slots__ = ("_execution", "_idle", "_lasting", "_wanted", "hub")

    def __init__(self, lasting: bool = False) -> None:
        self.hub = greenlet.getcurrent()
        self._lasting = lasting
        self._execution: Execution | None = None
        self._idle: list[Any] = []
        #: how many there are to be at the start of an execution; grows when they were too few
        self._wanted = 1

    def begin(self, execution: Execution) -> None:
        """Serve `execution` from now on, which runs in the present greenlet."""
        here = greenlet.getcurrent()
        if here is not self.hub:
            self.close()
            self.hub = here
        self._execution = execution
        while self._lasting and len(self._idle) < min(self._wanted, _KEPT):
            greenlet.greenlet(self._work, self.hub).switch()

    def end(self) -> None:
        """Serve no execution."""
        self._execution = None

    def take(self) -> Any:
        """Return a greenlet that runs the present thread of the execution when it is switched to."""
        if self._idle:
            return self._idle.pop()
        assert self._execution is not None
        self._wanted += 1
        return greenlet.greenlet(self._execution.run_thread, self.hub)  # and then the hub goes on

    def close(self) -> None:
        """End those that wait for a thread; they hold themselves alive."""
        while self._idle:
            self._idle.pop().throw()

    def _work(self) -> None:
        worker = greenlet.getcurrent()
        target = self.hub
        self._idle.append(worker)
        while True:
            if target is not worker:
                target.switch()
            # A new thread knows nothing of the context variables of another.
            worker.gr_context = None
            execution = self._execution
            assert execution is not None
            execution.run_thread()
            if execution.ending:
                return  # to the hub, which ends what is left
            self._idle.append(worker)
            following = execution.next_thread()
            target = self.hub if following is None else following.greenlet
            # Nothing of an execution may stay with a worker that waits for the next one.
            execution = following = None
