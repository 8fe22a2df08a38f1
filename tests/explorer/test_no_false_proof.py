"""Programs that fail under some schedule, or that no schedule here stands for: none of them is proved."""

from __future__ import annotations

import datetime
import os
import queue
import re
import sqlite3
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from schedule_explorer import SharedVariable, Verdict, explore, fresh_dir, replay
from schedule_explorer.errors import UncontrolledCallError
from schedule_explorer.interposition import paths
from schedule_explorer.strategies.sleep_set_dfs import SleepSetDFS


def together(*functions: Callable[[], object]) -> None:
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# -- what a step touches ------------------------------------------------------------------------------------


def exits() -> None:
    counter = SharedVariable(0)

    def add() -> None:
        counter.store(counter.load() + 1)

    together(add, add)
    if counter.load() != 2:
        sys.exit("lost update")


def closed_by_the_last_reference() -> None:
    path = fresh_dir() / "a"
    got: list[str] = []
    file = open(path, "w")
    file.write("x")
    current: SharedVariable = SharedVariable(file)
    del file
    together(lambda: current.store(None), lambda: got.append(path.read_text()))
    assert got == [""]


def read_of_a_file_that_c_code_made() -> None:
    path = fresh_dir() / "db"
    connection = sqlite3.connect(path)
    connection.execute("create table t(x)")
    connection.commit()
    connection.close()
    got: list[bytes] = []

    def write() -> None:
        with open(path, "r+b") as file:
            file.write(b"XXXX")

    together(lambda: got.append(path.read_bytes()[:4]), write)
    assert got == [b"XXXX"]


def size_of_a_file_that_c_code_made() -> None:
    path = fresh_dir() / "db"
    sqlite3.connect(path).execute("create table t(x)").connection.commit()
    seen: list[int] = []
    together(lambda: seen.append(os.stat(path).st_size), lambda: os.truncate(path, 0))
    assert seen == [0]


def asks_a_closed_file(method: str) -> Callable[[], None]:
    def body() -> None:
        file = open(fresh_dir() / "a", "w")
        together(file.close, getattr(file, method))

    return body


def asks_a_closed_descriptor(function: str) -> Callable[[], None]:
    def body() -> None:
        fd = os.open(fresh_dir() / "a", os.O_CREAT | os.O_RDWR)
        together(lambda: os.close(fd), lambda: getattr(os, function)(fd))

    return body


def scanned_later() -> None:
    directory = fresh_dir()
    scan = os.scandir(directory)
    thread = threading.Thread(target=(directory / "file").touch)
    thread.start()
    thread.join()
    assert [entry.name for entry in scan] == []


@pytest.mark.parametrize("body", [
    exits, closed_by_the_last_reference, read_of_a_file_that_c_code_made, size_of_a_file_that_c_code_made,
    *(asks_a_closed_file(method) for method in ("writable", "seekable", "isatty")),
    asks_a_closed_descriptor("get_inheritable"), scanned_later,
])  # fmt: skip
def test_fails(body: Callable[[], None]) -> None:
    found = explore(body)
    assert found.verdict is Verdict.FAILED
    assert explore(body, SleepSetDFS(reduce=False)).verdict is Verdict.FAILED


def test_a_scan_that_is_read_later_has_both_orders_with_what_comes_meanwhile() -> None:
    """As a pair: with a name that comes, one that goes, and one that is renamed; elsewhere it commutes."""

    def seen(change: Callable[[Path], object], strategy: str | SleepSetDFS) -> tuple[set[Any], int]:
        outcomes: set[Any] = set()

        def body() -> None:
            directory = fresh_dir()
            (directory / "below").mkdir()
            (directory / "old").touch()
            scan = os.scandir(directory)
            lock = threading.Lock()

            def read() -> None:
                with lock:  # a step in between
                    pass
                outcomes.add(tuple(entry.name for entry in scan))

            together(read, lambda: change(directory))

        found = explore(body, strategy)
        assert found.verdict is Verdict.PROVED
        return outcomes, found.executions

    for change, orders in (
        (lambda directory: (directory / "new").touch(), 2),
        (lambda directory: (directory / "old").unlink(), 2),
        (lambda directory: (directory / "old").rename(directory / "new"), 2),
        (lambda directory: (directory / "below" / "new").touch(), 1),
    ):
        outcomes, executions = seen(change, "optimal-dpor")
        assert (len(outcomes), executions) == (orders, orders)
        assert seen(change, SleepSetDFS(reduce=False))[0] == outcomes


def test_a_comparison_that_takes_a_lock_is_part_of_its_step() -> None:
    def body() -> None:
        lock = threading.Lock()

        class Job:
            def __lt__(self, other: object) -> bool:
                with lock:
                    return True

        jobs: queue.PriorityQueue[Job] = queue.PriorityQueue()
        together(lambda: jobs.put(Job()), lambda: jobs.put(Job()))

    assert explore(body).verdict is Verdict.PROVED


# -- what is not as it is for real --------------------------------------------------------------------------


def closed_twice() -> None:
    directory = fresh_dir()
    fd = os.open(directory / "a", os.O_CREAT | os.O_RDWR)

    def close() -> None:
        try:
            os.close(fd)
        except OSError:
            pass

    def write() -> None:
        other = os.open(directory / "b", os.O_CREAT | os.O_RDWR)
        os.write(other, b"x")
        os.close(other)

    together(close, close, write)


def looked_up_from_a_closed_directory() -> None:
    fd = os.open(fresh_dir(), os.O_RDONLY)

    def look() -> None:
        try:
            os.stat("a", dir_fd=fd)
        except OSError:
            pass

    together(lambda: os.close(fd), look)


@pytest.mark.parametrize("body", [closed_twice, looked_up_from_a_closed_directory])
def test_a_stale_descriptor_is_no_proof(body: Callable[[], None]) -> None:
    found = explore(body)
    assert found.verdict is Verdict.UNFINISHED and "descriptor that is closed is used at" in found.reason


def in_the_working_directory() -> None:
    os.chdir(fresh_dir())
    together(lambda: os.mkdir("a"), lambda: os.mkdir("b"))


def test_a_working_directory_that_cannot_be_looked_at_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    assert explore(in_the_working_directory).verdict is Verdict.PROVED
    stat = paths.real["stat"]

    def forbidden(path: Any, **options: Any) -> os.stat_result:
        if path in (".", "/proc/self/cwd"):
            raise PermissionError(13, "Permission denied", path)
        return stat(path, **options)  # type: ignore[no-any-return]

    monkeypatch.setitem(paths.real, "stat", forbidden)
    found = explore(in_the_working_directory)
    assert found.verdict is Verdict.UNFINISHED and "cannot be looked at, at " in found.reason


def clears_a_full_queue() -> None:
    jobs: queue.Queue[str] = queue.Queue(1)
    jobs.put("old")
    thread = threading.Thread(target=lambda: jobs.put("new"))
    thread.start()
    with jobs.mutex:
        jobs.queue.clear()
    thread.join()


def pipes() -> None:
    os.pipe()


@pytest.mark.parametrize("body, said", [(clears_a_full_queue, "notifies nobody"), (pipes, "os.pipe")])
def test_is_refused(body: Callable[[], None], said: str) -> None:
    with pytest.raises(UncontrolledCallError, match=said):
        explore(body)


def test_a_queue_that_is_cleared_below_its_mutex_where_nobody_could_wait_for_room() -> None:
    def body() -> None:
        jobs: queue.Queue[str] = queue.Queue()
        jobs.put("old")

        def clear() -> None:
            with jobs.mutex:
                jobs.queue.clear()

        together(clear, lambda: jobs.put("new"))

    assert explore(body).verdict is Verdict.PROVED


# -- rounds of a polling loop that get on -------------------------------------------------------------------

SECOND = datetime.timedelta(seconds=1)


class Tag(str):
    __slots__ = ("n",)
    n: int


class Tired(Exception):
    pass


def dates(ready: threading.Event) -> None:
    at = datetime.datetime(2020, 1, 1)
    end = at + 3 * SECOND
    while at < end:
        if ready.wait(1):
            return
        at += SECOND
    raise TimeoutError


def decimals(ready: threading.Event) -> None:
    left = Decimal(3)
    while left:
        if ready.wait(1):
            return
        left -= 1
    raise TimeoutError


def matches(ready: threading.Event) -> None:
    found = re.finditer("a", "aaa")
    while next(found, None):
        if ready.wait(1):
            return
    raise TimeoutError


def entries(ready: threading.Event) -> None:
    directory = fresh_dir()
    for name in "abc":
        (directory / name).touch()
    found = os.scandir(directory)
    while next(found, None):
        if ready.wait(1):
            return
    raise TimeoutError


def attribute_of_a_text(ready: threading.Event) -> None:
    tag = Tag("x")
    tag.n = 0
    while not ready.wait(1):
        tag.n += 1
        if tag.n == 3:
            raise TimeoutError


def arguments_of_an_exception(ready: threading.Event) -> None:
    error = Tired(0)
    while not ready.wait(1):
        error = Tired(error.args[0] + 1)
        if error.args[0] == 3:
            raise TimeoutError


def views(ready: threading.Event) -> None:
    seen = MappingProxyType({"n": 0})
    while not ready.wait(1):
        seen = MappingProxyType({"n": seen["n"] + 1})
        if seen["n"] == 3:
            raise TimeoutError


def environment(ready: threading.Event) -> None:
    os.environ["N"] = "0"
    while not ready.wait(1):
        os.environ["N"] = str(int(os.environ["N"]) + 1)
        if os.environ["N"] == "3":
            raise TimeoutError


def thread_object(ready: threading.Event) -> None:
    thread = threading.current_thread()
    thread.__dict__["n"] = 0
    del thread
    while not ready.wait(1):
        threading.current_thread().__dict__["n"] += 1
        if threading.current_thread().__dict__["n"] == 3:
            raise TimeoutError


@pytest.mark.parametrize("loop", [
    dates, decimals, matches, entries, attribute_of_a_text, arguments_of_an_exception, views, environment,
    thread_object,
])  # fmt: skip
def test_a_loop_that_gets_on_ends(loop: Callable[[threading.Event], None]) -> None:
    def body() -> None:
        ready = threading.Event()
        thread = threading.Thread(target=ready.set)
        thread.start()
        loop(ready)
        thread.join()

    found = explore(body)
    assert found.verdict is Verdict.FAILED and isinstance(found.failures[0].error, TimeoutError)


def test_a_count_that_only_a_weak_reference_leads_to() -> None:
    class Owner:
        ticks = 0

    def body() -> None:
        owner = Owner()
        ready = threading.Event()

        def run(reference: weakref.ref[Owner]) -> None:
            while not ready.wait(1):
                found = reference()
                if found is None:
                    return
                found.ticks += 1
                assert found.ticks < 3, "gave up"
                del found

        thread = threading.Thread(target=run, args=(weakref.ref(owner),))
        thread.start()
        ready.set()
        thread.join()

    assert explore(body).verdict is Verdict.FAILED


def test_a_count_in_a_module_behind_another_one(
    tmp_path: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package_of_a_count"  # type: ignore[operator]
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "state.py").write_text("n = 0\n")
    (package / "helper.py").write_text(
        "from package_of_a_count import state\n\n"
        "def reset():\n    state.n = 0\n\ndef note():\n    state.n += 1\n    return state.n\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import package_of_a_count.helper as helper  # type: ignore[import-not-found]

    def body() -> None:
        ready = threading.Event()
        thread = threading.Thread(target=ready.set)
        thread.start()
        helper.reset()
        while not ready.wait(1):
            if helper.note() == 3:
                raise TimeoutError
        thread.join()

    assert explore(body).verdict is Verdict.FAILED


@pytest.mark.parametrize("strategy", ["optimal-dpor", "sleep-set-dfs"])
def test_what_failed_in_an_execution_that_is_cut_off_has_failed(strategy: str) -> None:
    """That the generator runs is plain state, so the schedule is taken for one that was run before."""

    def body() -> None:
        value = SharedVariable(0)

        def numbers() -> Iterator[None]:
            while True:
                value.store(value.load() + 1)
                yield

        shared = numbers()
        threads = [threading.Thread(target=lambda: next(shared)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    result = explore(body, strategy)
    assert result.verdict is Verdict.FAILED and "generator already executing" in result.reason
    assert result.failure and replay(body, result.failure.schedule).verdict is Verdict.FAILED
