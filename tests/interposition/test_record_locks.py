"""Locks of open file descriptions, and POSIX locks, between threads."""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Callable
from typing import Any

import pytest
from beside import beside, outcomes

from schedule_explorer import Verdict, explore, fresh_dir
from schedule_explorer.errors import UncontrolledCallError

if not hasattr(fcntl, "F_OFD_SETLK"):
    pytest.skip("no locks of open file descriptions here", allow_module_level=True)

SET, WAIT, LOOK = fcntl.F_OFD_SETLK, fcntl.F_OFD_SETLKW, fcntl.F_OFD_GETLK


def whole(kind: int) -> bytes:
    return struct.pack("hhqqi4x", kind, 0, 0, 0, 0)


def lock(file: Any, command: int = SET, kind: int = fcntl.F_WRLCK) -> Any:
    return fcntl.fcntl(file, command, whole(kind))


def got(file: Any) -> bool:
    try:
        lock(file)
    except BlockingIOError:
        return False
    return True


def two() -> tuple[int, int]:
    path = fresh_dir() / "f"
    path.write_text("")
    return os.open(path, os.O_RDWR), os.open(path, os.O_RDWR)


def closed(fd: int) -> None:
    os.close(fd)


def replaced(fd: int) -> None:
    null = os.open(fresh_dir() / "other", os.O_CREAT | os.O_RDWR)
    os.dup2(null, fd)


def unlocked(fd: int) -> None:
    lock(fd, kind=fcntl.F_UNLCK)


def closed_file(fd: int) -> None:
    open(fd, "wb").close()


def closed_text(fd: int) -> None:
    with open(fd, "w") as file:
        file.write("text")


DROPS = [closed, replaced, unlocked, closed_file, closed_text]


@pytest.mark.parametrize("drop", DROPS)
def test_a_lock_is_dropped_before_or_after_an_attempt(drop: Callable[[int], None]) -> None:
    def body() -> Any:
        one, other = two()
        lock(one)
        thread = beside(lambda: drop(one))
        found = got(other)
        thread.join()
        return found

    assert outcomes(body) == {False, True}


@pytest.mark.parametrize("drop", DROPS)
def test_a_lock_is_dropped_before_an_attempt(drop: Callable[[int], None]) -> None:
    def body() -> None:
        one, other = two()
        lock(one)
        beside(lambda: drop(one)).join()
        assert got(other)

    assert explore(body).verdict is Verdict.PROVED


def test_a_duplicate_keeps_the_lock() -> None:
    def body() -> Any:
        one, other = two()
        lock(one)
        os.dup(one)
        thread = beside(lambda: os.close(one))
        found = got(other)
        thread.join()
        return found

    assert outcomes(body) == {False}
    # The close of one of two drops nothing: it meets no attempt.
    assert explore(lambda: body() and None).executions == 1


def test_what_was_written_before_the_close_is_seen_with_the_lock() -> None:
    def body() -> Any:
        path = fresh_dir() / "f"
        path.touch()
        file = open(path, "w")
        lock(file)
        file.write("text")
        thread = beside(file.close)
        with open(path, "r+") as mine:
            found = got(mine), mine.read()
        thread.join()
        return found

    # Never the lock without the text.
    assert outcomes(body) == {(False, ""), (False, "text"), (True, "text")}


def test_a_close_without_a_lock_meets_nothing() -> None:
    def body() -> None:
        one, other = two()
        thread = beside(lambda: os.close(one))
        assert got(other)
        thread.join()

    result = explore(body)
    assert (result.verdict, result.executions) == (Verdict.PROVED, 1), result.reason


TAKES: dict[str, Callable[[Any], Any]] = {
    "lockf": lambda fd: fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB),
    "F_SETLK": lambda fd: lock(fd, fcntl.F_SETLK),
    "os.lockf": lambda fd: os.lockf(fd, os.F_TLOCK, 0),
}


@pytest.mark.parametrize("take", TAKES)
@pytest.mark.parametrize("first", [False, True])
def test_posix_locks_beside_those_of_a_description_are_no_proof(take: str, first: bool) -> None:
    def posix(fd: int) -> None:
        try:
            TAKES[take](fd)
        except BlockingIOError:
            pass

    def body() -> None:
        one, other = two()
        if first:
            posix(one)
        thread = beside(lambda: got(other))
        if not first:
            posix(one)
        thread.join()

    result = explore(body)
    assert result.verdict is Verdict.UNFINISHED
    assert "POSIX locks and F_OFD_SETLK are used on one file, at" in result.reason
    assert "test_record_locks.py" in result.reason


def test_posix_locks_of_one_process_never_meet() -> None:
    def body() -> None:
        one, other = two()
        thread = beside(lambda: fcntl.lockf(one, fcntl.LOCK_EX))
        os.lockf(other, os.F_LOCK, 0)
        thread.join()

    result = explore(body)
    assert (result.verdict, result.executions) == (Verdict.PROVED, 1), result.reason


WAITS: dict[str, Callable[[Any], Any]] = {
    "F_OFD_SETLKW": lambda fd: lock(fd, WAIT),
    "F_SETLKW": lambda fd: lock(fd, fcntl.F_SETLKW),
    "lockf": lambda fd: fcntl.lockf(fd, fcntl.LOCK_EX),
    "os.lockf": lambda fd: os.lockf(fd, os.F_LOCK, 0),
}


@pytest.mark.parametrize("wait", WAITS)
def test_who_would_wait_is_named(wait: str) -> None:
    def body() -> None:
        one, other = two()
        lock(one)
        WAITS[wait](other)

    with pytest.raises(UncontrolledCallError, match=r"waiting for a lock .*test_record_locks\.py"):
        explore(body)


def test_nobody_waits_for_what_is_free() -> None:
    def body() -> None:
        one, other = two()
        lock(one, WAIT)
        assert lock(other, LOOK)[:2] == whole(fcntl.F_WRLCK)[:2]
        unlocked(one)
        lock(other, WAIT)

    assert explore(body).verdict is Verdict.PROVED


def test_a_loop_that_tries_until_it_has_the_lock_is_parked() -> None:
    def body() -> None:
        one, other = two()

        def take(fd: int) -> None:
            while not got(fd):
                time.sleep(0.1)
            lock(fd, kind=fcntl.F_UNLCK)

        thread = beside(lambda: take(one))
        take(other)
        thread.join()

    assert explore(body, max_executions=100).verdict is Verdict.PROVED
