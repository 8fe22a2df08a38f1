"""threading.local of virtual threads: greenlets share one OS thread, so the real one would be shared.

As in the standard library's pure Python version, the instance is given the dictionary of the calling thread
before anything is looked up in it; what follows is the ordinary lookup, descriptors and all.
"""

from __future__ import annotations

import _thread
import threading
from typing import Any
from weakref import ref

from schedule_explorer.interposition.context import virtual
from schedule_explorer.runtime import Execution

Path = tuple[int, ...]


class _Contents:
    """The dictionaries of one local, by thread, and what its class is initialized with in each."""

    __slots__ = ("dicts", "execution", "given")

    def __init__(self, execution: Execution | None, given: tuple[tuple[Any, ...], dict[str, Any]]) -> None:
        self.execution = execution
        self.given = given
        self.dicts: dict[Path, dict[str, Any]] = {}


class VirtualLocal:
    """`threading.local`: every virtual thread sees attributes of its own.

    Arguments given to a subclass go to its ``__init__`` once in every thread, as the real one does.
    """

    __slots__ = ("__dict__", "__weakref__", "_explorer_contents")
    _explorer_contents: _Contents

    def __new__(cls, /, *arguments: Any, **options: Any) -> VirtualLocal:
        if (arguments or options) and cls.__init__ is object.__init__:
            raise TypeError("Initialization arguments are not supported")
        self = super().__new__(cls)
        contents = _Contents(virtual(), (arguments, options))
        contents.dicts[_path()] = {}
        if contents.execution is not None:
            contents.execution.state.setdefault("locals", []).append(ref(self))
        object.__setattr__(self, "_explorer_contents", contents)
        return self

    def __getattribute__(self, name: str) -> Any:
        _turn(self)
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        _turn(self)
        if name == "__dict__":
            raise _read_only(self)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        _turn(self)
        if name == "__dict__":
            raise _read_only(self)
        object.__delattr__(self, name)


def forget_thread(execution: Execution, path: Path) -> None:
    """Drop what a thread that ends kept in locals, as its last act."""
    for reference in execution.state.get("locals", ()):
        local = reference()
        if local is not None:
            object.__getattribute__(local, "_explorer_contents").dicts.pop(path, None)
            object.__setattr__(local, "__dict__", {})  # it was that of whoever looked last


def _path() -> Path:
    execution = virtual()
    return execution.current.path if execution is not None and execution.current is not None else ()


def _turn(local: Any) -> None:
    """Give `local` the dictionary of the calling thread, which is made on first use there."""
    contents: _Contents = object.__getattribute__(local, "_explorer_contents")
    execution = virtual()
    if execution is not None and execution is not contents.execution:
        # The threads of an earlier execution are gone.
        contents.execution = execution
        contents.dicts = {}
        execution.state.setdefault("locals", []).append(ref(local))
    path = _path()
    mine = contents.dicts.get(path)
    if mine is not None:
        object.__setattr__(local, "__dict__", mine)
        return
    mine = contents.dicts[path] = {}
    object.__setattr__(local, "__dict__", mine)
    arguments, options = contents.given
    try:
        type(local).__init__(local, *arguments, **options)
    except BaseException:
        contents.dicts.pop(path, None)
        raise
    object.__setattr__(local, "__dict__", mine)


def _read_only(local: Any) -> AttributeError:
    return AttributeError(f"{type(local).__name__!r} object attribute '__dict__' is read-only")


# Programs and messages know the class by its own name.
VirtualLocal.__name__, VirtualLocal.__qualname__ = "_thread._local", "_local"
VirtualLocal.__module__ = "_thread"
PATCHES: list[tuple[object, str, Any]] = [
    (_thread, "_local", VirtualLocal),
    (threading, "local", VirtualLocal),
]
