"""stress(): one client program after the other on real threads, and how often they fail."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from schedule_explorer.campaigns.interrupts import on_interrupt
from schedule_explorer.campaigns.stress import failures
from schedule_explorer.campaigns.stress.amplifiers import amplified, check
from schedule_explorer.campaigns.stress.figures import Figures
from schedule_explorer.campaigns.stress.progress import StressProgress
from schedule_explorer.campaigns.stress.runs import Run, check_fit, run_once
from schedule_explorer.campaigns.stress.scope import Programs
from schedule_explorer.campaigns.work import quiet
from schedule_explorer.interposition.filesystem import fast_directory
from schedule_explorer.programs.calls import Program, text

_monotonic = time.monotonic


@dataclass(frozen=True)
class Stress:
    """How a loop runs.

    Arguments:
        runs: after which it ends; None: no bound.
        seconds: of real time after which no other run begins; None: no bound.
        until_failure: end with the first run that fails. A run that hangs always ends the loop.
        amplifiers: names, see `schedule_explorer.campaigns.stress.amplifiers`.
        seed: for the order of the programs and the pauses. What the threads do is not repeated by it.
        directory: where the files of the runs are; None: on the fastest file system.
        timeout: seconds after which a run hangs.
        files: where to write about failures; None: nowhere.
        most_files: files written at most.
    """

    runs: int | None = 10_000
    seconds: float | None = None
    until_failure: bool = False
    amplifiers: tuple[str, ...] = ()
    seed: int = 0
    directory: Path | None = None
    timeout: float = 30.0
    files: Path | None = None
    most_files: int = 20


def stress(
    target: object, programs: Programs, how: Stress, *, name: str = "",
    options: Mapping[str, Any] | None = None, progress: StressProgress | None = None,
) -> Figures:  # fmt: skip
    """Run programs on real threads until a bound is met, a run hangs, or Ctrl-C.

    Arguments:
        target: a `RealTarget`, made with the options of the amplifiers.
        name: by which `schedule_explorer.programs.find` makes it; its own name unless given.
        options: and with what, the options of the amplifiers included.

    Returns:
        The figures; with Ctrl-C those so far.

    Raises:
        NotForRealThreadsError: the target needs the explorer.
        ValueError: an amplifier is unknown, or a bound of the programs is not positive.
        OSError: the directory cannot be written.
    """
    fit = check_fit(target)
    figures = Figures(
        name or fit.name, dict(options or {}), check(how.amplifiers), how.seed, str(programs),
        programs.possible(fit.alphabet),
    )  # fmt: skip
    loop = _Loop(figures, how)
    order = programs.order(fit.alphabet, Random(how.seed))
    directory = Path(tempfile.mkdtemp(prefix="stress-", dir=how.directory or fast_directory()))
    shown = progress or StressProgress(None)
    try:
        with (
            quiet(), on_interrupt(loop.interrupt), shown,
            amplified(how.amplifiers, Random(how.seed), directory),
        ):  # fmt: skip
            loop.begin()
            while loop.goes_on():
                program = next(order)
                root = directory / str(figures.runs)
                os.mkdir(root)
                loop.note(run_once(fit, program, root, timeout=how.timeout), program)
                shutil.rmtree(root, ignore_errors=True)
                shown.advance(figures, how.runs, how.seconds)
    finally:
        with suppress(OSError):
            shutil.rmtree(directory)
    return figures


class _Loop:
    """Counts, and says when it is enough."""

    def __init__(self, figures: Figures, how: Stress) -> None:
        self._figures = figures
        self._how = how
        self._seen: set[Program] = set()
        self._started = 0.0
        self._interrupted = False

    def interrupt(self) -> None:
        """End after this run."""
        self._interrupted = True

    def begin(self) -> None:
        """Start the clock."""
        self._started = _monotonic()

    def goes_on(self) -> bool:
        """Say whether another run is to begin; if not, the figures say why."""
        figures, how = self._figures, self._how
        if not figures.ended:
            if self._interrupted:
                figures.ended = "interrupted"
            elif how.runs is not None and figures.runs >= how.runs:
                figures.ended = "runs"
            elif how.seconds is not None and _monotonic() - self._started >= how.seconds:
                figures.ended = "time"
        return not figures.ended

    def note(self, run: Run, program: Program) -> None:
        """Count a run."""
        figures, how = self._figures, self._how
        number = figures.runs
        figures.runs += 1
        figures.seconds = _monotonic() - self._started
        self._seen.add(program)
        figures.programs = len(self._seen)
        if not run.symptoms:
            return
        figures.failures += 1
        figures.symptoms.update({symptom.name for symptom in run.symptoms})
        figures.first = figures.first or f"{text(program)}\n{run.symptoms[0].told}"
        if how.files is not None and len(figures.files) < how.most_files:
            path = failures.write(
                how.files, run, program, number, target=figures.target, options=figures.options,
                seed=how.seed, amplifiers=figures.amplifiers,
            )  # fmt: skip
            figures.files.append(str(path))
        if run.hung:
            figures.ended = "hang"
        elif how.until_failure:
            figures.ended = "failure"
