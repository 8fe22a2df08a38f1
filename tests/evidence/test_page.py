"""A page is written as Markdown and JSON with its stamp."""

from __future__ import annotations

import argparse
import json
import threading
from pathlib import Path

import pytest

from evidence import __main__ as command
from evidence.__main__ import main
from evidence.page import Page, table, write
from evidence.stamp import stamp


def test_a_page_states_command_commit_and_machine(tmp_path: Path) -> None:
    made = Page("name", "Title", "Body", {"figure": 3}, {"name.svg": "<svg/>"})
    stamped = stamp("make something")
    markdown, data, plot = write(made, stamped, tmp_path)
    told = markdown.read_text()
    assert told.startswith("# Title\n\nBody\n") and "not as it should be" not in told
    for part in ("`make something`", stamped.commit, stamped.python, f"{stamped.cores} cores", "greenlet"):
        assert part in told
    found = json.loads(data.read_text())
    assert found["figure"] == 3 and found["stamp"]["commit"] == stamped.commit
    assert plot.read_text() == "<svg/>"


def test_a_page_that_is_not_good_says_so(tmp_path: Path) -> None:
    markdown, _ = write(Page("name", "Title", "Body", {}, good=False), stamp("make something"), tmp_path)
    assert "not as it should be" in markdown.read_text()


def test_tables_escape_bars_and_set_numbers_right() -> None:
    assert table(["a", "b"], [["x|y", 1234], ["z", None]]).splitlines() == [
        "| a | b |", "|---|---:|", "| x\\|y | 1,234 |", "| z |  |",
    ]  # fmt: skip
    assert table(["a"], [[True]]).splitlines() == ["| a |", "|---|", "| yes |"]


def test_an_unknown_section_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["explores"])
    assert "there is no section 'explores': take some of explorer" in capsys.readouterr().err


def test_a_section_that_ends_with_an_error_is_named_and_the_others_are_made(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_: object) -> Page:
        raise RuntimeError("no disk")

    made: list[str] = []
    monkeypatch.setattr(command, "write", lambda page, _: made.append(page.name) or [])
    monkeypatch.setattr(command, "SECTIONS", {
        "one": ("fails", fails), "two": ("is made", lambda _: Page("two", "Title", "Body", {})),
    })  # fmt: skip
    assert main([]) == 1
    told = capsys.readouterr().err
    assert made == ["two"] and "RuntimeError: no disk" in told and "not as it should be: one" in told


def test_the_soak_runs_beside_what_counts_and_ends_before_what_measures_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, counted, told = threading.Event(), threading.Event(), list[str]()

    def soak(given: argparse.Namespace) -> Page:
        assert given.beside
        begun.set()
        assert counted.wait(30)
        told.append("soak")
        return Page("soak", "Title", "Body", {}, good=False)

    def explorer(_: object) -> Page:
        assert begun.wait(30)
        counted.set()
        return Page("explorer", "Title", "Body", {})

    def measures(_: object) -> Page:
        told.append("bench")
        return Page("bench", "Title", "Body", {})

    monkeypatch.setattr(command, "write", lambda *_: [])
    monkeypatch.setattr(command, "SECTIONS", {
        "explorer": ("counts", explorer), "soak": ("soaks", soak), "bench": ("measures", measures),
    })  # fmt: skip
    assert main(["bench", "explorer", "soak"]) == 1
    assert told == ["soak", "bench"]


def test_a_soak_without_what_counts_has_the_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def soak(given: argparse.Namespace) -> Page:
        asked.append(given.beside)
        return Page("soak", "Title", "Body", {})

    monkeypatch.setattr(command, "write", lambda *_: [])
    monkeypatch.setattr(command, "SECTIONS", {"soak": ("soaks", soak)})
    assert main([]) == 0 and asked == [False]
