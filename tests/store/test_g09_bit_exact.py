"""G9: bit-exact or None; what the caller does with its arrays afterwards changes nothing."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import deserialize
from store_support import LONG, Disk, extract, later, live, metadata_of, save, settled, values

from store import BoundarySnapshotStore, codec

DTYPES = list(codec._DTYPES)
NAMES = {dtype: name for dtype, (name, _) in codec._DTYPES.items()}


def bits(array: mx.array) -> bytes:
    """Return the bytes of an array in its logical order."""
    return b"" if array.size == 0 else memoryview(array).tobytes()


def same(left: Any, right: Any) -> bool:
    """Say whether two states are equal in type, nesting, shape, dtype and every bit."""
    if type(left) is not type(right):
        return False
    if isinstance(left, mx.array):
        return bool(left.shape == right.shape and left.dtype == right.dtype) and bits(left) == bits(right)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    return bool(left == right) or (left != left and right != right)


@st.composite
def arrays(draw: st.DrawFn) -> mx.array:
    """Arrays of all dtypes and memory layouts, with any bits in them."""
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    size = 1
    for length in shape:
        size *= length
    if size == 0:
        return mx.zeros(shape, dtype=dtype, stream=mx.cpu)
    width = codec._DTYPES[dtype][1]
    with mx.stream(mx.cpu):
        if dtype == mx.bool_:
            data = mx.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)))
        else:
            raw = draw(st.binary(min_size=size * width, max_size=size * width))
            data = mx.array(memoryview(raw)).view(dtype)  # type: ignore[arg-type]
        array = data.reshape(shape)
        kind = draw(st.sampled_from(["plain", "transposed", "broadcast", "strided", "reversed", "lazy"]))
        if kind == "transposed":
            array = array.T
        elif kind == "broadcast":
            array = mx.broadcast_to(array, (2, *shape))
        elif kind == "strided" and shape:
            array = array[::2]
        elif kind == "reversed" and shape:
            array = array[::-1]
        elif kind == "lazy":
            array = mx.concatenate([mx.expand_dims(array, 0), mx.expand_dims(array, 0)])
    return array


PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=True), st.text(max_size=10),
    st.binary(max_size=9),
)  # fmt: skip
LEAVES = st.one_of(arrays(), PLAIN)
NESTED = st.recursive(
    LEAVES, lambda inner: st.one_of(st.lists(inner, max_size=3), st.lists(inner, max_size=3).map(tuple)),
    max_leaves=8,
)  # fmt: skip
LAYERS = st.lists(
    st.fixed_dictionaries({
        "state": st.lists(NESTED, max_size=3).map(tuple),
        "meta_state": st.one_of(PLAIN, st.lists(st.text(max_size=4), max_size=3).map(tuple)),
        "class_name": st.text(max_size=10), "cache_type": st.text(max_size=10),
    }),
    min_size=1, max_size=3,
)  # fmt: skip


@settings(max_examples=int(os.environ.get("STORE_EXAMPLES", "150")), deadline=None,
          suppress_health_check=list(HealthCheck))
@given(layers=LAYERS)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, layers: list[dict[str, Any]]) -> None:
    path = tmp_path_factory.mktemp("round-trip") / "x.safetensors"
    snapshot, handles = codec.encode("id", 7, layers)
    codec.evaluate(handles)
    assert same(codec.decode(snapshot), layers)
    with open(path, "wb") as file:
        assert codec.write(file.fileno(), snapshot, lambda: True)
    assert same(codec.read(str(path)), layers)
    description, tensors = codec.described(snapshot)
    written = {name: (entry["dtype"], entry["shape"], bytes(entry["data"])) for name, entry in
               deserialize(path.read_bytes())}  # fmt: skip
    assert written == {
        name: ("U8", [len(tensor)], tensor) if isinstance(tensor, bytes)
        else (NAMES[tensor.dtype], list(tensor.shape), bits(tensor))
        for name, tensor in tensors.items()
    }  # fmt: skip
    metadata = metadata_of(path)
    assert metadata == {
        "request_id": "id", "token_count": "7", "num_layers": str(len(layers)),
        "layer_info": description,
    }  # fmt: skip
    if not any(dtype == "F64" for dtype, _, _ in written.values()):
        loaded: Any = mx.load(str(path), return_metadata=True)
        assert {name: bits(array) for name, array in loaded[0].items()} == {
            name: data for name, (_, _, data) in written.items()
        }
        assert loaded[1] == metadata


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype_through_the_store(store: BoundarySnapshotStore, dtype: mx.Dtype) -> None:
    state = [mx.zeros(shape, dtype=dtype, stream=mx.cpu) for shape in ([], [0], [3, 0, 2], [2, 3])]
    assert store.save("a", 0, [state], extract)
    assert same(store.load("a", 0), extract([state])[0])
    settled(store)
    assert same(store.load("a", 0), extract([state])[0])


def test_an_array_of_a_class_of_the_callers(store: BoundarySnapshotStore) -> None:
    class Mine(mx.array):
        pass

    assert store.save("a", 0, [[Mine([1, 2])]], extract)
    assert values(store.load("a", 0)) == [1, 2]


def test_names_and_metadata_in_the_file(store: BoundarySnapshotStore) -> None:
    state = (mx.zeros((2,)), [mx.ones((3,)), (mx.ones((1,)),)], None, 7)
    assert store.save("the id", 42, [state, state], extract)
    settled(store)
    path = Path(store._layout.session, "live", *live(store))
    metadata, names = metadata_of(path), sorted(mx.load(str(path)))
    assert names == [
        f"layer_{layer}_{name}"
        for layer in (0, 1) for name in ("state_0", "sub_1_state_0", "sub_1_sub_1_state_0")
    ]  # fmt: skip
    assert (metadata["request_id"], metadata["token_count"], metadata["num_layers"]) == ("the id", "42", "2")
    assert metadata["layer_info"].startswith("[{")


@pytest.mark.parametrize("on_disk", [False, True])
def test_in_place_updates_after_the_save(store: BoundarySnapshotStore, disk: Disk, on_disk: bool) -> None:
    arrived, gate = disk.hold("a")
    array = mx.arange(1 << 12)
    mx.eval(array)
    assert store.save("a", 0, [array], extract)
    assert arrived.wait(LONG)
    for _ in range(3):
        array[0:7] = 99
        array += 1
        array *= 3
        mx.eval(array)
    if on_disk:
        gate.set()
        settled(store)
    assert values(store.load("a", 0)) == list(range(1 << 12))


def test_donated_buffers_and_garbage_collection(store: BoundarySnapshotStore, disk: Disk) -> None:
    arrived, gate = disk.hold("a")
    array = mx.arange(1 << 12)
    mx.eval(array)
    assert store.save("a", 0, [array], extract)
    assert arrived.wait(LONG)
    for _ in range(5):
        array = array + 1  # the caller's array is donated, if its buffer is its own
        mx.eval(array)
    del array
    gc.collect()
    fresh = [mx.full((1 << 12,), 7) for _ in range(20)]  # takes what was freed
    mx.eval(fresh)
    gate.set()
    settled(store)
    assert values(store.load("a", 0)) == list(range(1 << 12))


def test_what_is_loaded_is_the_callers_own(store: BoundarySnapshotStore, disk: Disk) -> None:
    arrived, gate = disk.hold("a")
    given_ = [{"state": (mx.arange(4), [mx.arange(3)]), "meta_state": ["x"]}]
    assert store.save("a", 0, given_, lambda layers: (layers, None))
    assert arrived.wait(LONG)
    given_[0]["meta_state"].append("later")  # type: ignore[attr-defined]
    given_[0]["state"][1].append("later")  # type: ignore[attr-defined]
    for _ in range(2):
        loaded = store.load("a", 0)
        assert loaded is not None
        assert loaded[0]["meta_state"] == ["x"] and len(loaded[0]["state"][1]) == 1
        loaded[0]["state"][0][0] = 9
        loaded[0]["state"][1].clear()
        array = loaded[0]["state"][0]
        array += 5
        mx.eval(array)
        loaded.clear()
    gate.set()
    settled(store)
    assert values(store.load("a", 0)) == [0, 1, 2, 3]


@pytest.mark.parametrize("newer", [None, 2.0], ids=["cleanup", "newer save"])
def test_a_load_that_meets_a_removal(
    store: BoundarySnapshotStore, monkeypatch: pytest.MonkeyPatch, newer: float | None
) -> None:
    """The zoo's 29: the file goes between the look into the table and the open."""
    save(store, "a", 1.0)
    settled(store)
    real = codec.read
    arrived, gate = threading.Event(), threading.Event()

    def read(path: str) -> Any:
        arrived.set()
        assert gate.wait(LONG)
        return real(path)

    monkeypatch.setattr(codec, "read", read)
    loaded = later(lambda: store.load("a", 0))
    assert arrived.wait(LONG)
    if newer is None:
        store.cleanup_request("a")
    else:
        save(store, "a", newer)
        settled(store)
    gate.set()
    assert values(loaded()) == (None if newer is None else [newer] * 4)


def test_a_loaded_array_outlives_its_file(store: BoundarySnapshotStore) -> None:
    save(store, "a", 3.0, size=1 << 18)
    settled(store)
    loaded = store.load("a", 0)
    store.cleanup_request("a")
    assert values(loaded) == [3.0] * (1 << 18)


def test_a_write_in_pieces_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes a few bytes a call gets the same file."""
    snapshot, _ = codec.encode("a", 0, [{"state": tuple(mx.arange(n) for n in range(40))}])
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    with open(whole, "wb") as file:
        codec.write(file.fileno(), snapshot, lambda: True)
    real = os.writev
    monkeypatch.setattr(codec, "_BUFFERS", 3)
    monkeypatch.setattr(os, "writev", lambda fd, buffers: real(fd, [memoryview(b"".join(buffers))[:13]]))
    with open(pieces, "wb") as file:
        codec.write(file.fileno(), snapshot, lambda: True)
    assert pieces.read_bytes() == whole.read_bytes()
