"""Names: short, stable, and independent of the machine."""

from __future__ import annotations

import pytest
from build import trace

from schedule_explorer.reporting.layout import Cell, Line, Remark, Steps, render
from schedule_explorer.reporting.names import Names, cut, raised_at, relative


def test_objects_are_numbered_within_their_kind_by_creation() -> None:
    made = trace("T1 lock.acquire b", "T1 lock.acquire a", "T1 load x", "T1 load q")
    for event, target in zip(made.events, ["Lock 1.2", "Lock 0.15", "Queue 0.7", "RLock 0.3"], strict=True):
        event.target = target
    names = Names(made)
    assert [names.target(event.target) for event in made.events] == ["Lock#2", "Lock#1", "Queue#1", "RLock#1"]
    assert names.operation("lock.acquire", "Lock 1.2") == "Lock#2.acquire"
    assert names.operation("lock.release", "RLock 0.3") == "RLock#1.release"
    assert names.operation("queue.get", "items") == "queue.get items"


def test_threads_of_one_name_are_told_apart() -> None:
    made = trace("T1 load x")
    made.thread_names = ["main", "worker", "worker"]
    assert [Names(made).thread(tid) for tid in range(3)] == ["main", "worker#1", "worker#2"]


def test_fresh_directories_lose_the_machine() -> None:
    assert relative("/dev/shm/schedule-explorer-4711/d0/cache/f") == "d0/cache/f"
    assert relative("[Errno 2] no: '/tmp/x/schedule-explorer-9/d1/a b'") == "[Errno 2] no: 'd1/a b'"
    assert relative("/home/user/f") == "/home/user/f"


@pytest.mark.parametrize(
    "text, width, shown",
    [
        ("short", 5, "short"),
        ("/a/long/way/down/file.txt", 16, "/a/lon…/file.txt"),
        ("a-very-long-name-without-slash", 10, "a-very-lo…"),
        ("/a/very-long-last-component", 10, "/a/very-l…"),
    ],
)
def test_cutting_shows_that_it_cut_and_keeps_the_last_component(text: str, width: int, shown: str) -> None:
    assert cut(text, width) == shown
    assert len(shown) <= width


def test_cells_cut_the_path_and_never_lose_the_outcome() -> None:
    cell = Cell("rename", "/a/long/way/draft.txt -> published.txt", "FileNotFoundError")
    assert cell.fit(90) == ["rename /a/long/way/draft.txt -> published.txt -> FileNotFoundError"]
    narrow = cell.fit(34)
    assert narrow == ["rename draft.txt -> published.txt", "   -> FileNotFoundError"]
    assert Remark("blocked on Lock#1 held by writer").fit(20) == ["-- blocked on Lock#1", "   held by writer"]


def test_folded_steps_say_how_many_and_keep_the_last() -> None:
    steps = Steps(("stat", "file.write", "file.write", "scandir", "rmdir"))
    assert steps.fit(60) == ["… 5 steps: stat, write x2, scandir, rmdir"]
    assert steps.fit(36) == ["… 5 steps: stat, write x2, …, rmdir"]
    assert steps.fit(14) == ["… 5 steps"]


def test_many_threads_keep_a_readable_column() -> None:
    columns = {tid: f"thread-{tid}" for tid in range(6)}
    lines = [Line("<1>", {tid: Cell("mkdir", "/some/very/long/path/to/a/directory")}, "f.py:1  mkdir(path)")
             for tid in columns]
    text = render(columns, lines)
    assert all(f"thread-{tid}" in text[0] for tid in columns)
    assert all("/directory" in line and line.endswith("f.py:1  mkdir(path)") for line in text[2:])
    assert len({line.index("f.py") for line in text[2:]}) == 1


def test_where_an_error_was_raised_is_a_line_of_the_program() -> None:
    def inner() -> None:
        import queue

        queue.Queue().get_nowait()

    try:
        inner()
    except Exception as error:
        [(path, _, function)] = raised_at(error)
        assert (path, function) == (__file__, "inner")
    assert raised_at(ValueError()) == ()
