"""A snapshot as handles and a description, as the bytes of one safetensors file, and back.

`encode` runs on the inference thread and copies no array that is contiguous: it keeps an array object of its
own over the same buffer. MLX never writes to a buffer that two arrays share, so whatever the caller does to
its arrays afterwards (in-place updates, donation, dropping them) leaves the handle's bytes alone; and the
handle is an object that nobody else has, so that it cannot be updated in place either.

The file is what `safetensors` writes: eight bytes of header length, the header in JSON, padded with spaces,
then the tensors without holes, the widest dtype first. It is put together here and not by
`safetensors.serialize_file`, because that is one call that cannot be stopped: a cleanup would have to wait
until gigabytes are on disk that nobody wants any more.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from json.encoder import encode_basestring_ascii as _escaped
from typing import Any

import mlx.core as mx

from store.texts import shown

#: MLX dtype -> (its name in a safetensors header, bytes of an element)
_DTYPES: dict[Any, tuple[str, int]] = {
    mx.bool_: ("BOOL", 1), mx.uint8: ("U8", 1), mx.int8: ("I8", 1), mx.uint16: ("U16", 2),
    mx.int16: ("I16", 2), mx.uint32: ("U32", 4), mx.int32: ("I32", 4), mx.uint64: ("U64", 8),
    mx.int64: ("I64", 8), mx.float16: ("F16", 2), mx.bfloat16: ("BF16", 2), mx.float32: ("F32", 4),
    mx.float64: ("F64", 8), mx.complex64: ("C64", 8),
}  # fmt: skip
#: bytes of an element -> the format of one in a `memoryview`
_FORMATS = {1: "B", 2: "H", 4: "I", 8: "Q"}
_BY_NAME = {name: dtype for dtype, (name, _) in _DTYPES.items()}
#: bytes that one system call writes at most, which is how soon a cancelled write stops
_CHUNK = 1 << 22
#: buffers that one system call takes at most; the least that systems allow is 1024 (Linux, macOS)
_BUFFERS = 512

#: bound early, and types as tuples: this runs for every array on the inference thread
_SCALARS = (str, int, float)
_NESTED = (tuple, list)
_Array = mx.array
_copied: Callable[[Any], Any] = mx.array.__copy__
#: MLX dtype -> what makes a handle of an array; a float64 array lives on the CPU only
_HANDLES: dict[Any, Callable[[Any], Any]] = {
    **dict.fromkeys(_DTYPES, mx.contiguous), mx.float64: partial(mx.contiguous, stream=mx.cpu),
}  # fmt: skip
#: an integer of more bits has no text: Python converts 4,300 digits at most
_INT_BITS = 14_000
#: bytes objects are arrays in the file, and no length of an array has more bits than these
_BYTES = 1 << 31
#: `mx.load` and `safetensors` open no file whose header has so many bytes
_HEADER = 100_000_000
#: JSON cannot tell these two from the one character that they encode in UTF-16
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
#: containers within each other: the writer goes through them with less of the stack left, and JSON has no end
_DEPTH = 100

Layers = list[dict[str, Any]]


@dataclass(frozen=True)
class Snapshot:
    """What a save keeps: handles of the arrays in containers of its own. The writer makes the rest of it.

    Attributes:
        request_id, token_count: whose it is.
        layers: as they were given, with a handle in the place of each array.
        nbytes: bytes of all arrays.
    """

    request_id: str
    token_count: int
    layers: Layers
    nbytes: int


class SnapshotError(ValueError):
    """What was given cannot be saved."""


def encode(request_id: str, token_count: int, layers: object) -> tuple[Snapshot, list[Any]]:
    """Take handles of all arrays in containers of their own, and list them: `evaluate` makes their bytes.

    Raises:
        SnapshotError: it is not a list of dicts, or a leaf is neither an array nor plain data.
    """
    if not isinstance(layers, list) or not layers:
        raise SnapshotError(f"the extractor must give a list of at least one dict, not {_brief(layers)}")
    handles: list[Any] = []
    data: list[bytes] = []
    taken = []
    for i, layer in enumerate(layers):
        if not isinstance(layer, dict):
            raise SnapshotError(f"layer {i} must be a dict with strings as keys, not {_brief(layer)}")
        field: object = None
        own: dict[str, Any] = {}
        try:
            for field, value in layer.items():
                own[_name(field)] = _take(value, handles, data, 0)
        except SnapshotError as error:
            named = f", {shown(field, 60)}" if isinstance(field, str) else ""
            raise SnapshotError(f"layer {i}{named}: {error}") from None
        taken.append(own)
    nbytes = sum([handle.nbytes for handle in handles]) + sum(map(bytes.__len__, data))
    return Snapshot(request_id, token_count, taken, nbytes), handles


#: only now do arrays that are lazy or not contiguous take memory
evaluate: Callable[[list[Any]], None] = mx.eval


def decode(snapshot: Snapshot) -> Layers:
    """Return what was saved, in containers and array objects that nobody else has, over the same buffers."""
    return [_own(layer) for layer in snapshot.layers]


def _brief(value: object) -> str:
    return f"{type(value).__name__} {shown(value, 60)}" if isinstance(value, int | str | None) else (
        "an empty list" if value == [] else type(value).__name__
    )


def _name(key: object) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    raise SnapshotError(f"has the key {_brief(key)}: keys are strings")


def _take(value: Any, handles: list[Any], data: list[bytes], depth: int) -> Any:
    """Return a value with a handle for each array, and list its handles and its bytes objects."""
    kind = type(value)
    if kind is str:
        return value
    if isinstance(value, _Array):
        made = _HANDLES.get(value.dtype)
        if made is None:
            raise SnapshotError(f"has an array of {value.dtype}, which safetensors cannot hold")
        handle = made(value)
        handles.append(handle)
        return handle
    if value is None or kind is bool or kind is float:
        return value
    if isinstance(value, _SCALARS):
        return _plain(value)
    if depth >= _DEPTH:
        raise SnapshotError(f"has containers within each other, more than {_DEPTH}")
    if isinstance(value, _NESTED):
        elements = [_take(element, handles, data, depth + 1) for element in value]
        return tuple(elements) if isinstance(value, tuple) else elements
    if isinstance(value, dict):
        return {_name(key): _take(one, handles, data, depth + 1) for key, one in value.items()}
    if isinstance(value, bytes):
        # Of a class of the caller's the bytes alone: it may count its elements in its own way.
        plain = value if kind is bytes else bytes(value)
        size = bytes.__len__(plain)
        if size >= _BYTES:
            raise SnapshotError(f"has {size} bytes in one object, and must have less than {_BYTES}")
        data.append(plain)
        return plain
    raise SnapshotError(
        f"holds a {kind.__module__}.{kind.__qualname__}: give an mx.array, a str, int, float, bool, bytes or "
        "None, or a list, tuple or dict of them"
    )


def _plain(value: Any) -> Any:
    """Return a text or a number as its file gives it back: of a class of the caller's, the value alone."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        return float.__float__(value)
    number = int.__int__(value)
    if number.bit_length() > _INT_BITS:
        raise SnapshotError(f"has an integer of {number.bit_length()} bits, and {_INT_BITS} are the most")
    return number


def _own(value: Any) -> Any:
    kind = type(value)
    if kind is _Array:
        return _copied(value)
    if kind is tuple:
        return tuple([_own(element) for element in value])
    if kind is list:
        return [_own(element) for element in value]
    if kind is dict:
        return {key: _own(one) for key, one in value.items()}
    return value


# -- nesting -----------------------------------------------------------------------------------------------


def described(snapshot: Snapshot) -> tuple[str, dict[str, Any]]:
    """Return a description of the layers in JSON, and the arrays (or bytes) by their names in the file."""
    tensors: dict[str, Any] = {}
    layers = [
        _object([(key, _describe(value, f"layer_{i}", key, tensors)) for key, value in layer.items()])
        for i, layer in enumerate(snapshot.layers)
    ]
    return f"[{','.join(layers)}]", tensors


def _describe(value: Any, prefix: str, field: str, tensors: dict[str, Any]) -> str:
    """Describe a value in JSON, and take its arrays out.

    A value of JSON that is neither a list nor a dict is itself; anything else is a dict with one key, which
    is its kind. Element ``k`` of a state is ``<prefix>_state_<k>`` in the file; when it is a tuple itself,
    its own elements are ``<prefix>_sub_<k>_state_<j>``.
    """
    kind = type(value)
    if kind is str:
        return _quoted(value)
    if kind is _Array:
        return f'{{"array":{_quoted(_add(tensors, f"{prefix}_{field}", value))}}}'
    if kind is tuple or kind is list:
        elements = [
            _describe(element, f"{prefix}_sub_{k}", field, tensors)
            if isinstance(element, _NESTED)
            else _describe(element, prefix, f"{field}_{k}", tensors)
            for k, element in enumerate(value)
        ]
        return f'{{"{kind.__name__}":[{",".join(elements)}]}}'
    if kind is dict:
        inner = [(key, _describe(one, prefix, f"{field}_{key}", tensors)) for key, one in value.items()]
        return f'{{"dict":{_object(inner)}}}'
    if isinstance(value, bytes):
        return f'{{"bytes":{_quoted(_add(tensors, f"{prefix}_{field}", value))}}}'
    return json.dumps(value)


def _quoted(text: str) -> str:
    """Return a text as JSON has it."""
    if not text.isascii() and _PAIR.search(text):
        raise SnapshotError(f"{shown(text)} has two surrogates that JSON gives back as one character")
    return _escaped(text)


def _object(items: list[tuple[str, str]]) -> str:
    """Return an object of JSON, of names and texts."""
    return f"{{{','.join([f'{_quoted(name)}:{text}' for name, text in items])}}}"


def _add(tensors: dict[str, Any], name: str, tensor: Any) -> str:
    if not name.isprintable():
        name = f"tensor_{len(tensors)}"
    while name in tensors:
        name += "_"
    tensors[name] = tensor
    return name


def _restored(layers: Layers, tensor: Callable[[str], Any]) -> Layers:
    return [{key: _restore(value, tensor) for key, value in layer.items()} for layer in layers]


def _restore(described: Any, tensor: Callable[[str], Any]) -> Any:
    if not isinstance(described, dict):
        return described
    ((kind, value),) = described.items()
    if kind == "array":
        return tensor(value)
    if kind == "tuple":
        return tuple([_restore(element, tensor) for element in value])
    if kind == "list":
        return [_restore(element, tensor) for element in value]
    if kind == "dict":
        return {key: _restore(one, tensor) for key, one in value.items()}
    data = tensor(value)
    return bytes(memoryview(data)) if data.size else b""


# -- writing -----------------------------------------------------------------------------------------------


def _buffers(snapshot: Snapshot) -> Iterator[memoryview]:
    """Give the bytes of the file, one buffer after the other, without a copy."""
    layer_info, tensors = described(snapshot)
    entries = []
    for name, tensor in tensors.items():
        if isinstance(tensor, bytes):
            size = bytes.__len__(tensor)
            entries.append((1, name, "U8", [size], size, tensor))
        else:
            dtype, width = _DTYPES[tensor.dtype]
            entries.append((width, name, dtype, list(tensor.shape), int(tensor.nbytes), tensor))
    entries.sort(key=lambda entry: (-entry[0], entry[1]))
    metadata = {
        # A lone surrogate is no Unicode text: JSON readers refuse it.
        "request_id": snapshot.request_id.encode("utf-8", "backslashreplace").decode("utf-8"),
        "token_count": str(snapshot.token_count),
        "num_layers": str(len(snapshot.layers)),
        "layer_info": layer_info,
    }
    header = [("__metadata__", json.dumps(metadata))]
    offset = 0
    for _, name, dtype, shape, nbytes, _ in entries:
        end = offset + nbytes
        header.append((name, f'{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{offset},{end}]}}'))
        offset = end
    text = _object(header).encode()
    text += b" " * (-(8 + len(text)) % 8)
    if len(text) >= _HEADER:
        raise SnapshotError(f"its header has {len(text)} bytes, and must have less than {_HEADER}")
    yield memoryview(len(text).to_bytes(8, "little") + text)
    for *_, nbytes, tensor in entries:
        if nbytes:
            # A view of an array of no elements cannot be cast.
            yield memoryview(tensor).cast("B")


def _batches(snapshot: Snapshot) -> list[tuple[list[memoryview], int]]:
    """Return what each system call writes, and how many bytes that is.

    All of them are made before the first one: what is done between two calls finds the caches of the
    processor full of the bytes that were written.
    """
    batches = []
    batch: list[memoryview] = []
    size = 0
    for buffer in _buffers(snapshot):
        start = 0
        while start < len(buffer):
            piece = buffer[start : start + _CHUNK - size]
            batch.append(piece)
            start += len(piece)
            size += len(piece)
            # Calls end at multiples of the chunk in the file: others would be slower.
            if size == _CHUNK or len(batch) == _BUFFERS:
                batches.append((batch, size))
                batch, size = [], 0
    if batch:
        batches.append((batch, size))
    return batches


def write(fd: int, snapshot: Snapshot, wanted: Callable[[], bool]) -> bool:
    """Write the file into a descriptor; False when it stopped because `wanted` said so.

    Every system call reads at most one chunk, without the interpreter lock and without a copy; `wanted` is
    asked between two calls. Nothing refers to an array when this returns or raises.
    """
    calls = 0
    for batch, size in _batches(snapshot):
        while size:
            if calls and not wanted():
                return False
            calls += 1
            done = os.writev(fd, batch)
            if done < size:
                batch = _after(batch, done)
            size -= done
    return True


def _after(batch: list[memoryview], done: int) -> list[memoryview]:
    """Return what is left of buffers when some bytes are written."""
    left = []
    for buffer in batch:
        if done < len(buffer):
            left.append(buffer[done:])
        done = max(0, done - len(buffer))
    return left


# -- reading -----------------------------------------------------------------------------------------------


def read(path: str) -> Layers:
    """Return the snapshot of one file, evaluated: the file may go away afterwards.

    Raises:
        OSError, RuntimeError, ValueError, KeyError: there is no such file, or `write` did not write it.
    """
    try:
        loaded: Any = mx.load(path, format="safetensors", return_metadata=True)
        tensors, metadata = loaded
        mx.eval(tensors)
    except RuntimeError as error:
        # mx.load knows every dtype but F64, and then refuses the whole file.
        if "F64" not in str(error):
            raise
        tensors, metadata = _read_all(path)
    return _restored(json.loads(metadata["layer_info"]), tensors.__getitem__)


def _read_all(path: str) -> tuple[dict[str, Any], dict[str, str]]:
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = memoryview(file.read())
    metadata: dict[str, str] = header.pop("__metadata__")
    return {name: _array(entry, data) for name, entry in header.items()}, metadata


def _array(entry: dict[str, Any], data: memoryview) -> Any:
    start, end = entry["data_offsets"]
    dtype, shape = _BY_NAME[entry["dtype"]], entry["shape"]
    if start == end:
        array = mx.zeros(shape, dtype=dtype, stream=mx.cpu)
    else:
        # In its shape at once: MLX has no flat array of the bytes of one that is larger than 2 GiB.
        cast: Callable[..., Any] = data[start:end].cast
        if dtype == mx.float64:
            array = mx.array(cast("d", shape=shape), dtype=dtype)
        else:
            array = mx.array(cast(_FORMATS[_DTYPES[dtype][1]], shape=shape)).view(dtype, stream=mx.cpu)
    mx.eval(array)
    return array
