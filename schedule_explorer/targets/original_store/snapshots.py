"""A snapshot as tensors and metadata, and back: what the original store puts into one safetensors file.

Leaves of a layer are bytes-like objects, MLX arrays, or anything that JSON holds; tuples and lists nest.
MLX is imported only to give arrays back.
"""

from __future__ import annotations

import ctypes
import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors

_deserialize: Any = safetensors.deserialize
_BYTES = (bytes, bytearray, memoryview)
_DTYPES = {
    "BOOL": "bool_", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "U32": "uint32",
    "I32": "int32", "U64": "uint64", "I64": "int64", "F16": "float16", "BF16": "bfloat16", "F32": "float32",
    "F64": "float64", "C64": "complex64",
}  # fmt: skip


@dataclass(frozen=True)
class Tensor:
    """The bytes of one tensor, copied on the caller's thread."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


def encode(
    request_id: str, token_count: int, states: list[dict[str, Any]]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return every tensor by its name in the file, and the file's metadata.

    Raises:
        TypeError: a leaf is neither bytes, nor an MLX array, nor a value of JSON.
    """
    tensors: dict[str, Tensor] = {}
    layers = []
    for i, layer in enumerate(states):
        layers.append({name: _describe(value, f"layer_{i}", name, tensors) for name, value in layer.items()})
    return tensors, {
        "request_id": request_id,
        "token_count": str(token_count),
        "num_layers": str(len(states)),
        "layer_info": json.dumps(layers),
    }


def _describe(value: Any, prefix: str, field: str, tensors: dict[str, Tensor]) -> Any:
    """Describe a value in JSON and take its tensors out.

    Element ``k`` of a state is ``<prefix>_state_<k>``; when it is a tuple itself, its own elements are
    ``<prefix>_sub_<k>_state_<j>``.
    """
    if isinstance(value, tuple | list):
        described = [
            _describe(element, f"{prefix}_sub_{k}", field, tensors)
            if isinstance(element, tuple | list)
            else _describe(element, prefix, f"{field}_{k}", tensors)
            for k, element in enumerate(value)
        ]
        return {"tuple" if isinstance(value, tuple) else "list": described}
    tensor = _tensor(value)
    if tensor is None:
        return {"value": value}
    name = f"{prefix}_{field}"
    tensors[name] = tensor
    return {"bytes" if isinstance(value, _BYTES) else "array": name}


def _tensor(value: Any) -> Tensor | None:
    if isinstance(value, _BYTES):
        data = bytes(value)
        return Tensor("uint8", (len(data),), data)
    if type(value).__module__.partition(".")[0] == "mlx":
        dtype = str(value.dtype).rpartition(".")[2]
        # The view evaluates the array, and reads a transposed one in its logical order.
        return Tensor(dtype, tuple(value.shape), memoryview(value).tobytes())
    return None


def write(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write one safetensors file."""
    safetensors.serialize_file({name: _spec(tensor) for name, tensor in tensors.items()}, path, metadata)


def _spec(tensor: Tensor) -> Any:
    """Point safetensors at the bytes, which the caller keeps alive during the call."""
    address = ctypes.cast(ctypes.c_char_p(tensor.data), ctypes.c_void_p).value or 0
    return safetensors.TensorSpec(
        dtype=tensor.dtype, shape=list(tensor.shape), data_ptr=address, data_len=len(tensor.data)
    )


def read(path: Path) -> list[dict[str, Any]]:
    """Return the layers of one file.

    Raises:
        OSError: the file cannot be read.
        ValueError, KeyError: it is not a file that `write` wrote.
    """
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    tensors = dict(_deserialize(data))
    layers = json.loads(header["__metadata__"]["layer_info"])
    return [{name: _restore(value, tensors) for name, value in layer.items()} for layer in layers]


def _restore(described: dict[str, Any], tensors: dict[str, Any]) -> Any:
    ((kind, value),) = described.items()
    if kind == "tuple":
        return tuple(_restore(element, tensors) for element in value)
    if kind == "list":
        return [_restore(element, tensors) for element in value]
    if kind == "bytes":
        return bytes(tensors[value]["data"])
    if kind == "array":
        return _array(tensors[value])
    return value


def _array(tensor: dict[str, Any]) -> Any:
    mx: Any = importlib.import_module("mlx.core")
    dtype = getattr(mx, _DTYPES[tensor["dtype"]])
    if 0 in tensor["shape"]:
        return mx.zeros(tensor["shape"], dtype=dtype)
    return mx.array(memoryview(bytes(tensor["data"]))).view(dtype).reshape(tensor["shape"])
