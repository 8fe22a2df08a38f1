"""Where the chunks of a campaign run: processes of this machine, or this very thread."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from schedule_explorer.campaigns.work import PlainFlag, begin_worker, heed

P = ParamSpec("P")
T = TypeVar("T")


class InProcess(Executor):
    """Runs what is submitted at once, on the calling thread."""

    def __init__(self) -> None:
        self._stop = PlainFlag()

    def stop(self) -> None:
        """End the work under way after the present execution; work submitted later does nothing."""
        self._stop.set()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run `fn`, and return what came of it. Ctrl-C is not kept for later."""
        heed(self._stop)
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class _Worker(SpawnProcess):
    """A process that is born with Ctrl-C held back: that is the parent's to handle from the beginning."""

    def start(self) -> None:
        """Start it; one that comes meanwhile reaches the parent afterwards."""
        # It is begun with the first process, and lets the signal through again when it was.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Spawning(SpawnContext):
    Process = _Worker


class ProcessPool:
    """Worker processes that can be told to stop; a context manager around their executor.

    They are spawned, not forked: the same on Linux and macOS, and nothing of the parent's threads in them.

    Arguments:
        processes: how many.

    Attributes:
        executor: takes the work.
        processes: how many.
    """

    def __init__(self, processes: int) -> None:
        if processes < 1:
            raise ValueError(f"processes is {processes}: give 1 or more")
        context: Any = _Spawning()
        self._stop = context.Event()
        self.processes = processes
        self.executor: Executor = ProcessPoolExecutor(
            processes, mp_context=context, initializer=begin_worker, initargs=(self._stop,)
        )

    def stop(self) -> None:
        """Let every worker return after the execution under way. Work submitted later does nothing."""
        self._stop.set()

    def __enter__(self) -> ProcessPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.stop()
        self.executor.shutdown(cancel_futures=True)
