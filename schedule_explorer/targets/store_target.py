"""What the targets that are stores share: the calls of a client, and the oracles of `store_guarantees`."""

from __future__ import annotations

import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx

from schedule_explorer.interposition.faults import Fault, declare
from schedule_explorer.oracles.history import History, Recorded, precedes
from schedule_explorer.oracles.linearizability import Specification
from schedule_explorer.programs.alphabet import Alphabet, Method
from schedule_explorer.programs.calls import Call
from schedule_explorer.runtime import Trace, current_execution, without_ends
from schedule_explorer.targets.store_guarantees import (
    OF_TRACE,
    SYMPTOMS,
    WRITER,
    BrokenGuaranteeError,
    Payload,
    Scene,
    System,
    broken,
)
from schedule_explorer.targets.store_specification import StoreSpecification, StoreTable

METHODS = {
    "save": ("id", "key"), "load": ("id", "key"), "has": ("id", "key"), "cleanup_request": ("id",),
    "cleanup_all": (), "shutdown": ("cleanup",), "sibling": (), "drop": (), "plant": ("id",),
}  # fmt: skip
#: what every store can do; the others are for some bugs
CALLS = ("save", "load", "has", "cleanup_request", "cleanup_all", "shutdown")


@dataclass(frozen=True)
class StoreSetting:
    """What is explored on a store.

    Arguments:
        methods: what clients may call. Besides `CALLS`: ``sibling`` makes a second store on the directory,
            ``drop`` lets the last reference to the store go, ``plant`` puts a symbolic link that leads out of
            the tree where the files of a request would be.
        ids: request ids; ``hostile`` ones are not alike, so no two programs are the same by renaming.
        keys: token counts.
        hostile: an id may be a path.
        faults: what the disk may do.
        max_pending_bytes: the byte budget of the store; a save is of one byte up to the ninth.
        watch: symptoms looked for, out of `store_guarantees.SYMPTOMS`; None: all of them.
        arrays: snapshots are MLX arrays, which no ledger knows of; else bytes.

    Raises:
        ValueError: a method or a symptom is unknown.
    """

    methods: tuple[str, ...] = CALLS
    ids: tuple[str, ...] = ("x", "y")
    keys: tuple[int, ...] = (0, 1)
    hostile: bool = False
    faults: tuple[Fault, ...] = ()
    max_pending_bytes: int | None = None
    watch: frozenset[str] | None = None
    arrays: bool = False

    def __post_init__(self) -> None:
        for known, given in ((METHODS, self.methods), (SYMPTOMS, self.watch or ())):
            if unknown := sorted(set(given) - set(known)):
                raise ValueError(f"{', '.join(unknown)} is unknown: take some of {', '.join(known)}")

    @property
    def watched(self) -> frozenset[str]:
        """The symptoms looked for."""
        return frozenset(SYMPTOMS) if self.watch is None else self.watch

    def alphabet(self) -> Alphabet:
        """Return the calls of a client."""
        methods = tuple(Method(name, METHODS[name]) for name in self.methods)
        used = {domain for method in methods for domain in method.domains}
        domains: dict[str, Any] = {"id": self.ids, "key": self.keys, "cleanup": (False, True)}
        alike = ("key",) if self.hostile else ("id", "key")
        symmetric = tuple(name for name in alike if name in used)
        return Alphabet(methods, {name: domains[name] for name in domains if name in used}, symmetric)


class ClientSpecification(StoreSpecification):
    """The specification of a store for clients that also call what is no call of a store."""

    def outcomes(self, state: StoreTable, recorded: Recorded) -> Iterable[tuple[StoreTable, Any]]:
        """As that of the store; a store that was dropped serves nothing."""
        if recorded.call.name in ("sibling", "plant"):
            return [(state, None)]
        if recorded.call.name == "drop":
            return [(StoreTable(state.entries, True), None)]
        return super().outcomes(state, recorded)

    def parts(self, call: Call) -> Sequence[str]:
        """As that of the store; the other calls are about everything."""
        return self._ids if call.name in ("sibling", "plant", "drop") else super().parts(call)


class Unconstrained:
    """The specification of an object that may return anything: for a search for other failures."""

    def initial(self) -> None:
        """Return the only state."""

    def outcomes(self, state: None, recorded: Recorded) -> Iterable[tuple[None, Any]]:
        """Yield what was returned."""
        return [(None, recorded.result)]

    def parts(self, call: Call) -> Sequence[str]:
        """Name the only part."""
        return ("all",)


class StoreTarget(ABC):
    """A store as a target; a subclass says how to make it and where it keeps what.

    Arguments:
        name: of the target.
        setting: what is explored on it.
        logger: the name of the store's logger. It is silent in every execution: what it writes are steps.
    """

    def __init__(self, name: str, setting: StoreSetting, logger: str) -> None:
        self.name = name
        self.setting = setting
        self.alphabet = setting.alphabet()
        self.specification: Specification = (
            ClientSpecification(setting.ids) if "G14 linearizable" in setting.watched else Unconstrained()
        )
        self._logger = logging.getLogger(logger)

    # -- what a subclass gives ---------------------------------------------------------------------

    @abstractmethod
    def make_store(self, base: Path) -> Any:
        """Make a store on a directory."""

    @abstractmethod
    def request_directory(self, system: System, request_id: str) -> str:
        """Return where a link is planted for `plant`."""

    @abstractmethod
    def scene_of(self, system: System) -> dict[str, Any]:
        """Return `files`, `directories`, `published`, `tables` and `died_at` of the scene at the end."""

    # -- a target ------------------------------------------------------------------------------------

    def make(self, root: Path) -> System:
        """Make a store, in a directory with files of somebody else in it and beside it."""
        base, outside = root / "cache", root / "outside"
        if self.setting.hostile:
            for directory in (base, outside):
                os.mkdir(directory)
                (directory / "kept").touch()
        for fault in self.setting.faults:
            declare(fault)
        self._be_silent()
        return System(base, outside, self.make_store(base))

    def _be_silent(self) -> None:
        execution = current_execution()
        if execution is None:
            return
        logger, before = self._logger, self._logger.disabled
        logger.disabled = True
        execution.at_end.append(lambda: setattr(logger, "disabled", before))

    def perform(self, system: System, recorded: Recorded) -> Any:
        """Make the call."""
        name = recorded.call.name
        arguments: tuple[Any, ...] = recorded.call.arguments
        if name == "sibling":
            system.siblings.append(self.make_store(system.base))
            return None
        if name == "plant":
            with suppress(OSError):  # there is something, or no directory for it
                os.symlink(system.outside, self.request_directory(system, arguments[0]))
            return None
        if name == "drop":
            system.store = None
            return None
        store = system.store
        if store is None:
            return False if name in ("save", "has") else None
        if name == "save":
            value: Any = recorded.value
            kept = array_of(value) if self.setting.arrays else Payload(system.ledger, value)
            return store.save(*arguments, [kept], states)
        if name == "load":
            try:
                return value_of(store.load(*arguments))
            except Exception as error:
                raise BrokenGuaranteeError("G9 load raises", f"{recorded.call} raised {error!r}") from error
        if name == "has":
            return store.has(*arguments)
        if name == "shutdown":
            store.shutdown(cleanup=bool(arguments[0]))
        else:
            getattr(store, name)(*arguments)
        return None

    def check_order(self, order: Sequence[Recorded]) -> None:
        """Check what saves were told."""
        if "G10 accepted" not in self.setting.watched:
            return
        for save in order:
            if save.call.name == "save" and save.result is True:
                for other in order:
                    if other.call.name == "shutdown" and precedes(other, save):
                        what = f"{save} began after {other.call} returned"
                        raise BrokenGuaranteeError("G10 accepted", what)

    def look(self, system: System, recorded: Recorded, history: History) -> Any:
        """Check what can be checked without a step: the byte budget."""
        system.history = history
        calls, watched = list(history), self.setting.watched
        limit = self.setting.max_pending_bytes
        if limit is not None:
            alive = system.ledger.nbytes(call.value for call in calls if call.returned is not None)
            for symptom, most in (("G8 budget", limit), ("G8 twice the budget", 2 * limit)):
                if alive > most and symptom in watched:
                    what = f"{alive} bytes are alive after {recorded.call}, and {limit} may be"
                    raise BrokenGuaranteeError(symptom, what)

    def observe(self, system: System) -> Iterable[tuple[Call, Any]]:
        """Look for the symptoms, then return what every key loads when nothing moves any more.

        Raises:
            BrokenGuaranteeError: a guarantee is broken.
        """
        execution = current_execution()
        loaded: dict[tuple[Any, Any], tuple[bool, int | None]] = {}
        if system.store is not None:
            for request_id in self.setting.ids:
                for key in self.setting.keys:
                    found = value_of(system.store.load(request_id, key))
                    loaded[request_id, key] = (system.store.has(request_id, key), found)
        alive = () if execution is None else (t.name for t in execution.threads if not t.finished)
        trace = None if execution is None else execution.trace
        broken(
            Scene(
                system, tuple(system.history), trace, loaded, **self.scene_of(system),
                outside=self._outside(system), hostile=self.setting.hostile, threads=tuple(alive),
            ),
            self.setting.watched,
        )  # fmt: skip
        return [] if system.store is None else [
            (Call("load", key), value) for key, (_, value) in loaded.items()
        ]

    def _outside(self, system: System) -> str:
        if not self.setting.hostile:
            return ""
        for directory in (system.base, system.outside):
            if not os.path.exists(directory / "kept"):
                return f"{directory.name}/kept is gone"
        added = sorted(set(os.listdir(system.outside)) - {"kept"})
        return f"there is {', '.join(added)} outside" if added else ""

    def at_quiescence(self, system: System, history: History) -> None:  # noqa: B027 - there is nothing more
        """Everything was looked at in `observe`."""

    # -- on real threads ---------------------------------------------------------------------------

    def needs_explorer(self) -> str:
        """Faults, what is seen in a trace, and the threads of a store that is not there any more."""
        if self.setting.faults:
            return "its disk fails or hangs when the explorer says so"
        if "drop" in self.setting.methods:
            return "a store is dropped, and only the explorer knows what becomes of its thread"
        if not self.setting.watched - OF_TRACE:
            return f"it looks for {', '.join(sorted(self.setting.watched))} in the trace"
        return ""


def died_at(trace: Trace) -> int | None:
    """Return the last event of a writer that ended with an error, or None."""
    for tid, _ in trace.errors:
        if trace.thread_names[tid] == WRITER:
            return max(event.index for event in without_ends(trace.events) if event.tid == tid)
    return None


def states(snapshot: list[Any]) -> tuple[list[dict[str, Any]], None]:
    """Be the extractor: one layer with a few bytes, which are the value of the save."""
    return [{"state": tuple(snapshot), "meta_state": "", "class_name": "KVCache"}], None


def array_of(value: int) -> Any:
    """Return an MLX array with that value, not yet computed: who saves it computes it."""
    return mx.array([value], dtype=mx.int32) + mx.zeros(1, dtype=mx.int32)


def value_of(layers: list[dict[str, Any]] | None) -> int | None:
    """Return the value that a loaded snapshot was saved with."""
    return None if layers is None else int(layers[0]["state"][0])
