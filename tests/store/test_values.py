"""G3, G9: what a snapshot may hold comes back from its file as it was, or is refused, or stays in memory."""

from __future__ import annotations

import enum
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from store_support import extract, live, save, settled, values

from store import BoundarySnapshotStore, codec


def loaded(store: BoundarySnapshotStore) -> Any:
    """Return the state of the first layer."""
    layers = store.load("a", 0)
    assert layers is not None
    return layers[0]["state"]


@pytest.mark.parametrize("nbytes", [codec._HEADER - 8, codec._HEADER], ids=["the longest", "too long"])
def test_a_header_that_nobody_would_read_is_not_written(store: BoundarySnapshotStore, nbytes: int) -> None:
    """Memory keeps it, for MLX would not load such a file."""
    snapshot, _ = codec.encode("a", 0, extract([("",)])[0])
    shortest = len(next(codec._buffers(snapshot))) - 8
    text = "x" * (nbytes - shortest)
    assert store.save("a", 0, [(text,)], extract)
    settled(store)
    written = nbytes < codec._HEADER
    assert (store.stats().on_disk, store.stats().failed_writes) == ((1, 0) if written else (0, 1))
    if written:
        data = Path(store._layout.session, "live", *live(store)).read_bytes()
        assert int.from_bytes(data[:8], "little") == nbytes
    else:
        assert f"{nbytes} bytes, and must have less than 100000000" in (store.stats().last_error or "")
    assert loaded(store) == (text,)


def test_bytes_that_are_too_long_for_an_array(
    store: BoundarySnapshotStore, caplog: pytest.LogCaptureFixture
) -> None:
    assert not store.save("a", 0, [(bytes(1 << 31),)], extract)
    assert "layer 0, 'state': has 2147483648 bytes in one object" in caplog.text


@pytest.mark.skipif(not os.environ.get("STORE_DEEP"), reason="takes 10 GB of memory: set STORE_DEEP")
@pytest.mark.timeout(0)
def test_a_float64_array_of_2_gib(store: BoundarySnapshotStore) -> None:
    with mx.stream(mx.cpu):
        array = mx.zeros((1 << 28,), dtype=mx.float64)
        array[-1] = 7.0
        assert store.save("a", 0, [array], extract)
        del array
        settled(store)
        (back,) = loaded(store)
        assert back.shape == (1 << 28,) and back[-1].item() == 7.0 and mx.sum(back).item() == 7.0


def test_all_dtypes_in_one_file_with_float64(store: BoundarySnapshotStore) -> None:
    """`mx.load` refuses such a file, and the codec reads all of it itself."""
    state = []
    with mx.stream(mx.cpu):
        for dtype, (_, width) in codec._DTYPES.items():
            # Any bits but for the booleans, and the same in each run.
            bits = [number * 89 % (2 if dtype == mx.bool_ else 256) for number in range(6 * width)]
            flat = mx.array(bits, dtype=mx.uint8).view(dtype)
            state += [flat.reshape(2, 3, 1), flat[0], flat[:0].reshape(3, 0)]
        mx.eval(state)
    assert store.save("a", 0, [tuple(state)], extract)
    settled(store)
    assert store.stats().on_disk == 1
    for saved, back in zip(state, loaded(store), strict=True):
        assert (saved.shape, saved.dtype) == (back.shape, back.dtype)
        assert not saved.size or memoryview(saved).tobytes() == memoryview(back).tobytes()


@pytest.mark.parametrize("place", ["value", "key", "inner key"])
def test_text_that_json_would_change_stays_in_memory(store: BoundarySnapshotStore, place: str) -> None:
    """A high surrogate before a low one is two characters, and in JSON the way to write one other."""
    two, one = "\ud83d\ude00", "\U0001f600"
    assert json.loads(json.dumps(two)) == one
    layers: dict[str, dict[str, Any]] = {
        "value": {"state": two}, "key": {two: 1}, "inner key": {"state": {two: 1, one: 2}},
    }  # fmt: skip
    layer = layers[place]
    assert store.save("a", 0, [layer], lambda layers: (layers, None))
    settled(store)
    assert "surrogates" in (store.stats().last_error or "") and store.load("a", 0) == [layer]
    fine = {"state": (one, "\ude00\ud83d", "\ud83d", "\ud83dx\ude00")}
    assert store.save("b", 0, [fine], lambda layers: (layers, None))
    settled(store)
    assert store.stats().on_disk == 1 and store.load("b", 0) == [fine]


class Number(int):
    """An int with more to it."""

    def bit_length(self) -> int:
        """Lie."""
        return 0


class Text(str):
    """A str with more to it."""

    def __str__(self) -> str:
        return "something else"


class Real(float):
    """A float with more to it."""


class CString(bytes):
    """Bytes that end before the first NUL, for who asks."""

    def __len__(self) -> int:
        return bytes.index(self, b"\0")


class Kind(enum.IntEnum):
    """Kinds of something."""

    ROTATING = 3


def test_a_value_of_a_class_of_the_callers_is_kept_as_a_plain_one(store: BoundarySnapshotStore) -> None:
    """The file has no more of it, and what else hangs on such an object is not counted."""
    state = (Number(5), Text("x"), Real(0.5), Kind.ROTATING, CString(b"x\0\0"), True, {Text("k"): 1})
    plain = (5, "x", 0.5, 3, b"x\0\0", True, {"k": 1})
    assert store.save("a", 0, [state], extract)
    assert store.stats().peak_pending_bytes == 3
    for _ in range(2):
        assert loaded(store) == plain
        assert [type(one) for one in loaded(store)] == [type(one) for one in plain]
        assert {type(key) for key in loaded(store)[-1]} == {str}
        settled(store)
    assert not store.save("a", 0, [(Number(10**5000),)], extract)


def test_what_cannot_be_saved_is_named_with_its_place(
    store: BoundarySnapshotStore, caplog: pytest.LogCaptureFixture
) -> None:
    assert not store.save("a", 0, [(1,), ([Decimal(1)],)], extract)
    assert (
        "layer 1, 'state': holds a decimal.Decimal: give an mx.array, a str, int, float, bool, bytes or "
        "None, or a list, tuple or dict of them"
    ) in caplog.text
    layers: list[Any] = [{"state": 1, 7: 2}]
    assert not store.save("a", 0, layers, lambda given: (given, None))
    assert "layer 0: has the key int 7: keys are strings" in caplog.text
    assert save(store, "a", 4.0) and values(store.load("a", 0)) == [4.0] * 4
