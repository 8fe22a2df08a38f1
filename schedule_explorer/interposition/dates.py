"""datetime.now() and utcnow() read the virtual clock; date.today() does by itself, for it asks `time.time`.

`datetime.datetime` is written in C, and a subclass in its place would be another type: neither
``type(x) is datetime`` nor pickles would hold. Its two methods are exchanged in the dictionary of the type
itself, so that every reference to it, however early it was bound, reads the virtual clock. CPython refuses
`setattr` on such a type, but its dictionary can be had, and the interpreter be told that it changed.
"""

from __future__ import annotations

import ctypes
import gc
from datetime import UTC, datetime, tzinfo
from types import BuiltinMethodType
from typing import Any

from schedule_explorer.interposition.clock import EPOCH
from schedule_explorer.interposition.context import virtual

_METHODS: dict[str, Any] = gc.get_referents(vars(datetime))[0]
_originals: dict[str, Any] = {name: _METHODS[name] for name in ("now", "utcnow")}


def _now(cls: Any, tz: tzinfo | None = None) -> datetime:
    """Return the virtual time, local or of `tz`."""
    execution = virtual()
    if execution is None or execution.current is None:
        return _originals["now"].__get__(None, cls)(tz)  # type: ignore[no-any-return]
    execution.current.gets_on()
    return cls.fromtimestamp(execution.current.now + EPOCH, tz)  # type: ignore[no-any-return]


def _utcnow(cls: Any) -> datetime:
    """Return the virtual time in UTC, without a time zone."""
    execution = virtual()
    if execution is None or execution.current is None:
        return _originals["utcnow"].__get__(None, cls)()  # type: ignore[no-any-return]
    execution.current.gets_on()
    now = cls.fromtimestamp(execution.current.now + EPOCH, UTC)
    return now.replace(tzinfo=None)  # type: ignore[no-any-return]


def stand(value: Any) -> Any:
    """Return what stands for a bound method that was looked up before, and None for anything else."""
    if type(value) is not BuiltinMethodType or value.__name__ not in _originals:
        return None
    owner = value.__self__
    return getattr(owner, value.__name__) if isinstance(owner, type) and issubclass(owner, datetime) else None


def _exchange(methods: dict[str, Any]) -> None:
    _METHODS.update(methods)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime))


def install() -> None:
    """Let `datetime` read the virtual clock."""
    _exchange({"now": classmethod(_now), "utcnow": classmethod(_utcnow)})


def undo() -> None:
    """Let it read the real one."""
    _exchange(_originals)
