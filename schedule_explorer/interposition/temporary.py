"""The directory that `tempfile` puts things in: an empty one in every execution, removed at its end.

The names of temporary files are the same in every execution. What a body leaves behind would be met by the
next one under the very name that it tries first, and would pile up for real.
"""

from __future__ import annotations

import tempfile
from typing import Any

from schedule_explorer.interposition.clock import EPOCH
from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.filesystem import _make_root
from schedule_explorer.interposition.paths import real, world_of

#: what its inode is called; the root is 1, and what threads make is above 2**32
_INODE = 2


def _gettempdir() -> Any:
    execution = virtual()
    if execution is None or tempfile.tempdir != _usual:
        # The program has named a directory of its own.
        return _real_gettempdir()
    path = execution.state.get("temporary directory")
    if path is not None:
        return path
    world = world_of(execution)
    if not world.root:
        _make_root(execution)
    path = execution.state["temporary directory"] = f"{world.root}/tmp"
    real["mkdir"](path, 0o700)
    status = real["lstat"](path)
    # Not named after the thread that asks first: which one does depends on the schedule.
    world.inodes[(status.st_dev, status.st_ino)] = _INODE
    then = round(EPOCH * 1e9)
    world.times[_INODE] = (then, then, then)
    return path


_real_gettempdir: Any = tempfile._gettempdir  # type: ignore[attr-defined]
# Looked for once a process, which must not be in the first execution.
_usual = tempfile.gettempdir()
PATCHES: list[tuple[object, str, Any]] = [(tempfile, "_gettempdir", _gettempdir)]
