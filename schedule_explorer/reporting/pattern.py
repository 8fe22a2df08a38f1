"""The name of the mistake behind a conflict, where the trace shows that it is one.

Six patterns have a name. Each is named only when every part of it is in the trace; a trace does not show
what a program meant, so that what merely looks alike gets no name:

* **lock-order inversion**: threads stand in a ring, and each holds a lock (not a condition, not a thread
  to be joined) that another one of the ring asks for: two locks or more, taken in different orders
  (Coffman, Elphick and Shoshani, 1971).
* **lost update**: T reads a variable or a file, U changes it, and T stores to the variable or empties the
  file without having read it again, in the function in which it had (Berenson and others, SIGMOD 1995, P4).
* **check-then-act**: T looks (does the file exist, is the queue empty), U changes that, and the next thing
  that T does there, in the same function, changes it too or raises T's error.
* **use after cleanup**: a file operation ended its thread because a name was missing that another thread
  had removed, and nobody had made since, or because another thread had closed the file object.
* **publish before ready**: T writes one thing and then another, which was not there, in one function; U
  sees the first one, at once looks for the other one before it is there, and fails of that.
* **split critical section**: T lets a lock go, U has it, and T takes it again in the same function and ends
  with an error, or another thread does: what T learnt in the first section was old in the second one. Only
  where the conflict is about the lock, for want of anything that both of them touch (Lu and others, ASPLOS
  2008: atomicity violation).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from schedule_explorer.operations import READ, WRITE, Key, dependent
from schedule_explorer.reporting import names as naming
from schedule_explorer.reporting.conflict import GUARDS, Conflict, observing_tail
from schedule_explorer.reporting.names import Names
from schedule_explorer.reporting.waits import wait_cycle
from schedule_explorer.runtime import Event, Frames, Trace, without_ends

#: operations whose only purpose is to know something
_LOOKS = frozenset((
    "access", "event.is_set", "file.closed", "fstat", "listdir", "load", "queue.empty", "queue.full",
    "queue.qsize", "scandir", "scandir.read", "stat",
))  # fmt: skip
_RENAMES = ("rename", "replace")
#: keys that say that a thread is over, and what else is in a directory
_NOT_SUBJECTS = ("end", "listing")


@dataclass(frozen=True)
class Pattern:
    """A named mistake.

    Attributes:
        name: the field's term, such as ``"lost update"``.
        sentence: the threads, what they did, and on which lines, without a full stop.
    """

    name: str
    sentence: str

    def __str__(self) -> str:
        return f"The pattern: {self.name}. {self.sentence}."


def find_pattern(trace: Trace, conflict: Conflict) -> Pattern | None:
    """Name what the two operations of `conflict`, or the deadlock, are an instance of; None when unsure.

    Arguments:
        trace: a failing execution, with source lines.
        conflict: what `find_conflict` chose, or the acquires of the ring of a deadlock.
    """
    names = Names(trace)
    if not trace.errors:
        return _lock_order_inversion(trace, conflict, names) or _stopped(trace, conflict, names)
    return (
        _stopped(trace, conflict, names)
        or _use_after_cleanup(trace, conflict, names)
        or _publish_before_ready(trace, conflict, names)
        or _split_section(trace, conflict, names)
    )


def _lock_order_inversion(trace: Trace, conflict: Conflict, names: Names) -> Pattern | None:
    ring = wait_cycle(trace, names)
    waits = {blocked.tid: blocked for blocked in trace.blocked}
    held = {trace.events[index].tid: trace.events[index] for index in conflict.marks}
    if len(ring) < 2 or sorted(held) != sorted(ring):
        return None
    told = []
    for tid, following in zip(ring, (*ring[1:], ring[0]), strict=True):
        kind, _, wanted = waits[tid].operation.partition(" ")
        if {kind, held[tid].kind} != {"lock.acquire"} or str(held[following].target) != wanted:
            return None
        told.append(
            f"{names.thread(tid)} took {names.target(held[tid].target)}{_at(held[tid].frames)} and then asks "
            f"for {names.target(wanted)}{_at(waits[tid].frames)}"
        )
    return Pattern("lock-order inversion", ", ".join(told))


def _stopped(trace: Trace, conflict: Conflict, names: Names) -> Pattern | None:
    """The patterns in which a thread stood still between its two operations on one thing."""
    if not conflict.stopped:
        return None
    look, change = (trace.events[index] for index in conflict.marks)
    for key in _shared(look, change):
        act = next(
            (event for event in trace.events[change.index + 1 :]
             if event.tid == look.tid and _mode(event, key) is not None),
            None,
        )  # fmt: skip
        if act is None or not _same_function(look, act):
            continue
        who, other = names.thread(look.tid), names.thread(change.tid)
        what = naming.cut(names.target(look.target), 50)
        if _writes_over(look, act, key):
            return Pattern("lost update", (
                f"{who} read {what}{_at(look.frames)}, {other} changed it{_at(change.frames)}, and "
                f"{who} wrote over that{_at(act.frames)} without having seen it"
            ))
        if look.kind in _LOOKS and _acts(act, key, change, trace):
            return Pattern("check-then-act", (
                f"{who} looked with {_operation(look, names)}{_at(look.frames)}, {other} changed that with "
                f"{_operation(change, names)}{_at(change.frames)}, and {who} went on as if it had not, with "
                f"{_operation(act, names)}{_at(act.frames)}"
            ))
    return None


def _split_section(trace: Trace, conflict: Conflict, names: Names) -> Pattern | None:
    if not conflict.stopped:
        return None
    first, other = (trace.events[index] for index in conflict.marks)
    if {first.kind, other.kind} != {"lock.acquire"} or first.target != other.target:
        return None
    again = next(
        (event for event in trace.events[other.index + 1 :]
         if event.tid == first.tid and event.kind == "lock.acquire" and event.target == first.target),
        None,
    )  # fmt: skip
    # The same line once more is the next round of a loop, which may well be whole in itself.
    if again is None or not _same_function(first, again) or first.frames[0] == again.frames[0]:
        return None
    who, lock = names.thread(first.tid), names.target(first.target)
    return Pattern("split critical section", (
        f"{who} had {lock}{_at(first.frames)} and let it go, {names.thread(other.tid)} had it"
        f"{_at(other.frames)}, and {who} took it again{_at(again.frames)}: what it had learnt may be old"
    ))


def _use_after_cleanup(trace: Trace, conflict: Conflict, names: Names) -> Pattern | None:
    for tid, error in trace.errors:
        use = next((event for event in reversed(without_ends(trace.events)) if event.tid == tid), None)
        if use is None:
            continue
        cleanup = None
        if isinstance(error, FileNotFoundError) and use.note == type(error).__name__:
            cleanup = next(filter(None, (_removal(trace, use, key) for key, _ in use.accesses)), None)
        elif isinstance(error, ValueError) and "closed file" in str(error) and use.kind.startswith("file."):
            own = {key for key, _ in use.accesses if isinstance(key, tuple) and key[0] == "file"}
            cleanup = next(
                (event for event in trace.events[: use.index]
                 if event.kind == "file.close" and own & {key for key, _ in event.accesses}),
                None,
            )  # fmt: skip
        if cleanup is None or cleanup.tid == tid or cleanup.index not in conflict.marks:
            continue
        return Pattern("use after cleanup", (
            f"{names.thread(cleanup.tid)} did {_operation(cleanup, names)}{_at(cleanup.frames)}, and after "
            f"it {names.thread(tid)} did {_operation(use, names)}{_at(use.frames)}, which raised "
            f"{type(error).__name__}"
        ))
    return None


def _removal(trace: Trace, use: Event, key: Key) -> Event | None:
    """Return the event that removed the name `key` stands for; None when it did not stay removed."""
    if not isinstance(key, tuple) or key[0] != "entry" or _mode(use, key) != READ:
        return None
    last = _last_writer(trace, key, use.index)
    if last is None or last.kind in ("unlink", "rmdir"):
        return last
    source, _, destination = str(last.target).partition(" -> ")
    source = naming.last_component(source)
    return last if last.kind in _RENAMES and source == key[2] and source != destination else None


def _publish_before_ready(trace: Trace, conflict: Conflict, names: Names) -> Pattern | None:
    for tid, error in trace.errors:
        use = _missed(trace, tid, error)
        seen = _previous(trace.events[: use.index], tid) if use is not None else None
        if use is None or seen is None:
            continue
        for key, mode in use.accesses:
            ready = next((event for event in trace.events[use.index :] if _mode(event, key)), None)
            if mode != READ or ready is None or _last_writer(trace, key, use.index) is not None:
                continue
            for published in _subjects(seen):
                first = _last_writer(trace, published, seen.index)
                if first is None or first.tid != ready.tid or not _same_function(first, ready):
                    continue
                if not {first.index, seen.index, use.index, ready.index}.issuperset(conflict.marks):
                    continue
                return Pattern("publish before ready", (
                    f"{names.thread(ready.tid)} did {_operation(first, names)}{_at(first.frames)} before "
                    f"{_operation(ready, names)}{_at(ready.frames)}; {names.thread(tid)} saw the one"
                    f"{_at(seen.frames)} and missed the other{_at(use.frames)}"
                ))
    return None


def _missed(trace: Trace, tid: int, error: BaseException) -> Event | None:
    """Return the step whose outcome thread `tid` failed of: its last one, if that only read or raised."""
    last = next((event for event in reversed(without_ends(trace.events)) if event.tid == tid), None)
    if last is None or not (last.index in observing_tail(trace) or _raised(trace, last)):
        return None
    return last if last.note == type(error).__name__ or last.kind in _LOOKS else None


def _shared(first: Event, second: Event) -> list[Key]:
    """Return the keys that `first` only read and that `second` changed."""
    return [
        key for key, mode in first.accesses
        if mode == READ and any(dependent(((key, mode),), (access,)) for access in second.accesses)
    ]  # fmt: skip


def _subjects(event: Event) -> list[Key]:
    """Return the keys of what an operation is about: of a path the last name, not those on the way to it."""
    kinds = {key: key[0] if isinstance(key, tuple) and key else None for key, _ in event.accesses}
    entries = [key for key, kind in kinds.items() if kind == "entry"]
    return [key for key, kind in kinds.items() if kind not in _NOT_SUBJECTS and key not in entries[:-1]]


def _writes_over(look: Event, act: Event, key: Key) -> bool:
    """Say whether a variable was read and stored to, or the bytes of a file read and the file emptied."""
    if isinstance(key, tuple) and key[0] == "content":
        reads = look.kind.startswith("file.read") or look.kind in ("read", "pread")
        return reads and act.kind == "open" and _mode(act, key) == WRITE
    return look.kind == "load" and act.kind == "store"


def _acts(act: Event, key: Key, change: Event, trace: Trace) -> bool:
    """Say whether an operation changed what another one had changed, or emptied that file, or raised."""
    if _raised(trace, act):
        return True
    if _mode(act, key) == READ:
        changed = [own for own, mode in act.accesses if mode != READ]
        return act.kind == "open" and any(isinstance(own, tuple) and own[0] == "content" for own in changed)
    return dependent(act.accesses, change.accesses)


def _mode(event: Event, key: Key) -> int | None:
    return next((mode for own, mode in event.accesses if own == key), None)


def _last_writer(trace: Trace, key: Key, before: int) -> Event | None:
    return next((event for event in reversed(trace.events[:before]) if _mode(event, key)), None)


def _same_function(first: Event, second: Event) -> bool:
    """Say whether two operations are written in one function; False where no line was noted."""
    return bool(first.frames and second.frames) and first.frames[0][::2] == second.frames[0][::2]


def _previous(events: list[Event], tid: int) -> Event | None:
    """Return the last of `events` that thread `tid` did and that is not on a lock."""
    own: Iterable[Event] = (event for event in reversed(events) if event.tid == tid)
    return next((event for event in own if not event.kind.startswith(GUARDS)), None)


def _raised(trace: Trace, event: Event) -> bool:
    """Say whether `event` is the step that raised the error of its thread."""
    if any(other.tid == event.tid for other in without_ends(trace.events[event.index + 1 :])):
        return False
    return any(tid == event.tid and event.note == type(error).__name__ for tid, error in trace.errors)


def _operation(event: Event, names: Names) -> str:
    return naming.cut(names.operation(event.kind, event.target), 50)


def _at(frames: Frames) -> str:
    return f" at {naming.place(frames)}" if frames else ""
