"""The virtual clock: sleeping and the time of day move only with the explorer.

Each thread reads its own causal time (see `Execution`): equivalent executions read the same values. What
counts the processor's time stands still. The classes of `datetime` are in `dates`.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import Any

from schedule_explorer.interposition.context import virtual
from schedule_explorer.operations import Operation

#: what time.time() answers at the start of every execution, in seconds
EPOCH = 1_700_000_000.0
#: what the clocks without a zero answer then
ORIGIN = 1000.0
#: the longest sleep that CPython can count, with something to spare
_LONGEST = 9.2e9


def _sleep(seconds: Any) -> None:
    execution = virtual()
    if execution is None or not isinstance(seconds, (int, float)) or not 0 <= seconds < _LONGEST:
        if execution is None or not hasattr(seconds, "__index__") or not 0 <= seconds.__index__() < _LONGEST:
            return _real["sleep"](seconds)  # type: ignore[no-any-return]  # in a virtual thread it raises
        seconds = seconds.__index__()
    # Less than the clock's grain would not move it, and a loop up to a deadline would not end.
    limit = max(float(seconds), 1e-9) if seconds else 0.0
    execution.step(Operation("sleep", f"{seconds:g} s", _nothing, _never, timeout=limit))
    return None


def _nothing(operation: Operation) -> None:
    return None


def _never() -> bool:
    return False


def _reader(name: str, offset: float, nanoseconds: bool) -> Any:
    def read() -> float | int:
        execution = virtual()
        if execution is None or execution.current is None:
            return _real[name]()  # type: ignore[no-any-return]
        execution.current.gets_on()
        now = execution.current.now + offset
        return round(now * 1e9) if nanoseconds else now

    read.__name__ = name
    return read


def _still(name: str) -> Any:
    def read() -> float | int:
        if virtual() is None:
            return _real[name]()  # type: ignore[no-any-return]
        return 0 if name.endswith("_ns") else 0.0

    read.__name__ = name
    return read


def _clock_reader(name: str) -> Any:
    def read(clock: int) -> float | int:
        execution = virtual()
        if execution is None or execution.current is None:
            return _real[name](clock)  # type: ignore[no-any-return]
        _real[name](clock)  # an unknown clock is refused
        execution.current.gets_on()
        now = execution.current.now + (EPOCH if clock == time.CLOCK_REALTIME else ORIGIN)
        return round(now * 1e9) if name.endswith("_ns") else now

    read.__name__ = name
    return read


def _broken_down(name: str, arity: int) -> Any:
    """Wrap a function that takes the present time when its last argument is left out."""

    def call(*arguments: Any) -> Any:
        execution = virtual()
        if execution is not None and execution.current is not None and len(arguments) < arity:
            execution.current.gets_on()
            now = execution.current.now + EPOCH
            missing = now if name in ("localtime", "gmtime", "ctime") else _real["localtime"](now)
            return _real[name](*arguments, missing)
        if execution is not None and execution.current is not None and arguments[-1:] == (None,):
            return call(*arguments[:-1])
        return _real[name](*arguments)

    call.__name__ = name
    return call


_NAMES = {"monotonic": ORIGIN, "perf_counter": ORIGIN, "time": EPOCH}
_real: dict[str, Any] = {"sleep": time.sleep}
PATCHES: list[tuple[object, str, Any]] = [(time, "sleep", _sleep)]


def _patch(name: str, replacement: Any) -> None:
    if hasattr(time, name):
        _real[name] = getattr(time, name)
        PATCHES.append((time, name, replacement))


for _name, _offset in _NAMES.items():
    for _suffix in ("", "_ns"):
        _patch(_name + _suffix, _reader(_name + _suffix, _offset, bool(_suffix)))
for _name in ("process_time", "process_time_ns", "thread_time", "thread_time_ns"):
    _patch(_name, _still(_name))
for _name in ("clock_gettime", "clock_gettime_ns"):
    _patch(_name, _clock_reader(_name))
for _name, _arity in (("localtime", 1), ("gmtime", 1), ("ctime", 1), ("asctime", 1), ("strftime", 2)):
    _patch(_name, _broken_down(_name, _arity))
# Both bound the clock early.
PATCHES += [(threading, "_time", _reader("monotonic", ORIGIN, False)),
            (queue, "time", _reader("monotonic", ORIGIN, False))]
