"""The production store, unmodified, as something to explore."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from schedule_explorer.errors import OrphanFileError
from schedule_explorer.oracles.history import History, Recorded, precedes
from schedule_explorer.oracles.linearizability import Specification
from schedule_explorer.oracles.quiescence import unobserved
from schedule_explorer.programs.alphabet import Alphabet, Method
from schedule_explorer.programs.calls import Call
from schedule_explorer.targets.store_specification import RefusingSpecification, StoreSpecification
from schedule_explorer.targets.store_target import array_of, states, value_of
from store import BoundarySnapshotStore, codec

METHODS = (
    Method("save", ("id", "key")), Method("load", ("id", "key")), Method("has", ("id", "key")),
    Method("cleanup_request", ("id",)), Method("cleanup_all"), Method("shutdown", ("cleanup",)),
)  # fmt: skip


class BoundaryStoreTarget:
    """Explores `store.BoundarySnapshotStore`.

    Arguments:
        ids: request ids of the alphabet.
        keys: token counts of the alphabet.
        max_pending_bytes: the byte budget of the store, of which a save takes one or two; a save may be
            refused then. None: that which a store has unless told.
        arrays: snapshots are MLX arrays, not bytes.
    """

    name = "boundary_store"

    def __init__(
        self, ids: tuple[str, ...] = ("x", "y"), keys: tuple[int, ...] = (0, 1), *,
        max_pending_bytes: int | None = None, arrays: bool = False,
    ) -> None:  # fmt: skip
        self.alphabet = Alphabet(
            METHODS, {"id": ids, "key": keys, "cleanup": (False, True)}, symmetric=("id", "key")
        )
        refusing = max_pending_bytes is not None
        self.specification: Specification = (RefusingSpecification if refusing else StoreSpecification)(ids)
        self._options: dict[str, Any] = {"max_pending_bytes": max_pending_bytes} if refusing else {}
        self._states = _array_states if arrays else _states
        self._keys = [(request_id, key) for request_id in ids for key in keys]

    def make(self, root: Path) -> BoundarySnapshotStore:
        """Make a store."""
        return BoundarySnapshotStore(root, **self._options)

    def perform(self, system: BoundarySnapshotStore, recorded: Recorded) -> Any:
        """Make the call. A cleanup that gave up waiting has forgotten all the same: that is its result."""
        name = recorded.call.name
        arguments: tuple[Any, ...] = recorded.call.arguments
        if name == "save":
            request_id, key = arguments
            return system.save(request_id, key, [recorded.value], self._states)
        if name == "load":
            return value_of(system.load(*arguments))
        if name == "shutdown":
            system.shutdown(cleanup=bool(arguments[0]))
            return None
        result = getattr(system, name)(*arguments)
        if name == "has":
            return result
        if result.errors:
            raise AssertionError(f"{recorded.call} left files behind: {'; '.join(result.errors)}")
        return None

    def look(self, system: BoundarySnapshotStore, recorded: Recorded, history: History) -> frozenset[int]:
        """Return the values of the saves whose files are in the live tree when a cleanup has returned."""
        if not recorded.call.name.startswith("cleanup"):
            return frozenset()
        live = os.path.join(system._layout.session, "live")
        try:
            names = os.listdir(live)
        except FileNotFoundError:
            return frozenset()  # shut down, with a cleanup
        with unobserved():  # a file of the live tree never changes
            return frozenset(_values(os.path.join(live, name) for name in names))

    def check_order(self, order: Sequence[Recorded]) -> None:
        """G1: when a cleanup returned, no file was left of a save that returned before it began."""
        for cleanup in order:
            for save in order if cleanup.seen else ():
                if (
                    save.value in cleanup.seen and precedes(save, cleanup)
                    and save.call.arguments[0] in self.specification.parts(cleanup.call)
                ):
                    raise OrphanFileError(
                        f"{cleanup.call} returned, and the file of {save.call}#{save.value} was still there"
                    )

    def at_quiescence(self, system: BoundarySnapshotStore, history: History) -> None:
        """The disk has the files of what can be loaded and nothing else, and no table keeps anything else."""
        state, session = system._state, system._layout.session
        kept = (state.in_hand, dict(state.queue), state.leaving, state.pending_bytes)
        if kept != (None, {}, {}, 0):
            raise AssertionError(f"in hand, queued, leaving and pending bytes are not nothing: {kept}")
        if empty := [name for name, table in state.current.items() if not table]:
            raise AssertionError(f"empty tables are kept, and nothing else removes them: {empty}")
        expected = {
            os.path.basename(generation.place.final)
            for table in state.current.values() for generation in table.values()
        }  # fmt: skip
        if not os.path.exists(session):
            return
        for directory in os.listdir(session):
            found = set(os.listdir(os.path.join(session, directory)))
            if directory == "live" and expected - found:
                raise AssertionError(f"files are missing: {sorted(expected - found)}")
            if left := found - (expected if directory == "live" else set()):
                raise OrphanFileError(f"left in {directory}: {', '.join(sorted(left))}")

    def observe(self, system: BoundarySnapshotStore) -> list[tuple[Call, Any]]:
        """Return what every key loads when nothing moves any more."""
        return [(Call("load", key), value_of(system.load(*key))) for key in self._keys]


    # -- on real threads ---------------------------------------------------------------------------

    def needs_explorer(self) -> str:
        """Nothing."""
        return ""

    def idle(self, system: BoundarySnapshotStore) -> bool:
        """Say whether the writer waits for a reason to move, or has ended."""
        with system._lock:
            return system._writer._idle or not system._writer.running

    def close(self, system: BoundarySnapshotStore) -> None:
        """Shut down."""
        system.shutdown(cleanup=True)


def _values(paths: Iterable[str]) -> Iterable[int]:
    """Yield the values of files; one may go away meanwhile, on real threads."""
    for path in paths:
        try:
            value = value_of(codec.read(path))
        except Exception:
            if os.path.lexists(path):
                raise
        else:
            if value is not None:
                yield value


def _states(snapshot: list[Any]) -> tuple[list[dict[str, Any]], None]:
    """The extractor: one layer with a few bytes, which are the value of the save."""
    return [{"state": (str(snapshot[0]).encode(),), "meta_state": "", "class_name": "KVCache"}], None


def _array_states(snapshot: list[Any]) -> tuple[list[dict[str, Any]], None]:
    """The same as an MLX array."""
    return states([array_of(snapshot[0])])

