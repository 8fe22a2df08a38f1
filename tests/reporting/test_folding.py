"""What is folded, and what never is."""

from __future__ import annotations

import re
import shutil
import threading

from build import trace
from failing import Program

from schedule_explorer import SharedVariable, fresh_dir
from schedule_explorer.reporting.folding import fold
from schedule_explorer.runtime import Trace


def rows(made: Trace, marks: tuple[int, ...] = ()) -> list[list[int]]:
    return [[event.index for event in row] for row in fold(made, marks)]


def test_three_steps_that_conflict_with_nothing_are_one_row() -> None:
    assert rows(trace("T1 load x", "T1 store y", "T1 load z")) == [[0, 1, 2]]
    assert rows(trace("T1 load x", "T1 store y")) == [[0], [1]]


def test_a_step_that_conflicts_divides() -> None:
    made = trace("T1 load a", "T1 load b", "T1 load c", "T1 store x", "T1 load d", "T2 load x")
    assert rows(made) == [[0, 1, 2], [3], [4], [5]]


def test_a_switch_divides() -> None:
    made = trace("T1 load a", "T1 load b", "T2 load c", "T1 load d", "T1 load e")
    assert rows(made) == [[0], [1], [2], [3], [4]]


def test_files_of_one_source_line_are_one_row_even_when_they_conflict() -> None:
    made = trace("T1 scandir d 7", "T1 unlink f 7", "T1 scandir e 8", "T2 unlink f 9", "T2 mkdir d 9")
    assert rows(made) == [[0, 1], [2], [3, 4]]
    assert rows(trace("T1 load x 7", "T1 store x 7", "T2 store x 9")) == [[0], [1], [2]]


def test_the_pair_has_rows_of_its_own() -> None:
    made = trace("T1 scandir d 7", "T1 unlink f 7", "T1 scandir d 7", "T1 unlink g 7", "T2 unlink f 9")
    assert rows(made, (1, 4)) == [[0], [1], [2, 3], [4]]


def test_what_raised_or_expired_has_a_row_of_its_own() -> None:
    texts = ("T1 load a", "T1 load b", "T1 load c", "T1 load d", "T1 load e", "T1 load f", "T1 load g")
    made = trace(*texts)
    made.events[3].note = "FileNotFoundError"
    assert rows(made) == [[0, 1, 2], [3], [4, 5, 6]]
    made = trace(*texts)
    made.events[3].expired = True
    assert rows(made) == [[0, 1, 2], [3], [4, 5, 6]]
    made = trace("T1 store a", "T1 store b", "T1 store c")
    for event in made.events:
        event.note = "1"
    assert rows(made) == [[0, 1, 2]], "the value of a store is no outcome"


def test_the_failing_step_has_a_row_of_its_own() -> None:
    texts = ("T1 load a", "T1 load b", "T1 load c", "T1 load d")
    assert rows(trace(*texts)) == [[0, 1, 2, 3]]
    assert rows(trace(*texts, errors=((1, ValueError()),))) == [[0, 1, 2], [3]]


def test_rmtree_is_one_row_with_its_source_line() -> None:
    def body() -> None:
        root = fresh_dir() / "tree"
        (root / "below").mkdir(parents=True)
        (root / "below" / "f").write_text("")
        seen = SharedVariable(0, "seen")
        thread = threading.Thread(target=lambda: seen.store(1))
        thread.start()
        shutil.rmtree(root)
        assert seen.load(), "not yet"

    text = Program(body, [(0, None)]).failure().explain()
    row = next(line for line in text.splitlines() if "shutil.rmtree(root)" in line)
    assert re.match(r" +… \d+ steps: stat, .*rmdir +test_folding.py:\d+  shutil.rmtree", row)
    assert text.count("shutil.rmtree(root)") == 1
