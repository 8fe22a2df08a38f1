"""Traces written by hand: "T1 store x" is an operation of thread 1."""

from __future__ import annotations

from typing import Any

from schedule_explorer.operations import ADD, READ, WRITE
from schedule_explorer.runtime import Event, Trace

MODES = {
    "load": READ, "store": WRITE, "update": WRITE, "add": ADD, "lock.acquire": WRITE, "lock.release": WRITE,
    "scandir": READ, "mkdir": WRITE, "unlink": WRITE, "thread.join": READ, "queue.join": READ,
}


def event(index: int, text: str, **changes: Any) -> Event:
    """Make an event of ``"T<tid> <kind> <key> [line]"``."""
    thread, kind, key, *line = text.split()
    tid = int(thread[1:])
    frames = (("/src/program.py", int(line[0]) if line else 100 + index, f"work{tid}"),)
    made = Event(index, tid, kind, key, ((key, MODES[kind]),), frames=frames)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def trace(*texts: str, errors: tuple[tuple[int, BaseException], ...] = ()) -> Trace:
    """Make a trace of threads 0 to 3."""
    events = [event(index, text) for index, text in enumerate(texts)]
    return Trace(events=events, errors=list(errors), thread_names=["main", "one", "two", "three"])
