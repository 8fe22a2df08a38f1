"""When does a polling loop come back to the same wait with nothing changed in between?

A loop such as ``while True: try: q.get(timeout=1.0) except Empty: continue`` may expire at any point,
and would so make every execution infinite. After an expiry the stack of the thread is summed up; when
the thread comes back to the same wait, with the same summary, having had no effect of its own, then
nothing it could do next is new until something that it read has changed: its wait is *parked*.

The summary covers code positions and local variables, and the plain attributes reachable from them
(a counter of idle rounds is progress, not a repetition). It never keeps the program's objects alive.
"""

from __future__ import annotations

from types import FrameType, FunctionType, ModuleType
from typing import Any

_ATOMS = (int, float, str, bytes, bool, complex, type(None))
_OPAQUE = (type, FunctionType, ModuleType)
_NODES = 400


def summary(frame: FrameType | None, stop: FrameType | None) -> tuple[object, ...]:
    """Sum up the stack from `frame` outwards to `stop`: positions, locals, attributes.

    Returns a tuple that compares equal for equal situations; identity of opaque objects counts.
    """
    parts: list[object] = []
    budget = [_NODES]
    seen: set[int] = set()
    while frame is not None and frame is not stop:
        module = frame.f_globals.get("__name__", "")
        parts.append((id(frame.f_code), frame.f_lasti))
        if not module.startswith("schedule_explorer.") or ".targets." in module:
            for name, value in frame.f_locals.items():
                parts.append((name, _sum(value, budget, seen, 0)))
        frame = frame.f_back
    return tuple(parts)


def _sum(value: Any, budget: list[int], seen: set[int], depth: int) -> object:
    if isinstance(value, _ATOMS):
        return (type(value).__name__, value)
    if isinstance(value, _OPAQUE) or depth > 4:
        return id(value)
    if id(value) in seen:
        return ("seen", id(value))
    seen.add(id(value))
    budget[0] -= 1
    if budget[0] < 0:
        return object()  # too large to compare: never equal, so never parked
    if isinstance(value, (tuple, list)) or type(value).__name__ == "deque":
        return (type(value).__name__, tuple(_sum(v, budget, seen, depth + 1) for v in value))
    if isinstance(value, dict):
        return (
            "dict",
            tuple((_sum(k, budget, seen, depth + 1), _sum(v, budget, seen, depth + 1))
                  for k, v in value.items()
                  if not (isinstance(k, str) and k.startswith("_explorer"))),
        )
    if isinstance(value, (set, frozenset)):
        return ("set", frozenset(_sum(v, budget, seen, depth + 1) for v in value))
    state = getattr(value, "__dict__", None)
    module = type(value).__module__
    if isinstance(state, dict) and (not module.startswith("schedule_explorer.") or ".targets." in module):
        return (id(value), _sum(state, budget, seen, depth + 1))
    return id(value)
