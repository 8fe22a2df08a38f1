"""What a program's threads, objects and files are like between two steps, in plain values for people.

Nothing is decided by these: they are made in a run whose schedule is known, and shown in a report.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ThreadState:
    """A thread that has been started.

    Attributes:
        tid: its number.
        doing: ``"ready"``: it can perform `kind`; ``"waits"``: it cannot; ``"ended"``.
        kind, target: the operation that it has come to; empty once it has ended.
        holder: the tid of the thread that it waits for, where that is known.
    """

    tid: int
    doing: str
    kind: str = ""
    target: str = ""
    holder: int | None = None


@dataclass(frozen=True, slots=True)
class ObjectState:
    """A lock, condition, semaphore, event, queue or shared variable that has been met.

    Attributes:
        family: ``"lock"``, ``"condition"``, ``"semaphore"``, ``"event"``, ``"queue"`` or ``"variable"``.
        name: as the target of an operation names it, such as ``"Lock 0.7"``.
        value: ``"free"``, ``"held"``, ``"held 2 times"``, ``"set"``, ``"not set"``, the permits that are
            left, a value, or the number of items.
        holder: of a lock that is held, the tid of the thread that took it.
        items: of a queue, its items in the order in which it keeps them, those beyond a bound left out.
        waiting: the tids of the threads that wait for it.
    """

    family: str
    name: str
    value: str
    holder: int | None = None
    items: tuple[str, ...] = ()
    waiting: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class FileState:
    """A name below the directory of `fresh_dir` and `tempfile`.

    Attributes:
        path: from that directory on, such as ``"d0/cache/f"``; a directory ends with a slash.
        kind: ``"file"``, ``"directory"``, ``"link"`` or ``"other"``.
        size: bytes of a file, 0 for anything else.
        leads_to: of a symbolic link.
    """

    path: str
    kind: str
    size: int = 0
    leads_to: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """Everything between two steps.

    Attributes:
        threads: by tid, ascending.
        objects: in the order of their creation, locks first; see `schedule_explorer.interposition.looking`.
        files: sorted by path, a directory before what is in it.
        more_files: names beyond the bound, which were left out.
    """

    threads: tuple[ThreadState, ...] = ()
    objects: tuple[ObjectState, ...] = ()
    files: tuple[FileState, ...] = ()
    more_files: int = 0
