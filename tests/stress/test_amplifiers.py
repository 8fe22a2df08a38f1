"""Amplifiers: each does what it says while it lasts, and puts everything back."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from schedule_explorer.campaigns.stress import AMPLIFIERS, Programs, Stress, pauses, stress
from schedule_explorer.campaigns.stress.amplifiers import amplified, named, options
from schedule_explorer.campaigns.stress.hogs import hogs
from schedule_explorer.campaigns.stress.pauses import Pauses, points
from schedule_explorer.programs import UnknownTargetError, find, parse
from stress.rows import AMPLIFIED, RACE

PROC = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="processes are looked up in /proc")


def state() -> list[Any]:
    calls = [getattr(owner, name) for owner, name in points()]
    return [*calls, threading.Lock, threading.RLock, sys.getswitchinterval(), gc.get_threshold()]


@pytest.mark.parametrize("name", AMPLIFIERS)
def test_everything_is_put_back(name: str, tmp_path: Path) -> None:
    before = state()
    with pytest.raises(LookupError), amplified((name,), Random(0), tmp_path):
        assert (state() == before) is (name in ("hogs", "full-queue", "small-memory"))
        raise LookupError
    assert state() == before and list(tmp_path.iterdir()) == []


def test_the_points_are_those_of_the_explorer() -> None:
    names = {f"{owner.__name__}.{name}" for owner, name in points()}
    assert {
        "os.rename", "os.mkdir", "os.writev", "os.unlink", "os.stat", "os.scandir", "builtins.open",
        "fcntl.flock", "safetensors.serialize_file",
    } <= names  # fmt: skip


def paused(where: Callable[[], object], name: str = "client-0", *, locks: bool = True) -> list[bool]:
    """Return what was asked about pauses while a thread of that name ran."""
    asked: list[bool] = []

    def pause(client: bool) -> None:
        asked.append(client)

    with Pauses(pause, locks=locks):
        where()
        assert asked == [], "the thread of the loop is spared"
        thread = threading.Thread(target=where, name=name)
        del asked[:]
        thread.start()
        thread.join()
    return asked


def test_pauses_come_at_files_and_locks(tmp_path: Path) -> None:
    before = paused(lambda: None, locks=False)
    assert paused(lambda: os.stat(tmp_path), locks=False)[len(before) :] == [True, True]
    assert paused(lambda: os.stat(tmp_path), "writer", locks=False)[len(before) :] == [False, False]

    def locked() -> None:
        with threading.Lock():
            pass
        threading.Condition(threading.Lock()).acquire(timeout=1)

    own = paused(lambda: None).count(True)
    assert paused(locked).count(True) - own == 3
    assert paused(locked, locks=False) == before


def test_a_lock_with_pauses_is_a_lock() -> None:
    with Pauses(lambda client: None, locks=True):
        lock: Any = threading.Lock()
        condition = threading.Condition(lock)
        assert isinstance(lock, pauses.PausingLock)
    with condition:
        assert lock.locked() and not lock.acquire(blocking=False) and not lock.acquire(timeout=0.001)
        assert not condition.wait(0.001)
    assert not lock.locked()


@PROC
def test_hogs_run_meanwhile_and_end(tmp_path: Path) -> None:
    before = set(children())  # of other tests, such as a tracker of resources
    with hogs(1, tmp_path):
        found = [Path(f"/proc/{pid}") for pid in set(children()) - before]
        assert len(found) == 2
    assert not any(path.exists() for path in found)


@PROC
def test_hogs_end_with_a_process_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from schedule_explorer.campaigns.stress.hogs import hogs\n"
        "with hogs(1, Path(sys.argv[1])): print(flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline()
    found = children(process.pid)
    process.kill()
    process.wait()
    process.stdout.close()
    assert len(found) == 2
    until = time.monotonic() + 20
    while any(running(pid) for pid in found):
        assert time.monotonic() < until, "hogs outlive the process that began them"
        time.sleep(0.05)


def children(parent: int | None = None) -> list[int]:
    """Return the child processes of a process, this one unless given."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, above = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(above) == (parent or os.getpid()) and state != "Z":
            found.append(int(entry.name))
    return found


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_names() -> None:
    assert named("switch, gc,switch,") == ("switch", "gc") and named("") == ()
    with pytest.raises(ValueError, match="there is no amplifier 'luck': take some of switch, yields, hogs"):
        named("switch,luck")


def test_two_are_options_of_the_target() -> None:
    assert options(("switch", "full-queue", "small-memory")) == {"queue_size": 1, "max_pending_bytes": 2}
    store: Any = find("original_store_after_fix", **options(("full-queue",)))
    assert store.setting.queue_size == 1
    with pytest.raises(UnknownTargetError, match="has no option 'queue_size': it takes ids, keys"):
        find("boundary_store", **options(("full-queue",)))


def test_a_small_memory_refuses_saves(tmp_path: Path) -> None:
    """Which the specification then allows, and does not allow without."""
    target: Any = find("boundary_store", **options(("small-memory",)))
    system = target.make(tmp_path)
    assert system._state.max_pending_bytes == 2
    target.close(system)
    program = Programs(parse("save(x, 0) save(x, 1) save(y, 0) save(y, 1) | save(x, 1) load(x, 1)"))
    figures = stress(target, program, Stress(runs=10, amplifiers=("slow-writer",)))
    assert figures.failures == 0, figures.first


# -- the race that all this began with -------------------------------------------------------------------


def test_the_race_is_met_before_its_fix_and_not_after() -> None:
    """It is met in most amplified runs: that none of 200 meets it is out of the question."""
    race = Programs(parse(RACE))
    before = stress(
        find("original_store_before_fix"), race, Stress(200, until_failure=True, amplifiers=AMPLIFIED)
    )
    assert set(before.symptoms) == {"G1 orphan file"}
    after = stress(find("original_store_after_fix"), race, Stress(20, amplifiers=AMPLIFIED))
    assert (after.failures, after.runs) == (0, 20), after.first


def test_the_production_store_on_real_threads() -> None:
    plain, arrays = ("switch", "yields", "slow-writer"), ("switch", "gc")
    for given, amplifiers in (({}, plain), ({"arrays": True}, arrays)):
        figures = stress(find("boundary_store", **given), Programs(), Stress(15, amplifiers=amplifiers))
        assert (figures.failures, figures.runs) == (0, 15), figures.first
