"""The virtual clock: sleeping and the time of day move only with the explorer.

Each thread reads its own causal time (see `Execution`): equivalent executions read the same values.
"""

from __future__ import annotations

import time
from typing import Any

from schedule_explorer.interposition.context import virtual
from schedule_explorer.operations import Operation

#: what time.time() answers at the start of every execution, in seconds
EPOCH = 1_700_000_000.0


def _sleep(seconds: float) -> None:
    execution = virtual()
    if execution is None:
        _real["sleep"](seconds)
        return
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    execution.step(
        Operation("sleep", f"{seconds:g} s", lambda _: None, lambda: False, timeout=float(seconds))
    )


def _reader(name: str, offset: float, nanoseconds: bool) -> Any:
    def read() -> float | int:
        execution = virtual()
        if execution is None or execution.current is None:
            return _real[name]()  # type: ignore[no-any-return]
        now = execution.current.now + offset
        return round(now * 1e9) if nanoseconds else now

    read.__name__ = name
    return read


_NAMES = {"monotonic": 1000.0, "perf_counter": 1000.0, "time": EPOCH}
_real: dict[str, Any] = {"sleep": time.sleep}
PATCHES: list[tuple[object, str, Any]] = [(time, "sleep", _sleep)]
for _name, _offset in _NAMES.items():
    for _suffix in ("", "_ns"):
        _real[_name + _suffix] = getattr(time, _name + _suffix)
        PATCHES.append((time, _name + _suffix, _reader(_name + _suffix, _offset, bool(_suffix))))
