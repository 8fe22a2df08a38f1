"""The production store under what its contract says besides: nothing is given up, left, or done unlocked.

These hold in fewer executions than the oracles of `target` do, so they are targets of their own.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from schedule_explorer.errors import OrphanFileError
from schedule_explorer.interposition.faults import Fault, declare
from schedule_explorer.oracles.history import History, Recorded
from schedule_explorer.oracles.quiescence import unobserved
from schedule_explorer.runtime import current_execution
from schedule_explorer.targets.boundary_store.guarantees import GuardedBoundaryStoreTarget
from schedule_explorer.targets.boundary_store.target import BoundaryStoreTarget
from schedule_explorer.targets.store_guarantees import System
from schedule_explorer.targets.store_target import StoreSetting
from store import BoundarySnapshotStore
from store.generation import Phase
from store.state import StoreState

_TABLES = ("accept", "find", "take", "wrote", "failed", "let_go", "forget", "removed", "close", "drain")


class StrictBoundaryStoreTarget(BoundaryStoreTarget):
    """Asks for what holds on a disk that neither fails nor hangs, when a wait runs out only at the end.

    To be explored with ``timeouts="quiet"``: the writer is never stuck then, so no cleanup is deferred, and a
    shutdown is complete unless another one is at it too. One with a cleanup leaves nothing of the session.
    The tables are changed and read with the lock held: without it the executions look the same here, for
    code between two steps is atomic, and on real threads they do not.
    """

    def make(self, root: Path) -> BoundarySnapshotStore:
        """Make a store whose tables know whether its lock is held."""
        store = super().make(root)
        for name in _TABLES:
            setattr(store._state, name, _guarded(store._state, name, store._lock))
        return store

    def needs_explorer(self) -> str:
        """Virtual time."""
        return "it asks that no virtual time passes"

    def perform(self, system: BoundarySnapshotStore, recorded: Recorded) -> Any:
        """Make the call; nothing is stuck, so no wait runs out: no virtual time passes."""
        began = _now()
        result = self._perform(system, recorded)
        if _now() != began:
            raise AssertionError(f"{recorded.call} waited until its time was over, and nothing was stuck")
        return result

    def _perform(self, system: BoundarySnapshotStore, recorded: Recorded) -> Any:
        name = recorded.call.name
        if name == "shutdown":
            cleanup = bool(recorded.call.arguments[0])
            complete = system.shutdown(cleanup=cleanup)
            with unobserved():
                there = os.path.exists(system._layout.session)
            if complete and cleanup and there:
                raise OrphanFileError(f"{recorded.call} was complete, and the session is there")
            if not complete and (system._writer.running or not there or not cleanup):
                raise AssertionError(f"{recorded.call} was not complete, and nothing was stuck")
            return None
        before = system._state.deferred_cleanups
        result = super().perform(system, recorded)
        if system._state.deferred_cleanups != before:
            raise AssertionError(f"a cleanup gave up during {recorded.call}, and nothing was stuck")
        return result


def _now() -> float:
    execution = current_execution()
    thread = None if execution is None else execution.current
    return 0.0 if thread is None else thread.now


def _guarded(state: StoreState, name: str, lock: Any) -> Any:
    method = getattr(state, name)

    def call(*arguments: Any) -> Any:
        execution = current_execution()
        thread = None if execution is None else execution.current
        if thread is not None and lock.holder() is not thread:
            raise AssertionError(f"{thread.name} calls {name}() without the lock of the store")
        return method(*arguments)

    return call


class FailingDiskTarget(GuardedBoundaryStoreTarget):
    """The store on a disk on which writes fail and removals do not.

    Arguments:
        faults: in calls that write.
        methods: what clients may call.
    """

    def __init__(self, faults: tuple[Fault, ...], methods: tuple[str, ...]) -> None:
        super().__init__(StoreSetting(methods, ids=("x",), keys=(0,), faults=faults))

    def at_quiescence(self, system: System, history: History) -> None:
        """No part of a write is left, and memory keeps what is served from it and nothing else."""
        state, session = system.store._state, system.store._layout.session
        current = [one for table in state.current.values() for one in table.values()]
        failed = sum(one.nbytes for one in current if one.phase is Phase.FAILED)
        kept = (state.in_hand, dict(state.queue), dict(state.leaving), state.pending_bytes)
        if kept != (None, {}, {}, 0 if state.closed else failed):
            raise AssertionError(f"in hand, queued, leaving and pending bytes are {kept}; {failed} failed")
        # A save that failed keeps the older file of its key.
        current += [one.replaces for one in current if one.replaces is not None]
        written = (Phase.ON_DISK, Phase.LEAVING)
        files = {os.path.basename(one.place.final) for one in current if one.phase in written}
        for directory in sorted(os.listdir(session)) if os.path.exists(session) else ():
            found = set(os.listdir(os.path.join(session, directory)))
            if found != (files if directory == "live" else set()) or directory.startswith("trash"):
                raise OrphanFileError(f"{directory} has {sorted(found)}; on disk are {sorted(files)}")


class StubbornDiskTarget(BoundaryStoreTarget):
    """The store on a disk on which removals fail: a cleanup that says that it is complete left nothing.

    Arguments:
        faults: in calls that remove.
    """

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__(("x",), (0,))
        self._faults = faults
        #: threads of clients whose last cleanup was not complete
        self._incomplete: set[int] = set()

    def needs_explorer(self) -> str:
        """Faults."""
        return "its disk fails when the explorer says so"

    def make(self, root: Path) -> BoundarySnapshotStore:
        """Make a store on the failing disk."""
        for fault in self._faults:
            declare(fault)
        return super().make(root)

    def perform(self, system: BoundarySnapshotStore, recorded: Recorded) -> Any:
        """Make the call, and keep whether a cleanup was complete."""
        if not recorded.call.name.startswith("cleanup"):
            return super().perform(system, recorded)
        outcome = getattr(system, recorded.call.name)(*recorded.call.arguments)
        self._incomplete.discard(recorded.tid)
        if not outcome:
            self._incomplete.add(recorded.tid)
        return None

    def look(self, system: BoundarySnapshotStore, recorded: Recorded, history: History) -> frozenset[int]:
        """G1, after a cleanup that was complete."""
        if recorded.tid in self._incomplete:
            return frozenset()
        return super().look(system, recorded, history)

    def at_quiescence(self, system: BoundarySnapshotStore, history: History) -> None:
        """Removals that failed left files; memory keeps nothing of them."""
        state = system._state
        if (state.in_hand, dict(state.queue), state.pending_bytes) != (None, {}, 0):
            raise AssertionError("something is in hand, queued or pending")
