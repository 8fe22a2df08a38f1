"""Bad arguments and bad directories have a clear outcome: an exception at the start, False later."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from store_support import extract, files, save, settled, values

import store as package
from store import BoundarySnapshotSSDStore, BoundarySnapshotStore, codec, layout
from store.texts import shown

ROOT = Path(__file__).parent.parent.parent
#: no text can be made of it
HUGE = 10**5000


class Strange:
    """Nothing that a file could hold."""


def boom(snapshot: list[Any]) -> Any:
    """An extractor with a bug."""
    raise ZeroDivisionError("a bug of the model")


@pytest.mark.parametrize(
    ("request_id", "token_count", "extractor", "said"),
    [
        (None, 0, extract, "string"), (b"a", 0, extract, "string"), (["a"], 0, extract, "string"),
        ("a", -1, extract, "negative"), ("a", 1.5, extract, "int"), ("a", "1", extract, "int"),
        ("a", True, extract, "int"), ("a", None, extract, "int"), ("a", 1 << 63, extract, "63 bits"),
        ("a", 0, boom, "a bug of the model"), ("a", 0, None, "callable"),
        ("a", 0, lambda s: None, "TypeError"),
        ("a", 0, lambda s: ([], None), "at least one"), ("a", 0, lambda s: (None, None), "at least one"),
        ("a", 0, lambda s: ("layers", None), "list"), ("a", 0, lambda s: ([1], None), "layer 0"),
        ("a", 0, lambda s: ([{1: 2}], None), "layer 0"), ("a", 0, lambda s: ([], None, None), "unpack"),
        ("a", 0, lambda s: ([{"state": (Strange(),)}], None), "Strange"),
        ("a", 0, lambda s: ([{"state": ({1: 2},)}], None), "keys"),
        ("a", 0, lambda s: ([{"state": (10**5000,)}], None), "bits"),
    ],
)  # fmt: skip
def test_a_save_is_false_and_says_why(
    store: BoundarySnapshotStore, caplog: pytest.LogCaptureFixture, request_id: Any, token_count: Any,
    extractor: Callable[..., Any], said: str,
) -> None:
    with caplog.at_level(logging.WARNING, "store"):
        assert store.save(request_id, token_count, [mx.zeros((2,))], extractor) is False
    assert said in caplog.text
    assert store._state.current == {} and store.stats().pending_bytes == 0


def test_a_state_that_contains_itself(store: BoundarySnapshotStore) -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert not store.save("a", 0, [endless], extract)


def test_the_deepest_state_that_is_accepted_can_be_written(store: BoundarySnapshotStore) -> None:
    """The writer's thread makes the text of the nesting, after the save was accepted."""
    accepted = 0
    for depth in (*range(codec._DEPTH - 5, codec._DEPTH + 5), *range(0, 1200, 25)):
        nested: Any = [7]
        for _ in range(depth):
            nested = [nested]
        if store.save("a", depth, [nested], extract):
            accepted += 1
            settled(store)
            loaded = store.load("a", depth)
            assert loaded is not None
            inner: Any = loaded[0]["state"]
            while isinstance(inner, list | tuple):
                (inner,) = inner
            assert inner == 7
    assert 4 < accepted < 20
    assert store.stats().failed_writes == 0 and store.stats().written == accepted


def test_looks_at_nonsense(store: BoundarySnapshotStore, caplog: pytest.LogCaptureFixture) -> None:
    nonsense: list[Any] = [None, 1, [], {}, object()]
    for request_id in nonsense:
        assert store.load(request_id, 0) is None
        assert store.has(request_id, 0) is False
        assert store.cleanup_request(request_id)
    assert store.load("a", []) is None and store.has("a", {}) is False  # type: ignore[arg-type]
    assert "a request id is a string" in caplog.text


def test_an_interrupted_extractor_leaves_no_trace(store: BoundarySnapshotStore) -> None:
    def interrupted(snapshot: list[Any]) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.save("a", 0, [], interrupted)
    assert store._state.current == {} and save(store, "a")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"max_pending_bytes": -1}, ValueError), ({"cleanup_request_timeout": -1}, ValueError),
        ({"cleanup_all_timeout": float("nan")}, ValueError), ({"cleanup_all_timeout": 1e30}, ValueError),
        ({"max_pending_bytes": "1"}, ValueError), ({"max_pending_bytes": float("nan")}, ValueError),
        ({"cleanup_request_timeout": None}, ValueError), ({"cleanup_all_timeout": "5"}, ValueError),
        ({"cleanup_all_timeout": HUGE}, ValueError), ({"max_pending_bytes": -HUGE}, ValueError),
        ({"max_pending_bytes": True}, ValueError), ({"cleanup_all_timeout": True}, ValueError),
    ],
    ids=shown,
)  # fmt: skip
def test_options_out_of_range(tmp_path: Path, options: dict[str, Any], error: type[Exception]) -> None:
    (name,) = options
    with pytest.raises(error, match=f"^{name} is .*: give a number"):
        BoundarySnapshotStore(tmp_path / "cache", **options)
    assert not (tmp_path / "cache").exists()


def test_options_in_range(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "max_pending_bytes": float("inf"), "cleanup_request_timeout": Fraction(1), "cleanup_all_timeout": 0,
    }  # fmt: skip
    with BoundarySnapshotStore(tmp_path, **options) as store:
        assert save(store, "a") and store.cleanup_request("a")


@pytest.mark.parametrize("timeout", [None, "5", [], float("nan"), float("inf"), -1, HUGE], ids=shown)
def test_timeouts_of_a_shutdown(store: BoundarySnapshotStore, timeout: Any) -> None:
    if isinstance(timeout, int | float):
        settled(store)
        store.shutdown(timeout=timeout)
        assert not save(store, "a")
    else:
        with pytest.raises(ValueError, match=r"^timeout is .*: give a number of seconds"):
            store.shutdown(timeout=timeout)
        assert save(store, "a")


def test_numbers_without_a_text_are_logged(
    store: BoundarySnapshotStore, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python makes no text of 5,000 digits, and logging swallows or prints what comes of that."""
    monkeypatch.setattr(logging, "raiseExceptions", True)
    nonsense: Any = HUGE
    assert not save(store, "a", count=nonsense) and not save(store, "a", count=-nonsense)
    assert not save(store, nonsense) and not store.save("a", 0, nonsense, extract)
    assert not store.save("a", 0, [], lambda cache: (nonsense, None))
    assert store.load("a", nonsense) is None and not store.has("a", nonsense)
    assert store.cleanup_request(nonsense)
    assert [record.getMessage() for record in caplog.records if not record.getMessage()] == []
    assert "a token count has 63 bits at most" in caplog.text and "<int>" in caplog.text
    assert "at least one dict, not int <int>" in caplog.text


def test_true_is_no_token_count(store: BoundarySnapshotStore) -> None:
    assert save(store, "a", count=1)
    assert store.has("a", 1) and not store.has("a", True) and store.load("a", True) is None


def test_an_id_of_a_class_of_the_callers_is_its_text(store: BoundarySnapshotStore) -> None:
    """No code of that class runs where the lock is held: here it would wait for itself."""

    class Id(str):
        __slots__ = ()

        def __hash__(self) -> int:
            assert not store._lock.locked()
            return 7

        def __eq__(self, other: object) -> bool:
            assert not store._lock.locked()
            return False

    class Count(int):
        def __hash__(self) -> int:
            raise AssertionError

    request_id = Id("a")
    assert save(store, request_id, 1.0, Count(1)) and save(store, request_id, 2.0, Count(1))
    settled(store)
    for one in (request_id, "a"):
        assert store.has(one, Count(1)) and values(store.load(one, 1)) == [2.0] * 4
    assert {type(one) for one in store._state.current} == {str}
    assert store.cleanup_request(request_id).forgotten == 1


def test_directories_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to(tmp_path / "file")
    for base in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "dangling"):
        with pytest.raises(NotADirectoryError, match=r"base_dir is, or is below, .* choose another"):
            BoundarySnapshotStore(base)
    for nonsense in ("", "a\0b"):
        with pytest.raises(ValueError, match="base_dir"):
            BoundarySnapshotStore(nonsense)
    for none, said in ((None, "None"), (5, "5"), (b"x", "b'x'")):
        with pytest.raises(TypeError, match=f"^base_dir is {said}: give the path of a directory"):
            BoundarySnapshotStore(none)  # type: ignore[arg-type]
    assert files(tmp_path) == ["dangling", "file"]


def test_a_directory_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mkdir(path: Any, mode: int = 0o777, **options: Any) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "mkdir", mkdir)
    with pytest.raises(PermissionError):
        BoundarySnapshotStore(tmp_path / "cache")


def test_a_directory_that_can_no_longer_be_written(
    store: BoundarySnapshotStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def create(place: layout.Place) -> int:
        raise PermissionError(13, "Permission denied", place.part)

    monkeypatch.setattr(layout, "create", create)
    assert save(store, "a", 4.0)
    settled(store)
    assert "Permission denied" in caplog.text and values(store.load("a", 0)) == [4.0] * 4


def test_a_disk_that_is_full_for_real(tmp_path: Path) -> None:
    """The limit of a process on the size of its files stands for the end of the disk."""
    program = textwrap.dedent("""
        import resource, sys
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        sys.path.insert(0, sys.argv[2])
        from store_support import *
        store = BoundarySnapshotStore(sys.argv[1])
        assert save(store, "big", 1.0, size=1 << 20) and save(store, "small", 2.0)
        settled(store)
        assert values(store.load("big", 0)) == [1.0] * (1 << 20)
        stats = store.stats()
        assert (stats.failed_writes, stats.on_disk, stats.pending_bytes) == (1, 1, 4 << 20), stats
        assert "EFBIG" in stats.last_error or "File too large" in stats.last_error
        good = live(store)
        assert save(store, "small", 3.0, size=1 << 20)
        settled(store)
        assert live(store) == good and values(store.load("small", 0)) == [3.0] * (1 << 20)
        assert save(store, "small", 4.0)
        settled(store)
        assert values(store.load("small", 0)) == [4.0] * 4
        assert len(live(store)) == 1 and live(store) != good
        assert store.cleanup_all() and files(store.root) == []
    """)
    subprocess.run(
        [sys.executable, "-c", program, tmp_path, Path(__file__).parent], check=True, cwd=ROOT,
        capture_output=True, timeout=60,
    )


def test_a_directory_that_is_read_only_for_real() -> None:
    """G3, G4, G13: nothing accepted is lost, the older file stays, and the writer goes on. Not as root."""
    program = textwrap.dedent("""
        import sys
        sys.path.insert(0, sys.argv[2])
        from store_support import *
        base = sys.argv[1]
        os.chmod(base, 0o500)
        if os.geteuid() == 0:
            os.chown(base, 65534, 65534)
            os.setegid(65534)
            os.seteuid(65534)
        try:
            BoundarySnapshotStore(base)
        except PermissionError as error:
            assert base in str(error)
        else:
            raise AssertionError("a store was made in a directory that is read only")
        os.chmod(base, 0o700)
        store = BoundarySnapshotStore(base)
        assert save(store, "a", 1.0)
        settled(store)
        good, part = live(store), os.path.dirname(store._layout.place(0).part)
        for directory, failures in ((part, 2), (os.path.join(store._layout.session, "live"), 4)):
            os.chmod(directory, 0o500)
            assert save(store, "a", 2.0) and save(store, "b", 3.0)
            settled(store)
            assert live(store) == good, "the older file stays"
            assert values(store.load("a", 0)) == [2.0] * 4 and values(store.load("b", 0)) == [3.0] * 4
            stats = store.stats()
            assert stats.failed_writes == failures and "Permission denied" in stats.last_error, stats
            os.chmod(directory, 0o700)
        assert save(store, "c", 4.0)
        settled(store)
        assert len(live(store)) == 2, "the writer goes on"
        assert store.cleanup_all() and files(store.root) == [] and store.shutdown()
    """)
    # Not in `tmp_path`: pytest lets nobody else into the directories above it.
    with tempfile.TemporaryDirectory() as base:
        done = subprocess.run(
            [sys.executable, "-c", program, base, Path(__file__).parent], cwd=ROOT, capture_output=True,
            text=True, timeout=60,
        )
    assert done.returncode == 0, done.stderr


def test_without_mlx() -> None:
    program = "import sys; sys.modules['mlx'] = sys.modules['mlx.core'] = None; import store"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "ImportError: the snapshot store needs MLX: install it with `pip install mlx`" in done.stderr


def test_the_names_of_the_package() -> None:
    assert BoundarySnapshotSSDStore is BoundarySnapshotStore
    assert all(hasattr(package, name) for name in package.__all__)


def test_positional_arguments_stay_compatible(tmp_path: Path) -> None:
    store = BoundarySnapshotSSDStore(str(tmp_path))
    assert store.save("a", 8, [mx.zeros((2,))], extract) is True
    assert store.has("a", 8) is True
    loaded = store.load("a", 8)
    assert isinstance(loaded, list)
    assert sorted(loaded[0]) == ["cache_type", "class_name", "meta_state", "state"]
    store.cleanup_request("a")
    store.cleanup_all()
    store.shutdown()


def test_a_base_dir_whose_files_mlx_could_not_load(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="UTF-8"):
        BoundarySnapshotStore(os.path.join(tmp_path, os.fsdecode(b"caf\xe9")))
    assert list(tmp_path.iterdir()) == []
