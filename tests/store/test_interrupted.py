"""G1, G8: a call that is interrupted (Ctrl-C, or what a signal handler raises) loses nothing of the tables.

An interrupt comes at the begin of a function, after a call, or in a wait for a lock, so it is put at every
such point of the tables, or of the calls and their waits.
"""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from store_support import LONG, Disk, files, later, live, save, settled, values

from store import BoundarySnapshotStore, boundary_store, forks, layout, state, writer
from store.generation import Generation

COUNT = 3
SESSION = (layout.__file__, forks.__file__, weakref.__file__)
WAITS = (boundary_store.__file__, writer.__file__, threading.__file__)
Call = Callable[[BoundarySnapshotStore], object]


def interrupted_at(
    event: int, call: Callable[[], object], watched: tuple[str, ...] = (state.__file__,)
) -> bool:
    """Make a call with an interrupt at one event of the code of some files; False when there are fewer."""
    seen = 0

    def profile(frame: FrameType, kind: str, argument: Any) -> None:
        nonlocal seen
        if frame.f_code.co_filename not in watched:
            return
        if frame.f_code.co_name == "__del__":
            return  # which nothing that is raised leaves
        if kind == "c_call" and argument.__name__ != "acquire":
            return
        seen += 1
        if seen == event:
            sys.setprofile(None)
            raise KeyboardInterrupt

    try:
        sys.setprofile(profile)
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(None)
    return False


def on_disk(store: BoundarySnapshotStore, disk: Disk) -> None:
    """Have snapshots that are served from their files."""
    for count in range(COUNT):
        assert save(store, "a", count=count)
    settled(store)


def failed(store: BoundarySnapshotStore, disk: Disk) -> None:
    """Have snapshots that are on disk no more, for a newer one of their keys could not be written."""
    on_disk(store, disk)
    disk.fail("a", OSError(28, "no space left on device"))
    on_disk(store, disk)
    disk.heal()


def queued(store: BoundarySnapshotStore, disk: Disk) -> None:
    """Have one in hand and others in the queue, of which some would replace a file."""
    on_disk(store, disk)
    arrived, _ = disk.hold("a")
    for count in (*range(COUNT), COUNT):
        assert save(store, "a", 2.0, count)
    assert arrived.wait(LONG)


def stop(store: BoundarySnapshotStore) -> None:
    """Shut down, without the time to write what is queued."""
    store.shutdown(timeout=0.0)


@pytest.mark.parametrize("prepare", [on_disk, failed, queued])
@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda store: store.cleanup_request("a"), id="cleanup_request"),
        pytest.param(lambda store: store.cleanup_all(), id="cleanup_all"),
        pytest.param(lambda store: save(store, "a", 3.0, COUNT - 1), id="save"),
        pytest.param(stop, id="shutdown"),
    ],
)
def test_nothing_is_left_by_a_call_that_was_interrupted(
    tmp_path: Path, disk: Disk, prepare: Callable[[BoundarySnapshotStore, Disk], None], call: Call
) -> None:
    event, interrupted = 0, True
    while interrupted:
        event += 1
        store = BoundarySnapshotStore(
            tmp_path / str(event), cleanup_request_timeout=0.0, cleanup_all_timeout=0.0
        )
        prepare(store, disk)
        interrupted = interrupted_at(event, lambda made=store: call(made))  # type: ignore[misc]
        disk.open()
        if not store._state.closed:
            settled(store)
        store._cleanup_all_timeout = LONG
        assert store.cleanup_all(), event
        left = store._state
        assert files(tmp_path) == [], event
        assert (left.pending_bytes, left.current, dict(left.queue), left.leaving) == (0, {}, {}, {}), event
        assert left.in_hand is None, event
        assert store.shutdown(cleanup=True, timeout=LONG), event
    assert event > 4, "it was not interrupted"


def test_the_writer_forgets_what_an_interrupted_cleanup_left(
    store: BoundarySnapshotStore, disk: Disk
) -> None:
    """Without another cleanup: what was in hand is not published, and what was queued is not written."""
    arrived, gate = disk.hold("a")
    save(store, "a")
    assert arrived.wait(LONG)
    save(store, "a", count=1)
    real = store._state._forget

    def interrupted(generation: Generation) -> None:
        raise KeyboardInterrupt

    store._state._forget = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        store.cleanup_request("a")
    store._state._forget = real  # type: ignore[method-assign]
    gate.set()
    settled(store)
    assert disk.written == ["a"] and live(store) == [] and store.stats().pending_bytes == 0


def test_a_cleanup_that_is_interrupted_while_it_waits_has_let_the_lock_go(tmp_path: Path, disk: Disk) -> None:
    event, interrupted = 0, True
    while interrupted:
        event += 1
        store = BoundarySnapshotStore(tmp_path / str(event), cleanup_request_timeout=0.001)
        arrived, gate = disk.hold("a")
        save(store, "a")
        assert arrived.wait(LONG)
        interrupted = interrupted_at(event, lambda made=store: made.cleanup_request("a"), WAITS)  # type: ignore[misc]
        # The writer is stuck, and there is nobody else.
        assert not store._lock.locked(), event
        assert save(store, "b") and store.has("b", 0)
        gate.set()
        settled(store)
        assert store.cleanup_all() and files(tmp_path) == [], event
        assert store._writer._waiting == [], event
        assert store.shutdown(cleanup=True, timeout=LONG), event
    assert event > 9, "it was not interrupted"


def test_after_a_shutdown_that_was_interrupted_the_next_one_waits_for_the_writer(
    tmp_path: Path, disk: Disk
) -> None:
    event, interrupted = 0, True
    while interrupted:
        event += 1
        store = BoundarySnapshotStore(tmp_path / str(event))
        arrived, gate = disk.hold("a")
        save(store, "a")
        assert arrived.wait(LONG)
        interrupted = interrupted_at(event, lambda made=store: made.shutdown(timeout=0), WAITS)  # type: ignore[misc]
        done = later(lambda made=store: made.shutdown(timeout=LONG))  # type: ignore[misc]
        gate.set()
        assert done(), event
        assert len(live(store)) == 1 and not store._writer.running, event
        store._writer.thread.join(LONG)
        assert store._writer._waiting_for_end == [], event
        assert store.shutdown(cleanup=True), event
    assert event > 9, "it was not interrupted"


def test_a_session_is_removed_by_the_shutdown_after_one_that_was_interrupted(tmp_path: Path) -> None:
    event, interrupted = 0, True
    while interrupted:
        event += 1
        store = BoundarySnapshotStore(tmp_path)
        interrupted = interrupted_at(event, lambda made=store: made.shutdown(cleanup=True), SESSION)  # type: ignore[misc]
        assert store.shutdown(cleanup=True), event
        assert list(store.root.iterdir()) == [], event
    assert event > 9, "it was not interrupted"


def test_a_constructor_that_was_interrupted_holds_no_session(tmp_path: Path) -> None:
    event, interrupted = 0, True
    while interrupted:
        event += 1
        root = tmp_path / "_boundary_snapshots"
        (root / "session-00dead" / "live").mkdir(0o700, parents=True, exist_ok=True)
        made: list[BoundarySnapshotStore] = []

        def make(kept: list[BoundarySnapshotStore] = made) -> None:
            kept.append(BoundarySnapshotStore(tmp_path))

        interrupted = interrupted_at(event, make, SESSION)
        gc.collect()
        for store in (*made, BoundarySnapshotStore(tmp_path)):
            assert store.shutdown(cleanup=True, timeout=LONG), event
        assert list(root.iterdir()) == [], event
    assert event > 9, "it was not interrupted"


def test_what_an_interrupted_cleanup_let_go_is_counted_until_somebody_drops_it(
    store: BoundarySnapshotStore, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.fail("a", OSError(28, "no space left on device"))
    save(store, "a")
    settled(store)

    def interrupted() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store._state, "drain", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.cleanup_request("a")
    assert store._state._released and store.stats().pending_bytes == 16
    store.cleanup_request("b")
    assert not store._state._released and store.stats().pending_bytes == 0


def test_what_is_saved_after_an_interrupted_cleanup_is_kept(store: BoundarySnapshotStore, disk: Disk) -> None:
    events = iter(range(1, 100))
    while interrupted_at(next(events), lambda: store.cleanup_request("a")):
        assert save(store, "a", 2.0)
        settled(store)
        assert values(store.load("a", 0)) == [2.0] * 4


@pytest.mark.parametrize("started", [False, True], ids=["before the thread runs", "while it starts"])
def test_an_interrupted_constructor_leaves_no_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: bool
) -> None:
    before = set(threading.enumerate())
    start, finalize = threading.Thread.start, weakref.finalize

    def interrupted_start(thread: threading.Thread) -> None:
        start(thread)
        raise KeyboardInterrupt

    def interrupted_finalize(made: Any, *arguments: Any) -> Any:
        if isinstance(made, BoundarySnapshotStore):
            raise KeyboardInterrupt
        return finalize(made, *arguments)

    with monkeypatch.context() as patch:
        if started:
            patch.setattr(threading.Thread, "start", interrupted_start)
        else:
            patch.setattr(weakref, "finalize", interrupted_finalize)
        with pytest.raises(KeyboardInterrupt):
            BoundarySnapshotStore(tmp_path)
    for thread in set(threading.enumerate()) - before:
        thread.join(LONG)
        assert not thread.is_alive()
    if started:
        assert list((tmp_path / "_boundary_snapshots").iterdir()) == []
