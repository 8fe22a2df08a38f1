"""Calls that fail or hang: every outcome is explored, what fails does nothing, what hangs comes late."""

from __future__ import annotations

import errno
import os
import threading
import time

import pytest

from schedule_explorer import Verdict, explore, fresh_dir, replay
from schedule_explorer.interposition.faults import Fault, may_fail, may_hang

STRATEGIES = ("optimal-dpor", "sleep-set-dfs")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_call_fails_or_works_and_a_failing_one_does_nothing(strategy: str) -> None:
    seen = set()

    def body() -> None:
        root = fresh_dir()
        may_fail(errno.ENOSPC, {"mkdir"})
        try:
            os.mkdir(root / "a")
        except OSError as error:
            seen.add((error.errno, error.filename == str(root / "a"), (root / "a").exists()))
        else:
            seen.add((0, True, (root / "a").exists()))

    result = explore(body, strategy)
    assert (result.verdict, result.executions) == (Verdict.PROVED, 2)
    assert seen == {(errno.ENOSPC, True, False), (0, True, True)}


def test_at_most_is_counted_in_each_thread() -> None:
    seen = set()

    def body() -> None:
        root = fresh_dir()
        may_fail(errno.EIO, {"mkdir"}, at_most=1)
        failed = [0, 0]

        def work(number: int) -> None:
            for name in "ab":
                try:
                    os.mkdir(root / f"{number}{name}")
                except OSError:
                    failed[number] += 1

        threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seen.add(tuple(failed))

    result = explore(body)
    # Each thread has three outcomes: the first call fails, the second one does, or none. They commute.
    assert (result.verdict, result.executions) == (Verdict.PROVED, 9)
    assert seen == {(a, b) for a in (0, 1) for b in (0, 1)}


def test_a_thread_is_named() -> None:
    def body() -> None:
        root = fresh_dir()
        may_fail(errno.EIO, {"mkdir"}, thread="other")
        os.mkdir(root / "a")
        thread = threading.Thread(target=lambda: os.path.exists(root), name="other")
        thread.start()
        thread.join()

    result = explore(body)
    assert (result.verdict, result.executions) == (Verdict.PROVED, 1)


def test_a_call_that_hangs_returns_when_the_clock_passed() -> None:
    waited = set()

    def body() -> None:
        root = fresh_dir()
        may_hang({"mkdir"}, seconds=60.0)
        before = time.monotonic()
        os.mkdir(root / "a")
        waited.add((time.monotonic() - before, (root / "a").exists()))

    result = explore(body)
    assert (result.verdict, result.executions) == (Verdict.PROVED, 2)
    assert waited == {(0.0, True), (60.0, True)}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_wait_can_run_out_while_a_call_hangs(strategy: str) -> None:
    """In ``quiet`` mode the shorter wait ends first; a lock held over the call is what it waits for."""
    taken = set()

    def body() -> None:
        root, lock = fresh_dir(), threading.Lock()
        may_hang({"mkdir"}, thread="writer")

        def write() -> None:
            with lock:
                os.mkdir(root / "a")

        writer = threading.Thread(target=write, name="writer")
        writer.start()
        taken.add(lock.acquire(timeout=5.0))

    explore(body, strategy, timeouts="quiet", stop_at_first_failure=False)
    assert taken == {False, True}


def test_a_failure_by_a_fault_replays_and_is_told() -> None:
    def body() -> None:
        root = fresh_dir()
        may_fail(errno.ENOSPC, {"mkdir"})
        os.mkdir(root / "a")

    failure = explore(body).failure
    assert failure is not None and isinstance(failure.error, OSError)
    again = replay(body, failure.schedule)
    assert again.failure is not None and str(again.failure.error) == str(failure.error)
    assert "ENOSPC" in failure.explain()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_a_failing_call_would_have_touched_is_still_raced_for(strategy: str) -> None:
    """A failing mkdir commutes with the rename; the same mkdir, when it works, does not."""
    seen = set()

    def body() -> None:
        root = fresh_dir()
        os.mkdir(root / "a")
        may_fail(errno.EIO, {"mkdir"}, thread="maker")
        notes: list[str] = []

        def make() -> None:
            try:
                os.mkdir(root / "a" / "b")
            except OSError as error:
                notes.append(errno.errorcode[error.errno or 0])

        maker = threading.Thread(target=make, name="maker")
        maker.start()
        os.rename(root / "a", root / "c")
        maker.join()
        seen.add((*notes, (root / "c" / "b").exists()))

    result = explore(body, strategy)
    assert (result.verdict, result.executions) == (Verdict.PROVED, 3)
    assert seen == {("EIO", False), ("ENOENT", False), (True,)}


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="close cannot fail: take some of"):
        Fault(frozenset({"close"}), errno.EIO)
    with pytest.raises(ValueError, match=r"tensors\.complete cannot fail"):
        Fault(frozenset({"tensors.complete"}), errno.EIO)
    Fault(frozenset({"tensors.complete"}))
    for wrong in ({"kinds": frozenset()}, {"at_most": 0}, {"seconds": 0.0}, {"code": 100_000}):
        with pytest.raises(ValueError):
            Fault(**{"kinds": frozenset({"mkdir"}), **wrong})  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="under explore"):
        may_hang({"mkdir"})


def test_a_fault_is_declared_before_a_thread_starts() -> None:
    def body() -> None:
        thread = threading.Thread(target=lambda: None)
        thread.start()
        may_fail(errno.EIO, {"mkdir"})

    failure = explore(body).failure
    assert failure is not None and "before the body starts a thread" in str(failure.error)
