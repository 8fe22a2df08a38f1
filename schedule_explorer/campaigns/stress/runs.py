"""One run of one client program on real threads: what the explorer does once per schedule, with no schedule.

    make the object ──> clients begin together ──> they end ──> the object is at rest ──> judge ──> close

The calls and the oracles are those of `client_body`. What differs: a call lies between two readings of a
counter that every thread advances, so the history has one interval order; and nobody knows that nothing moves
any more, so the target says when its object is at rest.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schedule_explorer.oracles.history import History
from schedule_explorer.programs.calls import Program
from schedule_explorer.programs.client import judge_orders, make_calls
from schedule_explorer.programs.target import RealTarget

#: symptoms that are no error, named as those of an execution are
DEADLOCK, LEAK = "deadlock", "leak"
CLIENT = "client-"
#: seconds between two questions whether something has come true: the first time, and at most
_SHORT, _LONG = 2e-5, 2e-3


class NotForRealThreadsError(ValueError):
    """The target cannot be run on real threads; the text says why."""


@dataclass(frozen=True)
class Symptom:
    """One thing that went wrong in a run.

    Attributes:
        name: the attribute `symptom` of an error or the name of its class, ``"deadlock"`` or ``"leak"``.
        told: what happened, with the stacks of what hangs.
    """

    name: str
    told: str


@dataclass
class Run:
    """What became of one run.

    Attributes:
        history: the calls.
        symptoms: what went wrong, the first one first; empty for a run that passed.
        hung: a thread did not come to its end: no other run can follow in this process.
    """

    history: History = field(default_factory=History)
    symptoms: list[Symptom] = field(default_factory=list)
    hung: bool = False

    def note(self, error: BaseException, *, where: bool = True) -> None:
        """Add an error; `where`: with the lines that raised it, which tell nothing of an oracle."""
        name = str(getattr(error, "symptom", type(error).__name__))
        told = traceback.format_exception(error) if where else traceback.format_exception_only(error)
        self.symptoms.append(Symptom(name, "".join(told).rstrip()))


def check_fit(target: object) -> RealTarget:
    """Return a target that can be run on real threads.

    Raises:
        NotForRealThreadsError: it cannot.
    """
    name = getattr(target, "name", target)
    if not isinstance(target, RealTarget):
        raise NotForRealThreadsError(
            f"the target {name!r} says nothing about real threads: add needs_explorer(), idle() and close()"
        )
    if reason := target.needs_explorer():
        raise NotForRealThreadsError(f"the target {name!r} needs the explorer: {reason}")
    return target


def run_once(target: RealTarget, program: Program, root: Path, *, timeout: float = 30.0) -> Run:
    """Run a program once, and check it.

    The threads are real, and no daemon of this run outlives it unless it hangs.

    Arguments:
        target: see `check_fit`.
        root: an empty directory.
        timeout: seconds that the clients may take, that the object may take to come to rest, and that its
            threads may take to end; then they hang.
    """
    run = Run()
    before = set(threading.enumerate())
    usual = threading.excepthook
    threading.excepthook = lambda died: run.note(died.exc_value or died.exc_type())
    try:
        _play(target, program, root, timeout, run, before)
    except Exception as error:
        run.note(error)  # the object cannot be made, asked whether it is at rest, or closed
    finally:
        threading.excepthook = usual
    return run


def _play(
    target: RealTarget, program: Program, root: Path, timeout: float, run: Run, before: set[threading.Thread]
) -> None:
    system = target.make(root)
    clients = _begin(
        lambda number: make_calls(target, system, run.history, program, number), len(program), run
    )
    deadline = time.monotonic() + timeout
    for client in clients:
        client.join(max(0.0, deadline - time.monotonic()))
    stuck = [client for client in clients if client.is_alive()]
    if stuck:
        names = ", ".join(client.name for client in stuck)
        _hangs(run, f"{names} did not end in {timeout:g} s", before)
        return
    if not wait_until(lambda: target.idle(system), timeout):
        _hangs(run, f"the object was not at rest {timeout:g} s after its last call", before)
        return
    if not run.symptoms:
        try:
            judge_orders(target, system, run.history, [list(run.history)])
        except Exception as error:
            run.note(error, where=False)
    target.close(system)
    deadline = time.monotonic() + timeout
    for thread in set(threading.enumerate()) - before:
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            _hangs(run, f"{thread.name} is there {timeout:g} s after the object was closed", before, LEAK)
            return


def _begin(client: Callable[[int], None], count: int, run: Run) -> list[threading.Thread]:
    """Start client threads that begin at the same time; an error of one ends that one."""
    gate = threading.Lock()

    def body(number: int) -> None:
        with gate:
            pass
        try:
            client(number)
        except Exception as error:
            run.note(error)

    threads = [
        threading.Thread(target=body, args=(number,), name=f"{CLIENT}{number}", daemon=True)
        for number in range(count)
    ]
    with gate:
        for thread in threads:
            thread.start()
    return threads


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Ask again and again, ever less often, until the answer is yes; False when it is not by then."""
    deadline = time.monotonic() + seconds
    pause = _SHORT
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(2 * pause, _LONG)
    return True


def _hangs(run: Run, what: str, before: Iterable[threading.Thread], name: str = DEADLOCK) -> None:
    run.hung = True
    run.symptoms.append(Symptom(name, "\n".join([what, *stacks(set(threading.enumerate()) - set(before))])))


def stacks(threads: Iterable[threading.Thread]) -> list[str]:
    """Return where each thread stands now, by name."""
    frames: dict[int, Any] = dict(sys._current_frames())
    told = []
    for thread in sorted(threads, key=lambda thread: thread.name):
        frame = frames.get(thread.ident or 0)
        where = "".join(traceback.format_stack(frame)).rstrip() if frame is not None else "  (not started)"
        told.append(f"{thread.name}:\n{where}")
    return told
