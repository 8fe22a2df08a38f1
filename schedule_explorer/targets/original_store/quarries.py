"""How each bug of the zoo is hunted: on which store, with which calls, for which symptom.

Calls are restricted by their names and by how many ids and keys there are, never by a program: the programs
are generated. Where the fixed store fails in the same way by another bug that it was left with, the hunt
passes over every program that fails there too (`spared`). `program` is the smallest one found, which a test
holds the hunt to.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from schedule_explorer.campaigns.hunt import Hunt, Hunted, hunt
from schedule_explorer.interposition.faults import Fault
from schedule_explorer.programs.target import Target
from schedule_explorer.targets.original_store.flaws import AFTER_FIX, Flaws
from schedule_explorer.targets.original_store.target import OriginalSetting, OriginalStoreTarget
from schedule_explorer.targets.original_store.zoo import ZOO
from schedule_explorer.targets.store_guarantees import WRITER

FULL_DISK = Fault(frozenset({"tensors.create"}), errno.ENOSPC, thread=WRITER)
FAILING_STAT = Fault(frozenset({"stat"}), errno.EIO, thread=WRITER)
HANGING_STAT = Fault(frozenset({"stat"}), thread=WRITER)
#: a write that takes an hour, so that a cleanup waits in vain for the writer
SLOW_DISK = Fault(frozenset({"mkdir", "tensors.create", "rename"}), thread=WRITER)

_IDS = ("x", "y")
_KEYS = (0, 1, 2)


@dataclass(frozen=True)
class Quarry:
    """One bug as something to hunt.

    Attributes:
        number: of the bug.
        setting: the store that has it, and what clients call.
        where: which programs, how long, and the symptom.
        spared: the store without it, or on a disk that does not show it, where that can fail in the same
            way.
        program: the smallest program known to fail.
    """

    number: int
    setting: OriginalSetting
    where: Hunt
    spared: OriginalSetting | None
    program: str

    def target(self) -> BugTarget:
        """Return the store that has the bug."""
        return BugTarget(self)

    def hunt(self, **changes: Any) -> Hunted | None:
        """Hunt it.

        Arguments:
            changes: what to change in `where`.
        """
        target = self.target()
        return hunt(target, replace(self.where, **changes), target.spared)


class BugTarget(OriginalStoreTarget):
    """The store that has one bug of the zoo, which knows how that is hunted.

    Arguments:
        quarry: the bug.
    """

    def __init__(self, quarry: Quarry) -> None:
        super().__init__(quarry.setting)
        self.where: Hunt = quarry.where
        self.spared: Target | None = (
            None if quarry.spared is None else OriginalStoreTarget(quarry.spared)
        )


def _quarry(
    number: int,
    symptom: str,
    methods: str,
    program: str,
    *,
    ids: Iterable[str] = _IDS[:1],
    keys: int = 1,
    faults: tuple[Fault, ...] = (),
    queue_size: int = 128,
    max_pending_bytes: int | None = None,
    hostile: bool = False,
    spared: Flaws | None = None,
    spared_faults: tuple[Fault, ...] | None = None,
    timeouts: str = "quiet",
    **where: Any,
) -> Quarry:
    setting = OriginalSetting(
        methods=tuple(methods.split()), ids=tuple(ids), keys=_KEYS[:keys], hostile=hostile, faults=faults,
        max_pending_bytes=max_pending_bytes, watch=frozenset({symptom} - {"deadlock"}),
        flaws=ZOO[number - 1].flaws, queue_size=queue_size,
    )  # fmt: skip
    without = None
    if spared is not None or spared_faults is not None:
        without = replace(
            setting, flaws=setting.flaws if spared is None else spared,
            faults=faults if spared_faults is None else spared_faults,
        )  # fmt: skip
    return Quarry(
        number, setting, Hunt(wanted=frozenset({symptom}), timeouts=timeouts, **where), without, program
    )


QUARRIES: tuple[Quarry, ...] = (
    _quarry(1, "G1 orphan file", "save cleanup_all", "save(x, 0) cleanup_all()", spared=AFTER_FIX),
    _quarry(
        2, "G1 orphan directory", "save cleanup_request", "save(x, 0) cleanup_request(x)", spared=AFTER_FIX
    ),
    _quarry(
        3, "G5 save lost", "save cleanup_request", "save(x, 0) cleanup_request(x) save(x, 1)", keys=2,
        faults=(SLOW_DISK,), spared=AFTER_FIX,
    ),
    _quarry(
        4, "G5 save lost", "save cleanup_request", "save(x, 0) cleanup_request(y) save(y, 0)", ids=_IDS,
        faults=(SLOW_DISK,), spared=AFTER_FIX,
    ),
    _quarry(
        5, "G5 ghost", "save cleanup_request",
        "save(x, 0) cleanup_request(x) save(x, 0) cleanup_request(x) save(x, 0)", faults=(SLOW_DISK,),
        spared=AFTER_FIX, same_schedule=True, calls=5, threads=1, shrinking=40,
    ),
    _quarry(
        6, "G1 orphan file", "save cleanup_request", "save(x, 0) cleanup_request(x)", faults=(SLOW_DISK,),
        spared=AFTER_FIX,
    ),
    _quarry(
        7, "G5 save lost", "save cleanup_request", "save(x, 0) save(x, 1) cleanup_request(x) save(x, 2)",
        keys=3, faults=(SLOW_DISK,), spared=AFTER_FIX, calls=4, threads=1, executions=20, shrinking=100,
    ),
    _quarry(8, "G10 left behind", "save shutdown", "save(x, 0) shutdown(True)", spared=AFTER_FIX),
    _quarry(
        9, "deadlock", "save cleanup_all shutdown", "shutdown(False) save(x, 0) | cleanup_all()",
        queue_size=1, spared=AFTER_FIX, executions=20,
    ),
    _quarry(10, "G1 orphan file", "save cleanup_all", "save(x, 0) cleanup_all()", spared=AFTER_FIX),
    _quarry(11, "G5 ghost", "save cleanup_request", "save(x, 0) cleanup_request(x) save(x, 0)"),
    _quarry(12, "G4 older value", "save", "save(x, 0) save(x, 0)"),
    _quarry(
        13, "G5 re-save lost", "save cleanup_request", "save(x, 0) cleanup_request(x) save(x, 0)",
        faults=(SLOW_DISK,),
    ),
    _quarry(14, "G3 has, not load", "save cleanup_request", "save(x, 0) | cleanup_request(x)"),
    _quarry(15, "G7 waits", "save has", "save(x, 0) save(x, 0)", faults=(HANGING_STAT,)),
    _quarry(
        16, "G5 save lost", "save cleanup_request", "save(x, 0) save(x, 1) cleanup_request(x) save(x, 2)",
        keys=3, faults=(FULL_DISK, SLOW_DISK), calls=4, threads=1, spared_faults=(SLOW_DISK,),
        strategy="pct", executions=60, shrinking=100,
    ),
    _quarry(
        17, "G5 save lost", "save cleanup_request cleanup_all",
        "save(x, 0) save(x, 1) cleanup_request(x) cleanup_all() save(x, 2)", keys=3, faults=(SLOW_DISK,),
        enumerated=0, drawn=200, threads=1, lengths=(6, 8), executions=20, shrinking=100,
    ),
    _quarry(18, "G3 save lost", "save has", "save(x, 0)", faults=(FULL_DISK,), spared=AFTER_FIX),
    _quarry(19, "G4 good file gone", "save has", "save(x, 0) save(x, 0)", faults=(FULL_DISK,)),
    _quarry(
        20, "G7 waits", "save has", "save(x, 0) save(x, 0)", queue_size=1, faults=(SLOW_DISK,),
        spared=AFTER_FIX,
    ),
    _quarry(
        21, "G8 twice the budget", "save cleanup_request",
        "save(x, 0) save(x, 0) save(x, 0) | cleanup_request(x)", max_pending_bytes=1,
    ),
    _quarry(22, "G13 dead writer", "save has", "save(x, 0) save(x, 0)", faults=(FAILING_STAT,)),
    _quarry(23, "G11 sibling", "save sibling", "save(x, 0) sibling()"),
    _quarry(
        24, "G12 outside", "save cleanup_request plant", "cleanup_request('..')", ids=("..", "a", "a/b"),
        hostile=True,
    ),
    _quarry(25, "G10 accepted", "save shutdown", "shutdown(False) save(x, 0)"),
    _quarry(26, "G10 thread", "save drop", "drop()", threads=1),
    _quarry(27, "G8 payload", "save cleanup_request", "save(x, 0) cleanup_request(x)"),
    _quarry(
        28, "G3 save lost", "save cleanup_request", "save(x, 0) cleanup_request(y)", ids=_IDS,
        spared=AFTER_FIX,
    ),
    _quarry(
        29, "G9 load raises", "save load cleanup_request", "save(x, 0) load(x, 0) | cleanup_request(x)",
        spared=AFTER_FIX,
    ),
)  # fmt: skip
"""Every bug, by number from 1."""


def quarry(bug: str) -> Quarry:
    """Return the quarry of a bug by its number or its name.

    Raises:
        ValueError: there is no such bug.
    """
    for found in ZOO:
        if bug in (str(found.number), found.name):
            return QUARRIES[found.number - 1]
    names = ", ".join(f"{found.number} {found.name!r}" for found in ZOO)
    raise ValueError(f"there is no bug {bug!r}: give the number or the name of one of {names}")
