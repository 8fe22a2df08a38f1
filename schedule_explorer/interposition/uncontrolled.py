"""Calls that no step can stand for: the exploration stops and names them.

A mapping is read and written without a call; a process that is started reads and writes files by itself; a
named pipe blocks for real.
"""

from __future__ import annotations

import _posixsubprocess
import mmap
import os
import subprocess
from typing import Any

from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.paths import real, refuse, world_of

_RealMapping: Any = mmap.mmap


def _refused(text: str, original: Any) -> Any:
    def call(*arguments: Any, **options: Any) -> Any:
        if virtual() is not None:
            refuse(text)
        return original(*arguments, **options)

    call.__name__ = text
    return call


class _Standing(type):
    """Stands for `mmap.mmap`: mappings that were there before are instances too."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, _RealMapping)


def _mapping(cls: Any, fileno: int, *arguments: Any, **options: Any) -> Any:
    execution = virtual()
    if execution is not None and fileno in world_of(execution).descriptors:
        refuse("mmap.mmap() of a file that was opened in the body")
    return _RealMapping(fileno, *arguments, **options)


_Mapping = _Standing("mmap", (_RealMapping,), {"__new__": _mapping, "__module__": "mmap"})

PATCHES: list[tuple[object, str, Any]] = [
    (os, name, _refused(f"os.{name}()", real[name]))
    for name in ("mkfifo", "mknod", "chroot", "fork", "forkpty", "posix_spawn", "posix_spawnp", "system")
    if name in real
]
PATCHES.append((mmap, "mmap", _Mapping))
_fork: Any = getattr(subprocess, "_fork_exec", None) or getattr(_posixsubprocess, "fork_exec", None)
for _owner, _name in ((subprocess, "_fork_exec"), (_posixsubprocess, "fork_exec")):
    if hasattr(_owner, _name):
        PATCHES.append((_owner, _name, _refused("starting a process", _fork)))
