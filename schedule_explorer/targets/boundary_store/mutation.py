"""Verify mutants of the production store: each is caught by a program, or it is said why it is not.

    mutant ──> a copy of the package `store` with the change ──> a process that imports the copy
        ──> every program of every stage, smaller ones first, until one fails ──> a row of the table

``python -m schedule_explorer.targets.boundary_store.mutation`` runs all of them and prints the table; exit
code 1 when one survives that is not known to, or one that is known to is caught.
"""

from __future__ import annotations

import argparse
import errno
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import schedule_explorer
import store
from schedule_explorer.errors import ExplorerError
from schedule_explorer.exploration import explore
from schedule_explorer.interposition.faults import Fault
from schedule_explorer.programs import Program, Target, client_body, programs, text
from schedule_explorer.results import Verdict
from schedule_explorer.targets.boundary_store.guarantees import GuardedBoundaryStoreTarget
from schedule_explorer.targets.boundary_store.mutants import MUTANTS, Mutant, mutate
from schedule_explorer.targets.boundary_store.strict import (
    FailingDiskTarget,
    StrictBoundaryStoreTarget,
    StubbornDiskTarget,
)
from schedule_explorer.targets.boundary_store.target import BoundaryStoreTarget
from schedule_explorer.targets.store_guarantees import SYMPTOMS, WRITER
from schedule_explorer.targets.store_target import CALLS, StoreSetting

_FULL = Fault(frozenset({"open", "writev"}), errno.ENOSPC, thread=WRITER)
_STUBBORN = Fault(frozenset({"unlink", "rmdir"}), errno.EIO, thread=WRITER)
_HANGING = Fault(frozenset({"writev"}), thread=WRITER)
#: executions of each program before any program gets more
_FIRST = 16
#: so many times the seconds has a mutant that is to be caught: it ends when it is
_PATIENCE = 40
_BUDGETED = frozenset(SYMPTOMS) - {"G14 linearizable"}


@dataclass(frozen=True)
class Stage:
    """One way to verify: which oracles, which programs.

    Attributes:
        name: for the table.
        target: makes the target.
        total: calls of a program in all, at most.
        threads: of clients, at most.
        executions: of one program at most: a mutant is to be caught, not proved.
        timeouts: as for `explore`.
    """

    name: str
    target: Callable[[], Target]
    total: int = 2
    threads: int = 2
    executions: int = 300
    timeouts: str = "any"


def _guarded(methods: str, **setting: Any) -> Callable[[], Target]:
    return lambda: GuardedBoundaryStoreTarget(
        StoreSetting(tuple(methods.split()), **{"ids": ("x",), "keys": (0,), **setting})
    )


STAGES: tuple[Stage, ...] = (
    Stage("verify", lambda: BoundaryStoreTarget(("x",), (0,)), 3, executions=400),
    Stage("nothing is stuck", lambda: StrictBoundaryStoreTarget(("x",), (0,)), timeouts="quiet"),
    Stage("payloads", _guarded("save cleanup_request shutdown"), executions=100),
    Stage("failing disk", lambda: FailingDiskTarget((_FULL,), CALLS), 3, executions=40),
    Stage("stubborn disk", lambda: StubbornDiskTarget((_STUBBORN,)), executions=100),
    Stage("ids and keys", lambda: BoundaryStoreTarget(("x", "y"), (0, 1)), executions=40),
    Stage("sibling", _guarded("save sibling")),
    Stage("dropped", _guarded("save drop"), threads=1),
    Stage("hanging disk", lambda: FailingDiskTarget((_HANGING,), CALLS), executions=40),
    Stage(
        "byte budget",
        _guarded(
            "save cleanup_request", keys=(0, 1), faults=(_HANGING,), max_pending_bytes=1, watch=_BUDGETED
        ),
        3, executions=100,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """What came of one mutant.

    Attributes:
        caught: whether a program failed.
        stage: the stage in which it did.
        program: that program.
        oracle: what failed, by the name of the error.
        schedule: the token.
        programs: explored up to that one; one that was gone back to counts twice.
        executions: run in all of them.
        seconds: it took.
        whole: whether every program of every stage was explored, if none failed.
    """

    mutant: str
    caught: bool = False
    stage: str = ""
    program: str = ""
    oracle: str = ""
    schedule: str = ""
    programs: int = 0
    executions: int = 0
    seconds: float = 0.0
    whole: bool = True


def judge(name: str, seconds: float) -> Row:
    """Verify the package `store` as it can be imported here until a program fails.

    Goes through all programs twice: most mutants are caught by one of the first executions of some program.

    Arguments:
        name: of the row.
        seconds: after which no other program is begun.
    """
    started = time.monotonic()
    tried = executions = 0
    candidates = list(_candidates())
    for most in (_FIRST, sys.maxsize):
        rest = []
        for stage, program in candidates:
            left = seconds - (time.monotonic() - started)
            if left <= 0:
                return Row(name, programs=tried, executions=executions, seconds=_since(started), whole=False)
            tried += 1
            oracle, schedule, proved = "", "", False
            try:
                result = explore(
                    client_body(stage.target(), program), "optimal-dpor", time_limit=left,
                    max_executions=min(most, stage.executions), timeouts=stage.timeouts, simplify=0,
                )  # fmt: skip
            except ExplorerError as error:
                oracle = f"{type(error).__name__}: {error}"
            else:
                executions += result.executions
                proved = result.verdict is Verdict.PROVED
                if result.failure is not None:
                    oracle, schedule = result.failure.explain().splitlines()[0], result.failure.schedule
            if oracle:
                row = (stage.name, text(program), oracle, schedule, tried, executions, _since(started))
                return Row(name, True, *row)
            if not proved and stage.executions > most:
                rest.append((stage, program))
        candidates = rest
    return Row(name, programs=tried, executions=executions, seconds=_since(started))


def _since(started: float) -> float:
    return round(time.monotonic() - started, 1)


def _candidates() -> Iterator[tuple[Stage, Program]]:
    """Yield every program of every stage: smaller ones first; of one size, those that save most."""
    found = [
        (stage, program)
        for stage in STAGES
        for program in programs(stage.target().alphabet, stage.threads, stage.total, stage.total)
        if _changes(program)
    ]  # fmt: skip
    yield from sorted(found, key=lambda one: (_size(one[1]), -_count(one[1], "save")))


def _size(program: Program) -> int:
    """Rank a program by what it takes: three calls in one thread have no more executions than two in two."""
    calls = sum(map(len, program))
    return calls if len(program) > 1 else min(calls, 2)


def _count(program: Program, *names: str) -> int:
    return sum(call.name in names for thread in program for call in thread)


def _changes(program: Program) -> bool:
    """Say whether there is enough to go wrong."""
    if sum(map(len, program)) > 2:
        saves, cleanups = _count(program, "save"), _count(program, "cleanup_request", "cleanup_all")
        return saves > 1 or (saves == 1 and cleanups > 1)
    return _count(program, "save", "drop", "shutdown") > 0


def verify_mutant(mutant: Mutant | None, seconds: float) -> Row:
    """Verify the store with a change, or as it is, in a process of its own.

    Arguments:
        seconds: for the mutant.

    Raises:
        ValueError: the change cannot be made.
        RuntimeError: the process ended without a row, or imported another store.
    """
    name = "no change" if mutant is None else mutant.name
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory, "store")
        shutil.copytree(Path(store.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
        if mutant is not None:
            file = copy / mutant.file
            file.write_text(mutate(file.read_text(), mutant))
        path = os.pathsep.join([directory, str(Path(schedule_explorer.__file__).parents[1])])
        command = [sys.executable, "-m", __spec__.name, "--judge", name, "--seconds", str(seconds)]
        try:
            ended = subprocess.run(
                command, cwd=directory, env={**os.environ, "PYTHONPATH": path}, capture_output=True,
                text=True, timeout=2 * seconds + 60,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Row(name, True, oracle="the store does not come back", seconds=2 * seconds + 60)
        try:
            found = json.loads(ended.stdout.splitlines()[-1])
        except (IndexError, ValueError):
            raise RuntimeError(f"{name}: no verdict:\n{ended.stdout}{ended.stderr}") from None
        if Path(found.pop("store")) != copy.resolve():
            raise RuntimeError(f"{name}: another store was imported")
        return Row(**found)


def check(
    mutants: Iterable[Mutant], seconds: float, jobs: int, tell: Callable[[str], None] = lambda line: None
) -> list[Row]:
    """Verify mutants, several at once; the rows are in their order.

    Arguments:
        seconds: for a mutant that is said to survive; forty times as many for one that is to be caught.
        jobs: at once.
        tell: is given a line of each mutant.
    """
    started = time.monotonic()
    chosen = list(mutants)

    def verified(mutant: Mutant) -> Row:
        return verify_mutant(mutant, seconds if mutant.survives else _PATIENCE * seconds)

    with ThreadPoolExecutor(jobs) as pool:
        rows = []
        for row in pool.map(verified, chosen):
            rows.append(row)
            what = f"{row.program}: {row.oracle}" if row.caught else "SURVIVED"
            tell(f"{len(rows)} of {len(chosen)}, {_since(started):.0f} s: {row.mutant}: {what[:150]}")
    return rows


def unexpected(mutants: Iterable[Mutant], rows: Iterable[Row]) -> list[str]:
    """Return what is not as the data say: unexplained survivors, and explained ones that were caught."""
    told = []
    for mutant, row in zip(mutants, rows, strict=True):
        if row.caught and mutant.survives:
            told.append(f"{mutant.name}: is caught by {row.program}, and is said to survive")
        if not row.caught and not mutant.survives:
            told.append(f"{mutant.name}: survived")
    return told


def table(mutants: Iterable[Mutant], rows: Iterable[Row]) -> str:
    """Lay the rows out as Markdown."""
    lines = ["| mutant | file | caught by | program | executions |", "|---|---|---|---|---:|"]
    for mutant, row in zip(mutants, rows, strict=True):
        by = f"{row.stage}: {row.oracle[:90]}" if row.caught else f"survives: {mutant.survives}"
        cells = (row.mutant, mutant.file, by, f"`{row.program}`" if row.program else "", str(row.executions))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Verify the mutants; see the module."""
    parser = argparse.ArgumentParser(prog="mutation", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="mutants with one of these in the name")
    parser.add_argument("--seconds", type=float, default=300.0,
                        help="for a mutant that is said to survive; forty times as many for one to be caught")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="write the rows there")
    parser.add_argument("--judge", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.judge is not None:
        logging.disable(logging.CRITICAL)
        found = asdict(judge(given.judge, given.seconds))
        print(json.dumps({**found, "store": str(Path(store.__file__).resolve().parent)}))
        return 0
    chosen = [one for one in MUTANTS if given.only is None or any(part in one.name for part in given.only)]
    rows = check(chosen, given.seconds, given.jobs, lambda line: print(line, file=sys.stderr, flush=True))
    print(table(chosen, rows))
    told = unexpected(chosen, rows)
    caught = sum(row.caught for row in rows)
    print(f"\n{caught} of {len(rows)} mutants are caught, {len(rows) - caught} survive", *told, sep="\n")
    if given.json is not None:
        both = zip(chosen, rows, strict=True)
        given.json.write_text(json.dumps([{**asdict(m), **asdict(row)} for m, row in both], indent=2) + "\n")
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
