"""The original store: on real threads it works, under the explorer its race is found."""

from __future__ import annotations

import ast
import json
import logging
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import safetensors
from real_threads import Threads, eventually, loaded, save, settle

from schedule_explorer import Verdict, explore, replay
from schedule_explorer.errors import OrphanFileError
from schedule_explorer.interposition.install import interposed
from schedule_explorer.targets import original_store
from schedule_explorer.targets.original_store import (
    AFTER_FIX,
    BEFORE_FIX,
    ZOO,
    BoundarySnapshotSSDStore,
    Flaws,
    OriginalStore,
    orphan_program,
)

both = pytest.mark.parametrize("flaws", [BEFORE_FIX, AFTER_FIX], ids=["before_fix", "after_fix"])


def layers_of(*state: Any, **more: Any) -> list[dict[str, Any]]:
    return [{"state": state, "meta_state": "", "class_name": "KVCache", "cache_type": "kv", **more}]


def round_trip(store: OriginalStore, layers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Save layers, see that memory serves them, and return them as read from their file."""
    assert store.save("r", 1, [], lambda _: (layers, None))
    assert store.has("r", 1)
    settle(store)
    assert ("r", 1) not in store._pending_writes
    found = store.load("r", 1)
    assert found is not None
    return found


# -- round trips -----------------------------------------------------------------------------------


@both
def test_bytes_come_back_from_memory_and_from_the_file(
    threads: Threads, tmp_path: Path, flaws: Flaws
) -> None:
    store = threads.store(tmp_path, flaws=flaws)
    gate = threads.park(store)
    assert save(store, "r", 1, b"one") and save(store, "r", 2, b"two")
    assert (loaded(store, "r", 1), loaded(store, "r", 2), loaded(store, "r", 3)) == (b"one", b"two", None)
    gate.open()
    settle(store)
    file = tmp_path / "_boundary_snapshots" / "r" / "1.safetensors"
    assert file.exists() and not list(tmp_path.rglob("*.tmp"))
    assert (loaded(store, "r", 1), loaded(store, "r", 2), loaded(store, "r", 3)) == (b"one", b"two", None)
    assert (store.has("r", 1), store.has("r", 3), store.has("s", 1)) == (True, False, False)
    assert store.cleanup_request("r") is None  # type: ignore[func-returns-value]
    assert (loaded(store, "r", 1), store.has("r", 2)) == (None, False)
    assert not list(tmp_path.rglob("r"))


@both
def test_cleanup_all_leaves_an_empty_directory(threads: Threads, tmp_path: Path, flaws: Flaws) -> None:
    store = threads.store(tmp_path, flaws=flaws)
    save(store, "r")
    save(store, "s")
    settle(store)
    store.cleanup_all()
    assert [path.name for path in tmp_path.rglob("*")] == ["_boundary_snapshots"]
    assert (store.has("r", 1), store._pending_writes, store._file_registry) == (False, {}, {})
    assert save(store, "r", 1, b"again")
    settle(store)
    assert loaded(store, "r") == b"again"


@both
def test_structure_comes_back_from_the_file(threads: Threads, tmp_path: Path, flaws: Flaws) -> None:
    layers = layers_of(b"a", [b"b", (b"", None)], 3, meta_state=("4", [1.5, None]))
    layers += [*layers_of(class_name="RotatingKVCache"), {"state": b"bare", "meta_state": []}]
    assert round_trip(threads.store(tmp_path, flaws=flaws), layers) == layers


def test_any_bytes_like_object_is_copied(threads: Threads, tmp_path: Path) -> None:
    store = threads.store(tmp_path)
    data = bytearray(b"data")
    gate = threads.park(store)
    save(store, "r", 1, data)
    data[:] = b"late"
    gate.open()
    settle(store)
    assert loaded(store, "r") == b"data"


def test_file_has_the_names_and_the_metadata_of_the_format(threads: Threads, tmp_path: Path) -> None:
    round_trip(threads.store(tmp_path), layers_of(b"a", (b"b", b"c")))
    data = (tmp_path / "_boundary_snapshots" / "r" / "1.safetensors").read_bytes()
    names = {name for name, _ in safetensors.deserialize(data)}
    assert names == {"layer_0_state_0", "layer_0_sub_1_state_0", "layer_0_sub_1_state_1"}
    metadata = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    assert set(metadata) == {"request_id", "token_count", "num_layers", "layer_info"}
    assert (metadata["request_id"], metadata["token_count"], metadata["num_layers"]) == ("r", "1", "1")


@both
def test_mlx_arrays_come_back_bit_for_bit(threads: Threads, tmp_path: Path, flaws: Flaws) -> None:
    mx = pytest.importorskip("mlx.core")
    names = (
        "bool_ uint8 int8 uint16 int16 uint32 int32 uint64 int64 float16 bfloat16 float32 float64 complex64"
    )
    with mx.stream(mx.cpu):
        arrays = [mx.array([[1, 0, 2], [3, 4, 5]]).astype(getattr(mx, name)).T for name in names.split()]
        arrays += [mx.array(2.5), mx.array([float("nan")]), mx.zeros((0, 3), dtype=mx.bfloat16)]
        found = round_trip(threads.store(tmp_path, flaws=flaws), layers_of(*arrays, (arrays[0], [None])))
        mx.eval(found[0]["state"][:-1])
    assert len(found[0]["state"]) == len(arrays) + 1
    for before, after in zip(arrays, found[0]["state"], strict=False):
        assert (after.dtype, after.shape) == (before.dtype, before.shape)
        assert memoryview(after).tobytes() == memoryview(before).tobytes()
    nested = found[0]["state"][-1]
    assert nested[0].tolist() == arrays[0].tolist() and nested[1] == [None]


def test_mlx_reads_the_file(threads: Threads, tmp_path: Path) -> None:
    mx = pytest.importorskip("mlx.core")
    array = mx.array([1.5, -2.0], dtype=mx.bfloat16)
    round_trip(threads.store(tmp_path), layers_of(array))
    read = mx.load(str(tmp_path / "_boundary_snapshots" / "r" / "1.safetensors"))
    assert read["layer_0_state_0"].dtype == mx.bfloat16 and read["layer_0_state_0"].tolist() == [1.5, -2.0]


def test_bytes_need_no_mlx(threads: Threads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("mlx", "mlx.core"):
        monkeypatch.setitem(sys.modules, name, None)
    assert round_trip(threads.store(tmp_path), layers_of(b"a")) == layers_of(b"a")


def refused(_: object) -> Any:
    raise ValueError("no state")


@pytest.mark.parametrize(
    "extractor",
    [refused, lambda _: ([], None), lambda _: (layers_of(object()), None), lambda _: None],
    ids=["raises", "nothing", "no tensor", "no pair"],
)
def test_what_cannot_be_saved_is_refused_without_trace(
    threads: Threads, tmp_path: Path, extractor: Any
) -> None:
    store = threads.store(tmp_path)
    assert store.save("r", 1, [], extractor) is False
    assert (store.has("r", 1), store.load("r", 1), store._queue.qsize()) == (False, None, 0)


def test_a_file_that_is_not_a_snapshot_is_none(threads: Threads, tmp_path: Path) -> None:
    store = threads.store(tmp_path)
    save(store, "r")
    settle(store)
    (tmp_path / "_boundary_snapshots" / "r" / "1.safetensors").write_bytes(b"short")
    assert store.load("r", 1) is None


# -- counters, queue, shutdown ---------------------------------------------------------------------


def test_counters_add_up_and_count_down(threads: Threads, tmp_path: Path) -> None:
    store = threads.store(tmp_path)
    gate = threads.hold(safetensors, "serialize_file")
    save(store, "busy")
    gate.wait()
    for counts, expected in (((1, 2), {"r": 2}), ((3,), {"r": 3}), ((), {"r": 3})):
        for count in counts:
            save(store, "r", count)
        store.cleanup_request("r")
        assert store._cancelled_requests == expected
    store.cleanup_request("other")
    assert store._cancelled_requests == {"r": 3}, "nothing pending, no counter"
    gate.open()
    settle(store)
    assert store._cancelled_requests == {}
    assert not list(tmp_path.rglob("r"))


def test_counter_is_popped_with_the_barrier(threads: Threads, tmp_path: Path) -> None:
    store = threads.store(tmp_path)
    gate = threads.park(store)
    save(store, "r")
    store.cleanup_request("r")
    assert store._cancelled_requests == {}
    gate.open()
    settle(store)
    assert not list(tmp_path.rglob("r"))


@pytest.mark.parametrize("name", ["cleanup_request", "cleanup_all"])
def test_cleanup_that_waited_in_vain_says_so(
    threads: Threads, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    store = threads.store(tmp_path)
    gate = threads.hold(safetensors, "serialize_file")
    save(store, "r")
    gate.wait()
    with caplog.at_level(logging.WARNING):
        getattr(store, name)(*["r"] * (name == "cleanup_request"))
    assert name in caplog.text and "the writer is busy" in caplog.text
    assert not store.has("r", 1)


def test_timeouts_and_size_are_those_of_the_design(threads: Threads, tmp_path: Path) -> None:
    store = OriginalStore(tmp_path)
    assert (store._cleanup_request_timeout, store._cleanup_all_timeout) == (2.0, 5.0)
    assert (store._queue.maxsize, BoundarySnapshotSSDStore) == (128, OriginalStore)
    store.shutdown()


def test_full_queue_refuses_and_leaves_no_trace(threads: Threads, tmp_path: Path) -> None:
    store = threads.store(tmp_path, queue_size=2)
    gate = threads.park(store)
    assert save(store, "r", 1) and save(store, "r", 2)
    assert save(store, "r", 3) is False and save(store, "s") is False
    assert (store.has("r", 3), store.load("r", 3), store.has("s", 1)) == (False, None, False)
    assert set(store._file_registry) == {"r", "park"}
    gate.open()
    eventually(lambda: not store._pending_writes)
    assert loaded(store, "r", 2) == b"data" and save(store, "r", 3)


def test_budget_refuses_and_frees(threads: Threads, tmp_path: Path) -> None:
    store = threads.store(tmp_path, max_pending_bytes=10)
    gate = threads.park(store)
    assert save(store, "r", 1, b"x" * 10)
    assert save(store, "r", 2, b"x") is False and not store.has("r", 2)
    gate.open()
    eventually(lambda: not store._pending_writes)
    assert save(store, "r", 2, b"x")


@both
def test_shutdown_ends_the_writer_twice_and_on_a_full_queue(
    threads: Threads, tmp_path: Path, flaws: Flaws
) -> None:
    store = threads.store(tmp_path, queue_size=1, flaws=flaws)
    gate = threads.park(store)
    save(store, "r")
    store.shutdown(timeout=0)
    gate.open()
    store.shutdown()
    store.shutdown()
    assert not store._writer.is_alive()


@both
def test_shutdown_with_cleanup_leaves_nothing(threads: Threads, tmp_path: Path, flaws: Flaws) -> None:
    store = threads.store(tmp_path, flaws=flaws)
    save(store, "r")
    settle(store)
    store.shutdown(cleanup=True)
    assert not store._writer.is_alive() and not store.has("r", 1)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_cleanup_after_shutdown_warns_and_cleans_up(
    threads: Threads, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = threads.store(tmp_path)
    save(store, "r")
    settle(store)
    store.shutdown()
    assert "after shutdown" not in caplog.text
    store.cleanup_all()
    assert "after shutdown" in caplog.text
    assert not list(tmp_path.rglob("*.safetensors"))


# -- the package -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["store", "snapshots", "flaws"])
def test_store_knows_nothing_of_the_explorer(name: str) -> None:
    tree = ast.parse((Path(original_store.__file__).parent / f"{name}.py").read_text())
    imported = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not [module for module in imported if module.startswith("schedule_explorer")]
    ups = [node.level for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert max(ups) <= 1, "out of its own folder"


def test_zoo_is_whole() -> None:
    assert [bug.number for bug in ZOO] == list(range(1, 30))
    assert len({bug.name for bug in ZOO}) == 29
    assert all(bug.guarantee and bug.reason for bug in ZOO)
    left = {bug.number for bug in ZOO if bug.left_by_fix}
    assert left == {11, 12, 13, 14, 15, 16, 17, 19, 21, 22, 23, 24, 25, 26, 27}


def test_every_switch_is_used_by_a_bug_or_by_the_design_before_the_fix() -> None:
    used = [bug.flaws for bug in ZOO] + [BEFORE_FIX]
    names = [field.name for field in fields(Flaws)]
    assert [name for name in names if not any(getattr(flaws, name) for flaws in used)] == []


# -- under the explorer ----------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["sleep-set-dfs", *[f"random {seed}" for seed in range(10)]])
def test_zoo_bug_1_in_hand_orphan(strategy: str) -> None:
    name, _, seed = strategy.partition(" ")
    body = orphan_program(barrier=False)
    result = explore(body, name, seed=int(seed or 0), max_executions=2000)
    assert result.failure is not None, result.reason
    assert isinstance(result.failure.error, OrphanFileError)
    with interposed():
        for _ in range(100 if name == "sleep-set-dfs" else 10):
            assert isinstance(replay(body, result.failure.schedule).failures[0].error, OrphanFileError)


def test_fix_holds_where_no_wait_times_out() -> None:
    result = explore(orphan_program(barrier=True), timeouts="quiet")
    assert (result.verdict, result.failures) == (Verdict.UNFINISHED, [])


def test_fix_leaves_an_orphan_when_its_barrier_times_out() -> None:
    result = explore(orphan_program(barrier=True))
    assert result.failure is not None
    assert isinstance(result.failure.error, OrphanFileError)


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_zoo_bug_1_token_replays_in_a_fresh_process(hash_seed: str) -> None:
    failure = explore(orphan_program(barrier=False), "sleep-set-dfs").failure
    assert failure is not None
    program = (
        "import sys; from schedule_explorer import replay;"
        "from schedule_explorer.targets.original_store import orphan_program;"
        "print(type(replay(orphan_program(barrier=False), sys.argv[1]).failure.error).__name__)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program, failure.schedule],
        env={**os.environ, "PYTHONHASHSEED": hash_seed}, check=True, capture_output=True, text=True,
    ).stdout
    assert printed.split() == ["OrphanFileError"]
