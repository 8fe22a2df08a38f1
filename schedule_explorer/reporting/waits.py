"""Who waits for whom at the end of an execution, and the cycle when there is one."""

from __future__ import annotations

from schedule_explorer.reporting import names as naming
from schedule_explorer.reporting.names import Names
from schedule_explorer.reporting.switches import Switches
from schedule_explorer.runtime import Blocked, Event, Trace


def wait_for_table(trace: Trace) -> str:
    """Say for every thread blocked for ever what it waits for, who holds it, and where; name the cycle."""
    names = Names(trace)
    switches = Switches(trace, names)
    shown = [blocked for blocked in trace.blocked if _stuck(blocked)] or trace.blocked
    width = max((len(names.thread(blocked.tid)) for blocked in shown), default=0)
    lines = ["threads are blocked for ever:"]
    for blocked in shown:
        kind, _, target = blocked.operation.partition(" ")
        waits = names.waiting(kind, target) + _held(blocked, names)
        lines.append(f"  {names.thread(blocked.tid):<{width}}  {waits}")
        where = naming.line_in_function(blocked.frames)
        if where:
            lines.append(f"  {'':<{width}}    at {where}")
        taken = _taken(blocked, names, switches)
        if taken is not None and taken.frames:
            place = naming.line_in_function(taken.frames)
            lines.append(f"  {'':<{width}}    held since {place}")
    cycle = wait_cycle(trace, names)
    if cycle:
        ring = " -> ".join(names.thread(tid) for tid in (*cycle, cycle[0]))
        lines.append(f"  cycle: {ring}")
    return "\n".join(lines)


def wait_cycle(trace: Trace, names: Names) -> list[int]:
    """Return the tids of threads that wait for each other in a ring, the smallest first; [] for none."""
    towards: dict[int, int] = {}
    for blocked in trace.blocked:
        holder = names.holder(blocked.holder)
        if holder is not None:
            towards[blocked.tid] = holder
    for start in sorted(towards):
        ring = [start]
        while ring[-1] in towards and towards[ring[-1]] not in ring:
            ring.append(towards[ring[-1]])
        if towards.get(ring[-1]) == start:
            return ring
    return []


def cycle_acquires(trace: Trace, names: Names, switches: Switches) -> list[int]:
    """Return the indices of the events that took what the threads of the cycle wait for, ascending."""
    cycle = wait_cycle(trace, names)
    found = set()
    for blocked in trace.blocked:
        taken = _taken(blocked, names, switches) if blocked.tid in cycle else None
        if taken is not None:
            found.add(taken.index)
    return sorted(found)


def _stuck(blocked: Blocked) -> bool:
    """A daemon waiting for work, and a thread that polls, are not what keeps the program from ending."""
    if blocked.daemon:
        return bool(blocked.holder)
    return blocked.tid == 0 or blocked.pending.timeout is None


def _held(blocked: Blocked, names: Names) -> str:
    holder = names.holder(blocked.holder)
    if holder is None or blocked.operation.startswith("thread.join "):
        return ""
    return f", held by {names.thread(holder)}"


def _taken(blocked: Blocked, names: Names, switches: Switches) -> Event | None:
    """Find the acquire that keeps a thread blocked; None when it does not wait for a lock."""
    gate, holder = blocked.pending.gate, names.holder(blocked.holder)
    if holder is None or gate is None:
        return None
    return switches.taken_at(gate[0], holder)
