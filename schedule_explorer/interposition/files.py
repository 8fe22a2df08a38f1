"""open() and what else of the standard library makes and removes files."""

from __future__ import annotations

import builtins
import bz2
import io
import os
import stat as stats
import tarfile
import tempfile
from collections.abc import Iterator
from typing import Any

from schedule_explorer.interposition import descriptors, file_layers, file_locks
from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.descriptors import _opened
from schedule_explorer.interposition.file_objects import FileIO, RawFile, wrapped
from schedule_explorer.interposition.paths import real
from schedule_explorer.interposition.stdlib_defaults import with_defaults

__all__ = ["PATCHES", "_opened"]

_real_open = io.open
_checked: set[tuple[Any, ...]] = set()


def _check(mode: Any, buffering: Any, encoding: Any, errors: Any, newline: Any) -> None:
    """Refuse what the real open() refuses before it opens anything, in its own words."""
    key = (mode, encoding is None, errors is None, newline is None)
    if isinstance(mode, str) and isinstance(buffering, int) and key in _checked and buffering != 1:
        return
    _real_open(
        os.devnull, mode.replace("x", "w") if isinstance(mode, str) else mode,
        buffering if not isinstance(buffering, int) or buffering == 1 else -1,
        None if encoding is None else "ascii", None if errors is None else "strict",
        None if newline is None else "",
    ).close()
    _checked.add(key)


def _open(file: Any, mode: str = "r", buffering: int = -1, encoding: str | None = None,
          errors: str | None = None, newline: str | None = None, closefd: bool = True,
          opener: Any = None) -> Any:
    execution = virtual()
    if execution is None or not isinstance(file, (int, str, bytes, os.PathLike)):
        return _real_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
    if isinstance(file, int) and not descriptors.controlled(execution, file):
        return _real_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
    if execution.ending:
        raise OSError("the execution is over")
    _check(mode, buffering, encoding, errors, newline)
    raw = RawFile(file if isinstance(file, int) else os.fspath(file), mode.replace("b", "").replace("t", ""),
                  closefd, opener)
    text = None
    if "b" not in mode:
        device = buffering < 0 and stats.S_ISCHR(real["fstat"](raw._explorer.fd).st_mode)
        text = (encoding, errors, newline, buffering == 1 or (device and raw.isatty()))
    if buffering == 0:
        if text is not None:
            raw.close()
            raise ValueError("can't have unbuffered text I/O")
        return raw
    return wrapped(execution, raw, buffering if buffering > 1 else raw._blksize, mode, text)


# -- what the standard library bound early -----------------------------------------------------------------


def _candidate_names() -> Any:
    """The names that `tempfile` tries: of the thread and its own count, where the real ones are random."""
    execution = virtual()
    if execution is None:
        return _real_candidate_names()

    def names() -> Iterator[str]:
        while True:
            tid, count = execution.new_id()
            yield f"{tid:02x}{count:06x}"

    return names()


_real_candidate_names: Any = tempfile._get_candidate_names  # type: ignore[attr-defined]


def _late_unlink(*arguments: Any, **options: Any) -> Any:
    return os.unlink(*arguments, **options)


PATCHES: list[tuple[object, str, Any]] = [
    (io, "open", _open),
    (io, "FileIO", FileIO),
    *file_layers.PATCHES,
    (builtins, "open", _open),
    (bz2, "_builtin_open", _open),
    (tarfile, "bltn_open", _open),
    (tempfile, "_get_candidate_names", _candidate_names),
    *descriptors.PATCHES,
    *file_locks.PATCHES,
]
_CLOSER: Any = getattr(tempfile, "_TemporaryFileCloser", None)
for _name in ("close", "cleanup"):
    if _CLOSER is not None and _name in vars(_CLOSER):
        PATCHES.append((_CLOSER, _name, with_defaults(vars(_CLOSER)[_name], {os.unlink: _late_unlink})))
