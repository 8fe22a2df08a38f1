"""The classes of `io` that a program puts around a file object by hand.

Around a file object of the execution they become what `open` makes: layers that share its record, so that
every call is an operation. Around anything else they are real. A class that the program derived from one
before the exploration cannot be changed: it is refused where it would get hold of a file object, or open one.
"""

from __future__ import annotations

import io
import sys
import weakref
from typing import Any

from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.file_calls import Record, run
from schedule_explorer.interposition.file_objects import Random, RawFile, Reader, Text, Writer, _record, keep
from schedule_explorer.interposition.file_steps import refuse
from schedule_explorer.runtime import Execution, site_text, user_frames

_LAYERS: dict[Any, Any] = {
    io.BufferedReader: Reader, io.BufferedWriter: Writer, io.BufferedRandom: Random, io.TextIOWrapper: Text,
}
_KINDS = (RawFile, *_LAYERS.values())
_FileIO: Any = io.FileIO
_Text: Any = io.TextIOWrapper
_Pair: Any = io.BufferedRWPair


def _of(file: Any) -> Record | None:
    """Return the record of a file object of the present execution."""
    return _record(file) if issubclass(type(file), _KINDS) else None


def _first(arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    return arguments[0] if arguments else options.get("raw", options.get("buffer"))


class _Standing(type):
    """Stands for a class of `io`: its instances, also those from before, are instances of this one too.

    Attributes:
        real: the class.
    """

    real: Any

    def __call__(cls, *arguments: Any, **options: Any) -> Any:
        """Make an object; a real one where there is nothing to control."""
        if "real" in vars(cls) and not any(map(_of, (*arguments, *options.values()))):
            return cls.real(*arguments, **options)
        return super().__call__(*arguments, **options)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.real) if "real" in vars(cls) else super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: Any) -> bool:
        return issubclass(subclass, cls.real) if "real" in vars(cls) else super().__subclasscheck__(subclass)


def _standing(real: Any, layer: Any, init: Any) -> Any:
    members = {"__init__": init, "__module__": "_io", "__qualname__": real.__name__, "real": real}
    return _Standing(real.__name__, (layer,), members)


def _layer(real: Any) -> Any:
    """Return what makes a layer: a step of its own, for the offset is looked at."""

    def init(self: Any, *arguments: Any, **options: Any) -> None:
        file = _first(arguments, options)
        record = _of(file)
        if record is None or record.busy_here():
            real.__init__(self, *arguments, **options)
            return

        def make() -> None:
            real.__init__(self, *arguments, **options)
            self._explorer = record
            record.unguarded = 1 if real is _Text else 0

        run(record, real.__name__, make)
        _look_for_another(record.execution, file)
        file.__dict__["_explorer_layer"] = weakref.ref(self)
        keep(record.execution, self)

    return init


def _look_for_another(execution: Execution, file: Any) -> None:
    """Two layers around one file object have locks of their own, and here they share one."""
    found = file.__dict__.get("_explorer_layer")
    other = found() if found is not None else None
    if other is None:
        return
    try:
        held = other.buffer if issubclass(type(other), Text) else other.raw
    except (AttributeError, ValueError):
        return  # it was detached
    if held is file:
        where = site_text(user_frames(sys._getframe(1), 50))
        execution.trace.unmodelled.add(
            f"a second buffer or text layer is put around one file object at {where}: its calls are not "
            "interleaved with those of the first; detach that before"
        )


def _pair(self: Any, *arguments: Any, **options: Any) -> None:
    if any(map(_of, (*arguments, *options.values()))):
        refuse("io.BufferedRWPair() of a file that was opened in the body")
    _Pair.__init__(self, *arguments, **options)


def guard(cls: Any, real: Any) -> Any:
    """Return an ``__init__`` for a class that was derived from `real` before the exploration."""
    original = cls.__init__

    def init(self: Any, *arguments: Any, **options: Any) -> None:
        if virtual() is not None and (
            real is _FileIO or any(map(_of, (*arguments, *options.values())))
        ):
            refuse(
                f"an object of {cls.__qualname__}, which was derived from io.{real.__name__} before the "
                "exploration (derive it in the body, or use the class itself),"
            )
        original(self, *arguments, **options)

    return init


PATCHES: list[tuple[object, str, Any]] = [
    *[(io, real.__name__, _standing(real, layer, _layer(real))) for real, layer in _LAYERS.items()],
    (io, "BufferedRWPair", _standing(_Pair, _Pair, _pair)),
]
#: a class derived from one of these before the exploration is guarded; by ``id``
GUARDED: dict[int, Any] = {id(real): real for real in (_FileIO, *_LAYERS, _Pair)}
