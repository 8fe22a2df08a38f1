"""safetensors and MLX: writing and reading tensor files, in the steps that the real functions take.

* `safetensors.serialize_file` makes a temporary file beside the target, writes it, and renames it: the target
  is never short, but a removal of its directory can come in between. That is what 0.8 does.
* `mx.save_safetensors` and its like write the target itself: it exists and is short, then it is whole.
* `mx.load` reads the header; the arrays are read when they are evaluated. Here that is the next step.
* `safe_open` maps the file: what is read from it later is a step of its own.

The real function serializes into a scratch file that no program sees; its bytes then go where they belong.
"""

from __future__ import annotations

import importlib.util
import os
import stat as stats
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import safetensors

from schedule_explorer.interposition.context import virtual
from schedule_explorer.interposition.descriptors import opening, release
from schedule_explorer.interposition.file_steps import distinct, is_path, step
from schedule_explorer.interposition.filesystem import _renamer, _unlink, fast_directory
from schedule_explorer.interposition.paths import Place, content, inode_id, real, world_of
from schedule_explorer.operations import READ, WRITE, Access, Operation
from schedule_explorer.runtime import Execution

_real_serialize_file: Any = safetensors.serialize_file
_real_safe_open: Any = safetensors.safe_open


@contextmanager
def _unobserved(execution: Execution) -> Iterator[None]:
    """Let Python code run for real that is part of the present step."""
    thread, execution.current = execution.current, None
    try:
        yield
    finally:
        execution.current = thread


_scratch: dict[int, str] = {}


def _serialized(execution: Execution, name: str, save: Callable[[str], object]) -> tuple[str, bytes]:
    """Return the name and the bytes of the file that `save` makes when it is told `name`."""
    with _unobserved(execution):
        pid = real["getpid"]()
        if pid not in _scratch:
            directory = tempfile.TemporaryDirectory(prefix="schedule-explorer-scratch-", dir=fast_directory())
            _scratch[pid] = directory.name
            _kept.append(directory)
        directory_name = _scratch[pid]
        try:
            save(f"{directory_name}/{name}")
            (made,) = os.listdir(directory_name)
            with open(f"{directory_name}/{made}", "rb") as file:
                return made, file.read()
        finally:
            for left in os.listdir(directory_name):
                os.unlink(f"{directory_name}/{left}")


_kept: list[Any] = []


def _create(
    execution: Execution, path: str, target: Any, flags: int, mode: int, data: bytes
) -> Callable[[], None]:
    """Make a file in one step and write `data` in the next, which this returns.

    The first half of the data goes with the first step where the file is not exclusive.
    """
    half = 0 if flags & os.O_EXCL else len(data) // 2

    def begin(operation: Operation) -> int:
        fd = opening(execution, operation, path, flags | os.O_CREAT, mode, None)
        real["write"](fd, data[:half])
        return fd

    fd: int = step("tensors.create", target, begin, execution)

    def complete(operation: Operation) -> None:
        status = real["fstat"](fd)
        accesses: list[Access] = [(content(execution, status), WRITE)]
        if stats.S_ISREG(status.st_mode):
            world_of(execution).written(execution, inode_id(execution, status))
        real["write"](fd, data[half:])
        operation.accesses = distinct([*accesses, *release(execution, fd)])
        real["close"](fd)

    return lambda: step("tensors.complete", target, complete, execution)


# -- safetensors -----------------------------------------------------------------------------------------


def _serialize_file(tensor_dict: Any, filename: Any, metadata: Any = None) -> None:
    execution = virtual()
    if execution is None or not is_path(filename):
        return _real_serialize_file(tensor_dict, filename, metadata)  # type: ignore[no-any-return]
    _, data = _serialized(
        execution, "tensors", lambda path: _real_serialize_file(tensor_dict, path, metadata)
    )
    directory = os.path.dirname(os.fsdecode(filename).rstrip("/"))
    tid, count = execution.new_id()
    # The real name is random.
    temporary = os.path.join(directory or ".", f".tmp{tid:02d}{count:04d}")
    try:
        complete = _create(execution, temporary, filename, os.O_RDWR | os.O_EXCL, 0o600, data)
    except OSError as error:
        raise safetensors.SafetensorError(f'{_said(error)} at path "{temporary}"') from None
    complete()
    try:
        _rename(temporary, filename)
    except OSError as error:
        try:
            _unlink(temporary)
        except OSError:
            pass
        raise safetensors.SafetensorError(_said(error)) from None
    return None


def _said(error: OSError) -> str:
    return f"Error while serializing: I/O error: {error.strerror} (os error {error.errno})"


_rename = _renamer("rename")


class _Mapped:
    """What `safe_open` returns: every look at the bytes is an operation."""

    def __init__(self, execution: Execution, opened: Any, fd: int, name: str) -> None:
        self._execution = execution
        self._opened = opened
        self._fd = fd
        self._name = name
        self._size: int = real["fstat"](fd).st_size

    def look(self, function: Callable[[], Any]) -> Any:
        """Read from the mapping in one step."""
        execution = virtual()
        if execution is None or execution is not self._execution or execution.ending:
            return function()

        def perform(operation: Operation) -> Any:
            status = real["fstat"](self._fd)
            operation.accesses = ((content(execution, status), READ),)
            if status.st_size < self._size:
                # The process would die of SIGBUS; here it is an error that the program does not expect.
                raise RuntimeError(f"{self._name} was truncated while mapped: reading it is a bus error")
            return function()

        return step("tensors.read", self._name, perform, execution)

    def __enter__(self) -> _Mapped:
        self._opened.__enter__()
        return self

    def __exit__(self, *exc: Any) -> Any:
        return self._opened.__exit__(*exc)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._opened, name)

    def get_tensor(self, name: str) -> Any:
        """As the real one."""
        return self.look(lambda: self._opened.get_tensor(name))

    def get_tensors(self, *arguments: Any, **options: Any) -> Any:
        """As the real one."""
        return self.look(lambda: self._opened.get_tensors(*arguments, **options))

    def get_slice(self, name: str) -> _Slice:
        """As the real one."""
        return _Slice(self, self._opened.get_slice(name))


class _Slice:
    """A tensor of a mapped file, read piece by piece."""

    def __init__(self, mapped: _Mapped, real_slice: Any) -> None:
        self._mapped = mapped
        self._slice = real_slice

    def __getattr__(self, name: str) -> Any:
        return getattr(self._slice, name)

    def __getitem__(self, index: Any) -> Any:
        return self._mapped.look(lambda: self._slice[index])


def _reading(execution: Execution, operation: Operation, path: Any) -> os.stat_result | None:
    """Access a file as opening and reading it does."""
    place = Place(execution, path, None, follow=True)
    accesses = place.entry(READ)
    if place.status is not None:
        inode = inode_id(execution, place.status)
        accesses = [*accesses, (("mode", inode), READ), (("content", inode), READ)]
    operation.accesses = distinct(accesses)
    return place.status


def _safe_open(filename: Any, framework: Any, device: Any = "cpu", *arguments: Any, **options: Any) -> Any:
    execution = virtual()
    if execution is None or not is_path(filename):
        return _real_safe_open(filename, framework, device, *arguments, **options)

    def perform(operation: Operation) -> _Mapped:
        _reading(execution, operation, filename)
        with _unobserved(execution):
            opened = _real_safe_open(filename, framework, device, *arguments, **options)
        fd: int = real["open"](filename, os.O_RDONLY)
        execution.at_end.append(lambda: real["close"](fd))
        return _Mapped(execution, opened, fd, os.fsdecode(filename))

    return step("tensors.open", filename, perform, execution)


PATCHES: list[tuple[object, str, Any]] = [
    (safetensors, "serialize_file", _serialize_file),
    (safetensors, "safe_open", _safe_open),
]

# -- MLX -------------------------------------------------------------------------------------------------


def _saver(mx: Any, name: str) -> Any:
    original = getattr(mx, name)

    def save(file: Any, *arguments: Any, **options: Any) -> None:
        execution = virtual()
        if execution is None or not is_path(file):
            return original(file, *arguments, **options)  # type: ignore[no-any-return]
        path = os.fsdecode(file)
        made, data = _serialized(
            execution, os.path.basename(path), lambda scratch: original(scratch, *arguments, **options)
        )
        target = os.path.join(os.path.dirname(path), made)
        try:
            complete = _create(execution, target, target, os.O_WRONLY | os.O_TRUNC, 0o644, data)
        except OSError:
            raise RuntimeError(f"[{name}] Failed to open file {target}") from None
        return complete()

    save.__name__ = name
    return save


def _loader(mx: Any) -> Any:
    original = mx.load

    def load(file: Any, *arguments: Any, **options: Any) -> Any:
        execution = virtual()
        if execution is None or not is_path(file):
            return original(file, *arguments, **options)

        def perform(operation: Operation) -> Any:
            found.append(_reading(execution, operation, file))
            with _unobserved(execution):
                return original(file, *arguments, **options)

        found: list[os.stat_result | None] = []
        loaded = step("tensors.open", file, perform, execution)
        arrays = loaded[0] if isinstance(loaded, tuple) else loaded

        def evaluate(operation: Operation) -> None:
            if found[0] is not None:
                operation.accesses = ((content(execution, found[0]), READ),)
            with _unobserved(execution):
                mx.eval(arrays)

        step("tensors.load", file, evaluate, execution)
        return loaded

    return load


if "mlx.core" in sys.modules or importlib.util.find_spec("mlx") is not None:
    try:
        import mlx.core as _mx
    except ImportError:
        pass
    else:
        PATCHES += [
            (_mx, _name, _saver(_mx, _name))
            for _name in ("save", "savez", "savez_compressed", "save_safetensors", "save_gguf")
            if hasattr(_mx, _name)
        ]
        PATCHES.append((_mx, "load", _loader(_mx)))
