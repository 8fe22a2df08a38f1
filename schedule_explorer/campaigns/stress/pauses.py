"""Pauses at the points that the explorer interposes: calls on files, and on the locks of `threading`.

The real calls are made, by the thread that makes them, when it comes to them: a pause before and after lets
others in. Calls of the thread that runs the loop are not touched. A function that a module bound early
(``from os import rename``) is not met; neither is a lock made before.
"""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable
from typing import Any

from schedule_explorer.campaigns.stress.runs import CLIENT
from schedule_explorer.interposition import files, filesystem, tensor_files

_sleep = time.sleep
_ident = threading.get_ident
#: `current_thread` would make an object for a thread that has only begun, and that takes a lock
_threads: dict[int, threading.Thread] = threading._active  # type: ignore[attr-defined]
_lock = threading.Lock


def points() -> list[tuple[Any, str]]:
    """Return every function on files that is interposed, as the module that has it and its name there."""
    patches = (*filesystem.PATCHES, *files.PATCHES, *tensor_files.PATCHES)
    found = ((owner, name) for owner, name, _ in patches if inspect.ismodule(owner))
    return [(owner, name) for owner, name in found if inspect.isroutine(getattr(owner, name, None))]


class Pauses:
    """A context manager that puts pauses in.

    Arguments:
        pause: called with whether the thread is a client, returns the seconds to sleep, 0 to let others run,
            or None for no pause.
        locks: also at the locks that are made meanwhile.
    """

    def __init__(self, pause: Callable[[bool], float | None], *, locks: bool) -> None:
        self._pause = pause
        self._locks = locks
        self._spared = -1
        self._usual: list[tuple[Any, str, Any]] = []

    def __enter__(self) -> None:
        self._spared = _ident()
        for owner, name in points():
            self._exchange(owner, name, self._paused(getattr(owner, name)))
        if self._locks:
            self._exchange(threading, "Lock", lambda: PausingLock(self.point))

    def __exit__(self, *exc: object) -> None:
        while self._usual:
            owner, name, value = self._usual.pop()
            setattr(owner, name, value)

    def _exchange(self, owner: Any, name: str, value: Any) -> None:
        self._usual.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    def point(self) -> None:
        """Pause here, or do not."""
        ident = _ident()
        if ident != self._spared:
            thread = _threads.get(ident)
            seconds = self._pause(thread is not None and thread.name.startswith(CLIENT))
            if seconds is not None:
                _sleep(seconds)

    def _paused(self, real: Callable[..., Any]) -> Callable[..., Any]:
        point = self.point

        def paused(*arguments: Any, **keywords: Any) -> Any:
            point()
            try:
                return real(*arguments, **keywords)
            finally:
                point()

        return paused


class PausingLock:
    """A lock of `threading` with a pause before it is taken and after it is let go."""

    def __init__(self, point: Callable[[], None]) -> None:
        self._point = point
        self._real = _lock()
        self.locked = self._real.locked

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As the real one."""
        self._point()
        return self._real.acquire(blocking, timeout)

    def release(self) -> None:
        """As the real one."""
        self._real.release()
        self._point()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc: object) -> None:
        self.release()

    def _at_fork_reinit(self) -> None:
        self._real = _lock()
        self.locked = self._real.locked
