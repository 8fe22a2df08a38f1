"""The table of `make stress`: what is expected, what is bad, and the exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stress_toys import ONE, Flaky, Toy

from schedule_explorer.campaigns.stress import Programs, Stress, stress
from schedule_explorer.programs import find, text
from stress import __main__ as command
from stress.__main__ import Measured, main
from stress.rows import ROWS, Row


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def measured(row: Row, target: Any) -> Measured:
    return Measured(row, stress(target, Programs(ONE), Stress(runs=5), name=row.target))


def test_the_verdicts() -> None:
    bad, good = Flaky(1.0), Toy()
    for fails, target, verdict, is_bad in (
        (True, bad, "fails, as expected", False), (True, good, "expected to fail, not met", False),
        (False, bad, "FAILED", True), (False, good, "no failure", False),
    ):  # fmt: skip
        found = measured(Row("x", fails=fails), target)
        assert (found.verdict, found.bad) == (verdict, is_bad)


def test_only_the_store_before_its_fix_is_expected_to_fail() -> None:
    assert {row.target for row in ROWS if row.fails} == {"original_store_before_fix"}
    assert {row.target for row in ROWS if not row.fails} == {"original_store_after_fix", "boundary_store"}
    assert any(row.disk for row in ROWS)
    assert {name for row in ROWS for name in row.amplifiers} == {
        "switch", "yields", "hogs", "gc", "slow-writer", "full-queue", "small-memory",
    }  # fmt: skip


def test_rows_are_run_and_written(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--only", "original_store_after_fix", "--seconds", "0.05", "--json", "table.json"])
    out, err = capsys.readouterr()
    assert code == 0 and "no failure" in out and "95 %" in out
    assert "original_store_after_fix, the race, arrays, no amplifier" in err
    found = json.loads((place / "table.json").read_text())
    assert found["stress_table"] == 1 and len(found["rows"]) == 3
    row = found["rows"][0]
    assert (row["what"], row["disk"], row["fails"], row["verdict"]) == (
        "the race, arrays", False, False, "no failure",
    )  # fmt: skip
    assert row["runs"] >= 1 and row["options"] == {"arrays": True}


@pytest.mark.parametrize(("fails", "code"), [(False, 1), (True, 0)])
def test_the_exit_code(
    fails: bool, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "ROWS", (Row("flaky", fails=fails), Row("toy")))
    made = {"flaky": Flaky(1.0), "toy": Toy()}
    monkeypatch.setattr(command, "find", lambda name, **options: made[name])
    monkeypatch.setattr(command, "_DISK", Path("."))
    assert main(["--seconds", "0.02"]) == code
    out, _ = capsys.readouterr()
    assert ("bad luck" in out) is (code == 1)


def test_ctrl_c_prints_what_there_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: Path
) -> None:
    import os
    import signal

    class Interrupting(Toy):
        def at_quiescence(self, system: Any, history: Any) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(command, "ROWS", (Row("toy"), Row("toy")))
    monkeypatch.setattr(command, "find", lambda name, **options: Interrupting())
    assert main(["--seconds", "30", "--json", "table.json"]) == 2
    assert "no failure" in capsys.readouterr().out
    rows = json.loads((place / "table.json").read_text())["rows"]
    assert [row["ended"] for row in rows] == ["interrupted"]


def test_an_unknown_row_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "missing"])
    assert "no row has the target 'missing'" in capsys.readouterr().err


def test_every_row_can_be_made() -> None:
    from schedule_explorer.campaigns.stress import amplifiers
    from schedule_explorer.campaigns.stress.runs import check_fit
    from schedule_explorer.programs import parse

    for row in ROWS:
        target = find(row.target, **dict(row.options) | amplifiers.options(row.amplifiers))
        check_fit(target)
        if row.program:
            calls = set(target.alphabet.calls())
            program = parse(row.program)
            assert text(program) == row.program and {call for thread in program for call in thread} <= calls
