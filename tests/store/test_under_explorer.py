"""The store itself, unmodified, under every schedule that matters: two clients of up to two calls each.

After every execution: the calls are linearizable, the live tree holds the files of what can be loaded and
nothing else, and no part of a write is left anywhere.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import mlx.core as mx
import pytest
from store_sequential import Call, linearizable

from schedule_explorer import Verdict, explore, fresh_dir
from schedule_explorer.interposition.context import virtual
from store import BoundarySnapshotStore, layout
from store.generation import Phase
from store.writer import Discard, Report, Writer

pytestmark = pytest.mark.usefixtures("interposed_once")

Program = list[tuple[str, tuple[Any, ...]]]
SAVE, AGAIN, OTHER = ("save", ("x", 0, 1)), ("save", ("x", 0, 2)), ("save", ("y", 0, 3))
LOAD, HAS = ("load", ("x", 0)), ("has", ("x", 0))
REQUEST, ALL = ("cleanup_request", ("x",)), ("cleanup_all", ())


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def _bytes(snapshot: list[Any]) -> Any:
    return [{"state": (str(snapshot[0]).encode(),), "meta_state": "", "class_name": "K"}], None


def _array(snapshot: list[Any]) -> Any:
    return [{"state": (mx.array(snapshot[0]),), "meta_state": "", "class_name": "K"}], None


def _perform(store: BoundarySnapshotStore, extract: Any, name: str, arguments: tuple[Any, ...]) -> Any:
    if name == "save":
        request_id, count, value = arguments
        return store.save(request_id, count, [value], extract)
    result = getattr(store, name)(*arguments)
    if name == "load":
        return None if result is None else int(
            result[0]["state"][0] if extract is _bytes else result[0]["state"][0].item()
        )
    if name.startswith("cleanup"):
        # A cleanup that gave up waiting has forgotten all the same.
        assert not result.errors
        return True
    return result


def body(*programs: Program, extract: Any = _bytes, closing: bool = False) -> Callable[[], None]:
    """Return the body: the first program runs on the main thread, each other one on its own.

    Arguments:
        closing: the store is closed after the last call, at any point of the writer's work; else the writer
            goes on until it has nothing to do.
    """

    def run() -> None:
        store = BoundarySnapshotStore(fresh_dir())
        clock = itertools.count()
        history: list[Call] = []

        def client(program: Program) -> None:
            for name, arguments in program:
                if name == "look":
                    assert not os.listdir(os.path.join(store._layout.session, "live")), "an orphan"
                    continue
                began = next(clock)
                result = _perform(store, extract, name, arguments)
                history.append(Call(name, arguments, result, began, next(clock)))

        threads = [threading.Thread(target=client, args=(program,)) for program in programs[1:]]
        for thread in threads:
            thread.start()

        def look() -> None:
            assert linearizable(history), history
            _nothing_else(store)

        if not closing:
            execution = virtual()
            assert execution is not None
            execution.at_quiescence.append(look)
            return client(programs[0])
        client(programs[0])
        for thread in threads:
            thread.join()
        # As shutdown() does, with all the time in the world.
        with store._lock:
            store._state.close()
            store._writer.wake()
        store._writer.thread.join()
        look()

    return run


def _nothing_else(store: BoundarySnapshotStore) -> None:
    state = store._state
    expected = {
        os.path.basename(generation.place.final)
        for table in state.current.values() for generation in table.values()
    }  # fmt: skip
    assert (state.in_hand, dict(state.queue), state.leaving, state.pending_bytes) == (None, {}, {}, 0)
    found: dict[str, list[str]] = {}
    for name in os.listdir(store._layout.session):
        found[name.partition("-")[0]] = os.listdir(os.path.join(store._layout.session, name))
    assert set(found) == {"live", "staging"} and found["staging"] == []
    assert set(found["live"]) == expected, "an orphan"


#: not a call: nothing may be in the live tree
LOOK: tuple[str, tuple[Any, ...]] = ("look", ())
PROGRAMS = {
    "save all look": [[SAVE, ALL, LOOK]],
    "save again request look": [[SAVE, AGAIN, REQUEST, LOOK]],
    "save all": [[SAVE, ALL]],
    "save request": [[SAVE, REQUEST]],
    "save load": [[SAVE, LOAD]],
    "save again": [[SAVE, AGAIN]],
    "save | all": [[SAVE], [ALL]],
    "save | load": [[LOAD], [SAVE]],
    "save has | request": [[SAVE, HAS], [REQUEST]],
    "save other | request": [[SAVE, OTHER], [REQUEST]],
    "save load | request": [[SAVE, LOAD], [REQUEST]],
    "save all | again": [[SAVE, ALL], [AGAIN]],
    "save other | again load": [[SAVE, OTHER], [AGAIN, LOAD]],
    "save has | again load": [[SAVE, HAS], [AGAIN, LOAD]],
    "save load | again load": [[SAVE, LOAD], [AGAIN, LOAD]],
    "save load | request again": [[SAVE, LOAD], [REQUEST, AGAIN]],
    "save again | load request": [[SAVE, AGAIN], [LOAD, REQUEST]],
    "save other | load all": [[SAVE, OTHER], [LOAD, ALL]],
}
#: the same with the store closed at any point after the last call
CLOSED = {
    "save": [[SAVE]],
    "save again": [[SAVE, AGAIN]],
    "save all": [[SAVE, ALL]],
    "save | all": [[SAVE], [ALL]],
    "save load | request": [[SAVE, LOAD], [REQUEST]],
}
if os.environ.get("STORE_DEEP"):
    # From 1,500 to 16,000 traces each.
    PROGRAMS |= {
        "save other | request all": [[SAVE, OTHER], [REQUEST, ALL]],
        "save again | request all": [[SAVE, AGAIN], [REQUEST, ALL]],
        "save other | again all": [[SAVE, OTHER], [AGAIN, ALL]],
        "save load | again all": [[SAVE, LOAD], [AGAIN, ALL]],
        "save request | again load": [[SAVE, REQUEST], [AGAIN, LOAD]],
        "save request | all has": [[SAVE, REQUEST], [ALL, HAS]],
        "save request | other all": [[SAVE, REQUEST], [OTHER, ALL]],
        "save request | again request": [[SAVE, REQUEST], [AGAIN, REQUEST]],
        "save all | again all": [[SAVE, ALL], [AGAIN, ALL]],
        "save | request | all": [[SAVE], [REQUEST], [ALL]],
    }


@pytest.mark.parametrize("programs", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.timeout(0 if os.environ.get("STORE_DEEP") else 120)
def test_proved(programs: list[Program]) -> None:
    result = explore(body(*programs), "optimal-dpor")
    assert result.verdict is Verdict.PROVED, result.reason
    assert result.executions > 1


@pytest.mark.parametrize("programs", CLOSED.values(), ids=CLOSED)
def test_proved_when_closed(programs: list[Program]) -> None:
    result = explore(body(*programs, closing=True), "optimal-dpor")
    assert result.verdict is Verdict.PROVED, result.reason
    assert result.executions > 1


def test_proved_with_arrays() -> None:
    result = explore(body([SAVE, LOAD], [ALL], extract=_array), "optimal-dpor")
    assert result.verdict is Verdict.PROVED, result.reason


def test_a_shutdown_that_gives_up_keeps_the_good_file() -> None:
    def given_up() -> None:
        store = BoundarySnapshotStore(fresh_dir())
        execution = virtual()
        assert execution is not None
        execution.at_quiescence.append(lambda: _nothing_else(store))
        for value in (1, 2):
            store.save("x", 0, [value], _bytes)
        store.shutdown()

    result = explore(given_up, "optimal-dpor")
    assert result.verdict is Verdict.PROVED, result.reason


def test_a_dropped_store_leaves_nothing() -> None:
    def dropped() -> None:
        base = fresh_dir()
        store = BoundarySnapshotStore(base)
        store.save("x", 0, [1], _bytes)
        writer, root = store._writer.thread, store.root
        del store
        writer.join()
        assert os.listdir(root) == []

    result = explore(dropped, "optimal-dpor")
    assert result.verdict is Verdict.PROVED, result.reason


def _late(place: layout.Place) -> None:
    """Break G1: a cleanup that gave up waiting leaves the rename to come."""


def _kept(place: layout.Place) -> None:
    """Break G2: a stolen staging directory is left where it is."""


def _in_the_trash(place: layout.Place) -> None:
    """Break G2: the writer relies on a cleanup to have taken the staging directory away by now."""
    layout.remove_file(os.path.join(place.trash, place.name))
    try:
        os.rmdir(place.trash)
    except FileNotFoundError:
        pass


def _hopeful(self: Discard) -> Report:
    """Break G1: what was cancelled in hand is held to have been published never."""
    self.published = False
    return _perform_discard(self)


def _forgetful(self: Writer, done: Any, report: Any) -> Any:
    """Break G1: the writer does not ask whether its snapshot was cancelled."""
    if done.generation.phase is Phase.CANCELLED:
        self.state.let_go(done.generation)
        self._notify()
        return None, None
    return _after_write(self, done, report)


_after_write = Writer._after_write
_perform_discard = Discard.perform
FLAWS: list[tuple[Any, str, Any, list[Program]]] = [
    (layout, "steal", _late, [[SAVE, ALL, LOOK]]),
    (layout, "remove_stolen", _kept, [[SAVE, ALL]]),
    (layout, "remove_stolen", _in_the_trash, [[SAVE, ALL]]),
    (Discard, "perform", _hopeful, [[SAVE, ALL]]),
    (Writer, "_after_write", _forgetful, [[SAVE, ALL]]),
    (Writer, "_after_write", _forgetful, [[SAVE], [REQUEST]]),
]


@pytest.mark.parametrize(("owner", "name", "flaw", "programs"), FLAWS)
def test_a_flaw_is_found(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, flaw: Any, programs: list[Program]
) -> None:
    monkeypatch.setattr(owner, name, flaw)
    assert explore(body(*programs), "optimal-dpor").verdict is Verdict.FAILED
