"""threading.local of virtual threads: greenlets share one OS thread, so the real one would be shared."""

from __future__ import annotations

import threading
from typing import Any

from schedule_explorer.interposition.context import virtual


class VirtualLocal:
    """`threading.local`: every virtual thread sees attributes of its own.

    Arguments given to a subclass go to its ``__init__`` once in every thread, as the real one does.
    """

    def __new__(cls, *arguments: Any, **options: Any) -> VirtualLocal:
        self = super().__new__(cls)
        object.__setattr__(self, "_explorer_made", (arguments, options))
        object.__setattr__(self, "_explorer_dicts", {(): {}})
        return self

    def _mine(self) -> dict[str, Any]:
        execution = virtual()
        path = execution.current.path if execution is not None and execution.current is not None else ()
        dicts: dict[tuple[int, ...], dict[str, Any]] = object.__getattribute__(self, "_explorer_dicts")
        if path not in dicts:
            dicts[path] = {}
            arguments, options = object.__getattribute__(self, "_explorer_made")
            type(self).__init__(self, *arguments, **options)
        return dicts[path]

    def __getattribute__(self, name: str) -> Any:
        if name == "__dict__":
            return VirtualLocal._mine(self)
        if not name.startswith("__") and name != "_mine":
            mine = VirtualLocal._mine(self)
            if name in mine:
                return mine[name]
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        VirtualLocal._mine(self)[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del VirtualLocal._mine(self)[name]
        except KeyError:
            raise AttributeError(name) from None


PATCHES: list[tuple[object, str, Any]] = [(threading, "local", VirtualLocal)]
