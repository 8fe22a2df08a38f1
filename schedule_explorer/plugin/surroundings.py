"""What pytest puts around a test: output, logs, warnings and temporary directories, anew in each execution.

pytest gathers them over a whole phase, which here is thousands of executions.
"""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import _pytest.capture
import pytest
from _pytest.fixtures import FixtureDef
from _pytest.logging import caplog_handler_key, caplog_records_key
from _pytest.tmpdir import TempPathFactory

from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.filesystem import fresh_dir

# The name may stand for a step while executions run.
_bytes = io.BytesIO
_made_for_real = TempPathFactory.mktemp
#: Of an execution only Python writes to standard output: ``capfd`` need not exchange descriptors, which
#: would be steps.
_CAPTURES = {"FDCapture": _pytest.capture.SysCapture, "FDCaptureBinary": _pytest.capture.SysCaptureBinary}


class Surroundings:
    """Of one test. `exploring` goes around all executions, `begin` and `phase` belong to each of them."""

    def __init__(self, item: pytest.Function) -> None:
        self._item = item
        self._logging: Any = item.config.pluginmanager.get_plugin("logging-plugin")
        self._warned: list[Any] = []
        #: every warning once: a module may warn of one thing in its first execution only
        self._told: dict[tuple[Any, ...], Any] = {}

    @contextmanager
    def exploring(self) -> Iterator[None]:
        """Gather what the executions write and warn of; hand on what the last one did."""
        out, err = sys.stdout, sys.stderr
        factory: Any = TempPathFactory
        factory.mktemp = _mktemp
        captures = {name: getattr(_pytest.capture, name) for name in _CAPTURES}
        vars(_pytest.capture).update(_CAPTURES)
        try:
            with warnings.catch_warnings(record=True) as warned:
                self._warned = warned
                yield
        finally:
            factory.mktemp = _made_for_real
            vars(_pytest.capture).update(captures)
            written = [_written(stream) for stream in (sys.stdout, sys.stderr)]
            sys.stdout, sys.stderr = out, err
            out.write(written[0])
            err.write(written[1])
        self._note_warnings()
        for each in self._told.values():
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)

    def begin(self) -> None:
        """Forget what the last execution has left."""
        sys.stdout, sys.stderr = _stream(), _stream()
        self._note_warnings()
        if self._logging is not None:
            self._logging.report_handler.reset()

    def _note_warnings(self) -> None:
        for each in self._warned:
            self._told.setdefault((str(each.message), each.category, each.filename, each.lineno), each)
        self._warned.clear()

    def phase(self, when: str) -> None:
        """Let ``caplog`` begin anew, as it does for set-up, call and teardown."""
        if self._logging is not None:
            handler = self._item.stash[caplog_handler_key]
            handler.reset()
            self._item.stash[caplog_records_key][when] = handler.records

    def value_of(self, definition: FixtureDef[Any]) -> object:
        """Return what stands for one of pytest's own fixtures; None: nothing does."""
        home = getattr(definition.func, "__module__", "")
        if definition.argname == "tmp_path" and home == "_pytest.tmpdir":
            return fresh_dir()
        if definition.argname == "subtests" and home == "_pytest.subtests":
            return _Subtests()
        return None


class _Subtests:
    """pytest reports a failed subtest at once; here it is a failed execution."""

    @contextmanager
    def test(self, msg: str | None = None, **kwargs: Any) -> Iterator[None]:
        yield


def _mktemp(factory: TempPathFactory, basename: str, numbered: bool = True) -> Path:
    if virtual() is None:
        return _made_for_real(factory, basename, numbered)
    path = fresh_dir() / basename
    path.mkdir()
    return path


class _Stream(io.TextIOWrapper):
    """Standard output, in memory."""


def _stream() -> _Stream:
    return _Stream(_bytes(), encoding="utf-8", errors="replace", newline="", write_through=True)


def _written(stream: Any) -> str:
    if not isinstance(stream, _Stream) or stream.closed:
        return ""
    held: Any = stream.buffer
    return str(held.getvalue().decode("utf-8", "replace"))
