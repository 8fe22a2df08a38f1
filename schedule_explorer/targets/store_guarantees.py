"""What a store promises, as oracles on one execution: which guarantee was broken, and by which symptom.

The history is judged by what came before what in this very execution; that a history is linearizable is
asked by `client_body` besides. Files and payloads are looked at when nothing moves any more, but for the
byte budget, which must hold at any moment: it is looked at when a call has returned, in this schedule, so a
search that runs one schedule of a trace does not cover all moments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schedule_explorer.oracles.history import Recorded, precedes
from schedule_explorer.runtime import Trace

WRITER = "snapshot-writer"
#: every symptom by its name, which begins with the guarantee, in the order in which they are looked for
SYMPTOMS: dict[str, str] = {
    "G1 orphan file": "a file is left of a save that a cleanup forgot",
    "G1 orphan directory": "a directory is left of a request that a cleanup forgot",
    "G3 save lost": "an accepted save cannot be loaded, and no cleanup covers it",
    "G3 has, not load": "has() says True, and load() has nothing",
    "G4 older value": "load() serves a save that a later one replaced",
    "G4 good file gone": "there was a file, no cleanup, and there is none",
    "G5 ghost": "load() serves a save that a cleanup forgot",
    "G5 save lost": "an accepted save after a cleanup cannot be loaded",
    "G5 re-save lost": "as before, and its key had been saved before the cleanup",
    "G7 waits": "save, load or has could not go on until some wait ran out",
    "G8 budget": "more bytes are alive than the store may keep",
    "G8 twice the budget": "as before, and more than twice as many",
    "G8 payload": "bytes of a save that a cleanup forgot, or that was refused, are alive",
    "G8 tables": "everything was forgotten, and a table is not empty",
    "G9 load raises": "load() raised, or made a value of a file that has none",
    "G10 left behind": "shutdown(cleanup=True) left something that was saved before it",
    "G10 accepted": "a save after the shutdown was accepted",
    "G10 thread": "the store was dropped, and its thread is alive",
    "G11 sibling": "a second store on the directory made a save of the first one unloadable",
    "G12 outside": "something outside of the store's own tree was changed",
    "G12 shared path": "a cleanup of one id hit another one",
    "G13 dead writer": "a save was accepted after the writer had died",
    "G14 linearizable": "no order of the calls explains what they returned",
}
#: those that only a trace shows
OF_TRACE = frozenset({"G4 good file gone", "G7 waits", "G13 dead writer"})


class BrokenGuaranteeError(Exception):
    """The store under test failed.

    Attributes:
        symptom: a name out of `SYMPTOMS`; it begins with the guarantee.
    """

    def __init__(self, symptom: str, what: str) -> None:
        super().__init__(f"{symptom}: {what}")
        self.symptom = symptom


class Ledger:
    """Which payloads are alive: the values of their saves."""

    def __init__(self) -> None:
        self.alive: dict[int, int] = {}

    def nbytes(self, values: Iterable[int]) -> int:
        """Return the bytes of those of `values` that are alive."""
        return sum(self.alive.get(value, 0) for value in values)


class Payload(bytes):
    """The bytes of one save, which tell a ledger when the last reference to them goes.

    Copying them gives the object itself, as it does for exact bytes.
    """

    _ledger: Ledger
    _value: int

    def __new__(cls, ledger: Ledger, value: int) -> Payload:
        made = super().__new__(cls, str(value).encode())
        made._ledger, made._value = ledger, value
        ledger.alive[value] = len(made)
        return made

    def __bytes__(self) -> bytes:
        return self

    def __copy__(self) -> Payload:
        return self

    def __del__(self) -> None:
        self._ledger.alive.pop(self._value, None)


@dataclass
class System:
    """One store under test, with what surrounds it.

    Attributes:
        base: the directory that the store was given.
        outside: a directory beside it, which it has no business in.
        store: the store; None once it was dropped.
        siblings: further stores on the same directory.
        history: the calls so far.
    """

    base: Path
    outside: Path
    store: Any
    siblings: list[Any] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    history: Iterable[Recorded] = ()


@dataclass(frozen=True)
class Scene:
    """What the oracles at the end are given.

    Attributes:
        trace: of the execution; None on real threads, where nobody looks for what is `OF_TRACE`.
        loaded: for each (id, key) whether the store has it and the value that it loads.
        files: the value of each snapshot file; None where it cannot be read.
        directories: request ids that have a directory of their own.
        published: keys for which a file was made whole, at any time.
        tables: what the tables of the store keep, as text; empty for nothing.
        died_at: the last event of a writer that died, or None.
        outside: what is wrong outside of the tree; empty for nothing.
    """

    system: System
    calls: tuple[Recorded, ...]
    trace: Trace | None
    loaded: Mapping[tuple[Any, Any], tuple[bool, int | None]]
    files: Mapping[str, int | None]
    directories: frozenset[str]
    published: frozenset[tuple[Any, Any]]
    tables: str
    died_at: int | None
    outside: str
    hostile: bool
    threads: tuple[str, ...]

    def saves(self, key: tuple[Any, Any] | None = None) -> list[Recorded]:
        """Return the accepted saves, of one key or of all."""
        return [
            call for call in self.calls
            if call.call.name == "save" and call.result is True and key in (None, call.call.arguments)
        ]  # fmt: skip

    def covering(self, request_id: Any) -> list[Recorded]:
        """Return the cleanups that cover a request."""
        return [call for call in self.calls if covers(call, request_id)]

    def forgotten(self, save: Recorded) -> Recorded | None:
        """Return a cleanup that began after `save` had returned, and returned; or None."""
        for cleanup in self.covering(save.call.arguments[0]):
            if cleanup.returned is not None and precedes(save, cleanup):
                return cleanup
        return None

    @property
    def closed(self) -> bool:
        """Whether there was a shutdown: what is loaded then is its business."""
        return any(call.call.name in ("shutdown", "drop") for call in self.calls)


def covers(call: Recorded, request_id: Any) -> bool:
    """Say whether a call forgets a request."""
    name, arguments = call.call.name, call.call.arguments
    if name == "shutdown":
        return bool(arguments[0])
    return name == "cleanup_all" or (name == "cleanup_request" and arguments[0] == request_id)


def broken(scene: Scene, watch: Iterable[str]) -> None:
    """Look for symptoms in the order of the table.

    Raises:
        BrokenGuaranteeError: the first one that is there.
    """
    wanted = set(watch)
    for oracle in _ORACLES:
        for symptom, what in oracle(scene):
            if symptom in wanted:
                raise BrokenGuaranteeError(symptom, what)


Found = Iterator[tuple[str, str]]


def _orphans(scene: Scene) -> Found:
    by_value = {save.value: save for save in scene.saves()}
    for name, value in scene.files.items():
        save = by_value.get(value) if value is not None else None
        if save is not None and (cleanup := scene.forgotten(save)) is not None:
            yield "G1 orphan file", f"{name} has save #{value}, which {cleanup.call} forgot"
    for request_id in sorted(scene.directories):
        saves = [save for save in scene.saves() if save.call.arguments[0] == request_id]
        if all(scene.forgotten(save) for save in saves):
            yield "G1 orphan directory", f"that of {request_id!r}, every save of which was forgotten"


def _loads(scene: Scene) -> Found:
    if scene.closed:
        return
    for key, (has, value) in scene.loaded.items():
        saves = scene.saves(key)
        if value is None:
            yield from _lost(scene, saves)
            if has:
                yield "G3 has, not load", f"has{key} is True and load{key} is None"
            continue
        save = next((save for save in saves if save.value == value), None)
        if save is None:
            continue
        if (cleanup := scene.forgotten(save)) is not None:
            yield "G5 ghost", f"load{key} serves save #{value}, which {cleanup.call} forgot"
        for later in saves:
            if precedes(save, later):
                yield "G4 older value", f"load{key} serves save #{value}; save #{later.value} came later"


def _lost(scene: Scene, saves: list[Recorded]) -> Found:
    for save in saves:
        request_id = save.call.arguments[0]
        cleanups = scene.covering(request_id)
        if not all(precedes(cleanup, save) for cleanup in cleanups):
            continue
        what = f"{save.call}#{save.value} was accepted, and cannot be loaded"
        if any(call.call.name == "sibling" and not precedes(call, save) for call in scene.calls):
            yield "G11 sibling", what
        elif scene.hostile:
            yield "G12 shared path", what
        elif not cleanups:
            yield "G3 save lost", what
        elif any(precedes(other, save) for other in saves):
            yield "G5 re-save lost", what
        else:
            yield "G5 save lost", what


def _good_files(scene: Scene) -> Found:
    values = set(scene.files.values())
    for key in sorted(scene.published, key=str):
        kept = values & {save.value for save in scene.saves(key)}
        if not kept and not scene.covering(key[0]):
            yield "G4 good file gone", f"{key} had a file, and nothing was to remove it"


def _waits(scene: Scene) -> Found:
    for call in scene.calls if scene.trace is not None else ():
        assert scene.trace is not None
        if call.call.name in ("save", "load", "has") and call.returned is not None:
            for event in scene.trace.events[call.before + 1 : call.last + 1]:
                if event.forced:
                    yield "G7 waits", f"{call} waited for thread {event.tid}: {event.kind} {event.target}"


def _payloads(scene: Scene) -> Found:
    for call in scene.calls:
        if call.call.name == "save" and call.value in scene.system.ledger.alive:
            if call.result is False:
                yield "G8 payload", f"{call} was refused, and its bytes are alive"
            elif call.result is True and (cleanup := scene.forgotten(call)) is not None:
                yield "G8 payload", f"the bytes of {call} are alive after {cleanup.call}"
    if scene.tables and all(scene.forgotten(save) for save in scene.saves()):
        yield "G8 tables", f"everything was forgotten, and there is {scene.tables}"


def _shutdown(scene: Scene) -> Found:
    values = set(scene.files.values()) | {value for _, value in scene.loaded.values()}
    for call in scene.calls:
        if call.call.name == "shutdown" and call.call.arguments[0] and call.returned is not None:
            for save in scene.saves():
                if precedes(save, call) and save.value in values:
                    yield "G10 left behind", f"{call.call} left save #{save.value}"
    if scene.system.store is None and not scene.system.siblings and WRITER in scene.threads:
        yield "G10 thread", "the writer of the dropped store is still there"


def _outside(scene: Scene) -> Found:
    if scene.outside:
        yield "G12 outside", scene.outside


def _dead_writer(scene: Scene) -> Found:
    if scene.died_at is not None and scene.trace is not None:
        for save in scene.saves():
            own = (e.index for e in scene.trace.events[save.before + 1 :] if e.tid == save.tid)
            if next(own, -1) > scene.died_at:
                yield "G13 dead writer", f"{save} was accepted after the writer had died"


_ORACLES: tuple[Callable[[Scene], Found], ...] = (
    _orphans, _loads, _good_files, _waits, _payloads, _shutdown, _outside, _dead_writer,
)  # fmt: skip
