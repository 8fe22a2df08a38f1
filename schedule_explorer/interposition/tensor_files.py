"""safetensors: a tensor file is written in two steps, first short, then whole.

The real function runs once, onto a scratch file that no program sees; its bytes then go to the real path
through one descriptor, so that a rename or removal between the two steps acts as on a real disk.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

import safetensors

from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.files import _opened, _opening
from schedule_explorer.interposition.filesystem import Place, content, followed, real, step
from schedule_explorer.operations import READ, WRITE, Operation

_real_serialize_file: Any = safetensors.serialize_file
_real_safe_open: Any = safetensors.safe_open


def _serialize_file(tensor_dict: Any, filename: Any, metadata: Any = None) -> None:
    execution = virtual()
    if execution is None:
        _real_serialize_file(tensor_dict, filename, metadata)
        return
    descriptor, scratch = _scratch()
    try:
        _real_serialize_file(tensor_dict, scratch, metadata)
        data = _read(descriptor)
    finally:
        real["close"](descriptor)
        real["unlink"](scratch)
    half = len(data) // 2

    def begin(operation: Operation) -> int:
        try:
            fd = _opening(execution, operation, filename, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644, None)
        except OSError:
            # The real function says it in its own words.
            _real_serialize_file(tensor_dict, filename, metadata)
            raise
        real["write"](fd, data[:half])
        return fd

    fd: int = step("tensors.create", filename, begin, execution)

    def complete(operation: Operation) -> None:
        operation.accesses = ((content(execution, real["fstat"](fd)), WRITE),)
        real["write"](fd, data[half:])
        _opened(execution).discard(fd)
        real["close"](fd)

    step("tensors.complete", filename, complete, execution)


def _scratch() -> tuple[int, str]:
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()
    path = os.path.join(base, f"schedule-explorer-{os.getpid()}-scratch")
    fd: int = real["open"](path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    return fd, path


def _read(descriptor: int) -> bytes:
    size: int = real["fstat"](descriptor).st_size
    return os.pread(descriptor, size, 0)


def _safe_open(filename: Any, framework: Any, device: Any = "cpu") -> Any:
    execution = virtual()
    if execution is None:
        return _real_safe_open(filename, framework, device)

    def perform(operation: Operation) -> Any:
        place = Place(execution, filename)
        operation.accesses = tuple(followed(execution, filename, place))
        if place.status is not None:
            operation.accesses = (*operation.accesses, (content(execution, place.status), READ))
        return _real_safe_open(filename, framework, device)

    return step("tensors.open", filename, perform, execution)


PATCHES: list[tuple[object, str, Any]] = [
    (safetensors, "serialize_file", _serialize_file),
    (safetensors, "safe_open", _safe_open),
]
