"""Calls that no step can stand for: the exploration stops and names them.

A mapping is read and written without a call; a process that is started reads and writes files by itself; a
pipe blocks for real, and so does a terminal.
"""

from __future__ import annotations

import _posixsubprocess
import mmap
import os
import subprocess
import sys
import threading
from functools import partial
from typing import Any

from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.file_steps import refuse
from schedule_explorer.interposition.paths import real, world_of
from schedule_explorer.runtime import Execution

_RealMapping: Any = mmap.mmap


def _refused(text: str, original: Any) -> Any:
    def call(*arguments: Any, **options: Any) -> Any:
        if virtual() is not None:
            refuse(text)
        return original(*arguments, **options)

    call.__name__ = text
    return call


def _hooking(name: str) -> Any:
    """Keep a trace function for threads, which no virtual thread can have: they share one real thread."""
    original = getattr(threading, name)
    kept = f"_{name.removeprefix('set').removesuffix('_all_threads')}_hook"

    def call(func: Any) -> None:
        execution = virtual()
        if execution is not None:
            hooks: dict[str, str] = execution.state.setdefault("thread hooks", {})
            hooks.pop(kept, None)
            if func is not None:
                if name.endswith("_all_threads") or any(
                    not thread.finished for thread in execution.threads if thread is not execution.current
                ):
                    refuse(f"threading.{name}() beside other threads")
                hooks[kept] = name
                execution.at_end.append(partial(setattr, threading, kept, getattr(threading, kept)))
        original(func)

    call.__name__ = name
    return call


def refuse_hooks(execution: Execution) -> None:
    """Refuse the start of a thread that would call a trace function."""
    for name in execution.state.get("thread hooks", {}).values():
        refuse(f"a thread after threading.{name}()")


def _pipe() -> tuple[int, int]:
    if virtual() is not None:
        # Who starts a process makes pipes to it first.
        starts = sys._getframe(1).f_globals.get("__name__") == "subprocess"
        refuse("starting a process" if starts else "os.pipe()")
    return real["pipe"]()  # type: ignore[no-any-return]


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
    for name in ("mkfifo", "mknod", "chroot", "fork", "forkpty", "posix_spawn", "posix_spawnp", "system",
                 "pipe2", "openpty", "eventfd", "memfd_create")
    if name in real
]
PATCHES += [(os, "pipe", _pipe), (mmap, "mmap", _Mapping)]
PATCHES += [
    (threading, name, _hooking(name))
    for name in ("settrace", "setprofile", "settrace_all_threads", "setprofile_all_threads")
    if hasattr(threading, name)
]
_fork: Any = getattr(subprocess, "_fork_exec", None) or getattr(_posixsubprocess, "fork_exec", None)
for _owner, _name in ((subprocess, "_fork_exec"), (_posixsubprocess, "fork_exec")):
    if hasattr(_owner, _name):
        PATCHES.append((_owner, _name, _refused("starting a process", _fork)))
