"""The journal: what it takes back, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from schedule_explorer.campaigns import Journal, JournalMismatchError, Limits, Outcome

HEAD = {"target": "cells", "threads": 2, "ids": ["x"], "code": "abc"}
PROVED = Outcome("get(a)", "proved", executions=3, blocked=1, histories=4, seconds=0.25)
FAILED = Outcome("put(a)", "failed", "two\nlines", 1, schedule="schedule1.x", explanation="a story\n")


def written(path: Path, *outcomes: Outcome) -> Path:
    with Journal(path, HEAD, Limits()) as journal:
        for outcome in outcomes:
            journal.write(outcome)
    return path


def test_outcomes_come_back(tmp_path: Path) -> None:
    path = written(tmp_path / "below" / "journal", PROVED, FAILED)
    with Journal(path, HEAD, Limits()) as journal:
        assert journal.known == {"get(a)": PROVED, "put(a)": FAILED}
        assert journal.known["get(a)"].seconds == 0.25


def test_every_cut_loses_at_most_the_last_line(tmp_path: Path) -> None:
    whole = written(tmp_path / "journal", PROVED, FAILED).read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    for length in range(len(whole) + 1):
        path = tmp_path / "cut"
        path.write_bytes(whole[:length])
        with Journal(path, HEAD, Limits()) as journal:
            lines = sum(end <= length for end in ends)
            assert len(journal.known) == max(0, lines - 1)
            journal.write(Outcome("swap(a)", "proved"))
        with Journal(path, HEAD, Limits()) as journal:
            assert len(journal.known) == max(0, lines - 1) + 1


@pytest.mark.parametrize(
    ("change", "told"),
    [({"threads": 3}, "threads 2 there, 3 here"), ({"target": "other"}, "target 'cells' there, 'other' here"),
     ({"code": "d"}, "code 'abc' there, 'd' here"), ({"ids": ["x", "y"]}, r"ids \['x'\] there"),
     ({"keys": [0]}, r"keys None there, \[0\] here")],
)  # fmt: skip
def test_another_campaign_is_refused(tmp_path: Path, change: dict[str, object], told: str) -> None:
    path = written(tmp_path / "journal", PROVED)
    before = path.read_bytes()
    with pytest.raises(JournalMismatchError, match=told):
        Journal(path, {**HEAD, **change}, Limits())
    assert path.read_bytes() == before, "it is refused, not overwritten"
    with Journal(path, {**HEAD, **change}, Limits(), fresh=True) as journal:
        assert journal.known == {}


@pytest.mark.parametrize("content", [b"notes\n", b"[]\n", b'{"a": 1}\n', b'{"journal": 2}\n'])
def test_what_is_no_journal_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal"
    path.write_bytes(content)
    with pytest.raises(JournalMismatchError):
        Journal(path, HEAD, Limits())
    assert path.read_bytes() == content


def test_a_damaged_line_in_the_middle_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "journal", PROVED, FAILED)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"{]\n" + lines[2])
    with pytest.raises(JournalMismatchError, match="line 2"):
        Journal(path, HEAD, Limits())


def test_a_verdict_that_there_is_not_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "journal")
    line = {"outcome": {"program": "get(a)", "verdict": "splendid"}, "limits": [None, None], "seconds": 0}
    path.write_bytes(path.read_bytes() + json.dumps(line).encode() + b"\n")
    with pytest.raises(JournalMismatchError, match="splendid"):
        Journal(path, HEAD, Limits())
