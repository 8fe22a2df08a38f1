"""What a child that was forked must not keep of its parent, and how it knows that it is a child.

A child has a copy of every descriptor, for as long as it lives: that of a session's lock, which then outlives
its owner, and that of a file that is being written, whose blocks stay when the file is removed. So it closes
those as it begins. One is known when it is in `DESCRIPTORS` or has a `Descriptor`; between the system call
and that, a fork would copy one that nobody knows. So forks wait for those few steps (`begin`, `end`), and
those for forks, which both do by looking and sleeping: a lock would let one hanging disk stop all others.
"""

from __future__ import annotations

import os
import sys
import time
import weakref
from threading import get_ident

#: seconds that a fork waits for a disk that hangs; its child may keep a descriptor then
LONGEST = 1.0
_PAUSE = 0.0005

#: another object in every process
process = object()
#: descriptors of files, entered and taken out between `begin` and `end`
DESCRIPTORS: set[int] = set()
_known: weakref.WeakSet[Descriptor] = weakref.WeakSet()
#: what is between `begin` and `end`, and on which thread
_busy: dict[object, int] = {}
#: threads that fork
_forking: set[int] = set()


def begin(key: object) -> None:
    """Keep forks of other threads off, until `end` of the same key: for a system call and its entry."""
    _busy[key] = get_ident()
    # Entered before it looks, and a fork the other way round: one of the two sees the other.
    deadline = None
    while _forking and get_ident() not in _forking:
        _busy.pop(key, None)
        now = time.monotonic()
        deadline = now + LONGEST if deadline is None else deadline
        if now > deadline:
            break
        time.sleep(_PAUSE)
        _busy[key] = get_ident()


def end(key: object) -> None:
    """Let forks go on. Harmless without a `begin`, so that it can be in a ``finally`` around that."""
    _busy.pop(key, None)


class Descriptor:
    """A descriptor that has one owner: it is closed with this object, and in a child at once.

    Attributes:
        fd: -1 before it is opened, and after it was closed.
    """

    __slots__ = ("__weakref__", "_close", "fd")

    def __init__(self) -> None:
        self.fd = -1
        # Whatever `os` is when the collector closes it: it is opened by the `os` of now.
        self._close = os.close
        _known.add(self)

    def open(self, path: str, flags: int) -> None:
        """Open it.

        Raises:
            OSError: it cannot be.
        """
        key = object()
        try:
            begin(key)
            self.fd = os.open(path, flags)
        finally:
            end(key)

    def close(self) -> None:
        """Close it, once."""
        key = object()
        try:
            begin(key)
            fd, self.fd = self.fd, -1
            if fd >= 0:
                self._close(fd)
        finally:
            end(key)

    def __del__(self, at_exit: object = sys.is_finalizing) -> None:
        # At the end of the process the system closes it, and this module may be gone.
        if getattr(self, "fd", -1) >= 0 and not at_exit():  # type: ignore[operator]
            self.close()


def _before() -> None:
    me = get_ident()
    _forking.add(me)
    deadline = time.monotonic() + LONGEST
    while any(thread != me for thread in list(_busy.values())) and time.monotonic() < deadline:
        time.sleep(_PAUSE)


def _after_in_parent() -> None:
    _forking.discard(get_ident())


def _after_in_child() -> None:
    global process
    process = object()
    _forking.clear()
    _busy.clear()
    for descriptor in list(_known):
        descriptor.close()
    while DESCRIPTORS:
        try:
            os.close(DESCRIPTORS.pop())
        except OSError:
            pass


os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
