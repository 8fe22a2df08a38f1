"""A failed run as a file, and as a schedule: `stress` writes it, `hunt --from` finds it in the explorer."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stress_toys import TWO

from schedule_explorer import replay
from schedule_explorer.campaigns.hunt import Hunt, hunt
from schedule_explorer.campaigns.stress import Run, Symptom
from schedule_explorer.campaigns.stress.failures import FailureFileError, read, write
from schedule_explorer.cli import main
from schedule_explorer.oracles import History
from schedule_explorer.programs import client_body, find


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty directory, and a package that brings the toys as targets."""
    installed = tmp_path / "packages" / "stress_toys-1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: stress-toys\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(
        "[schedule_explorer.targets]\nracy_counter = stress_toys:racy\nright_counter = stress_toys:right\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("stress_toys", None)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


def written(directory: Path, **changes: Any) -> Path:
    run = Run(History(), [Symptom("G1 orphan file", "left"), Symptom("leak", "a thread")])
    run.history.end(run.history.begin(0, TWO[0][0], 1), None)
    run.history.begin(1, TWO[1][0], 2)
    path = write(
        directory, run, TWO, 17, target="toy", options={"keys": (0, 1)}, seed=3, amplifiers=("switch",)
    )
    if changes:
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return path


def test_what_is_written_is_read(place: Path) -> None:
    path = written(place / "new")
    assert path == place / "new" / "toy-3-17.json" and list(path.parent.iterdir()) == [path]
    found = read(path)
    assert (found.target, found.options, found.program) == ("toy", {"keys": (0, 1)}, TWO)
    assert found.symptoms == {"G1 orphan file", "leak"}
    history = json.loads(path.read_text())["history"]
    assert [(call["thread"], call["began"], call["returned"], call["result"]) for call in history] == [
        (0, 0, 1, "None"), (1, 2, None, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stress_failure": 2}, "has version 2, and this release reads 1"),
        ({"program": "touch("}, "is damaged: ValueError: column 7"),
        ({"symptoms": None}, "is damaged: TypeError"),
        ({"options": 3}, "is damaged: AttributeError"),
    ],
)
def test_a_wrong_file_is_refused(place: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(FailureFileError, match=said):
        read(written(place, **changes))


def test_what_is_no_such_file_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "list.json").write_text("[]")
    (place / "text.json").write_text("hello")
    for name, said in (
        ("list.json", "is not about a failed run"), ("text.json", "is damaged"),
        ("missing.json", "cannot be read: No such file"), (".", "cannot be read: Is a directory"),
    ):  # fmt: skip
        code, out, err = told(capsys, "hunt", "--from", name)
        assert code == 64 and out == "" and said in re.sub(r"\s+", " ", err)


# -- the command line ------------------------------------------------------------------------------------


def test_from_real_threads_to_a_schedule(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    """A lost update under amplifiers; then the program and the schedule in which it is always lost."""
    code, out, err = told(
        capsys, "stress", "racy_counter", "--amplify", "switch,yields", "--until-failure", "--threads", "3",
        "--calls", "1", "--json", "figures.json",
    )  # fmt: skip
    assert code == 1 and "ended by the first failure" in out and "the first failure: add()" in out, err
    figures = json.loads((place / "figures.json").read_text())
    assert figures["failures"] == 1 and figures["ended"] == "failure"
    (file,) = figures["files"]
    assert f"hunt --from {file}" in out and file.startswith(".schedule_explorer/stress/racy_counter-0-")
    code, out, _ = told(capsys, "hunt", "--from", file, "--json", "hunted.json")
    hunted = json.loads((place / "hunted.json").read_text())
    assert code == 1 and hunted["program"] == "add() | add()" and hunted["target"] == "racy_counter"
    assert hunted["symptoms"] == list(figures["symptoms"]) == ["AssertionError"]
    token = hunted["schedule"]
    code, out, _ = told(capsys, "replay", "racy_counter", token, "--program", hunted["program"])
    assert code == 1 and token in out


def test_without_a_failure_nothing_is_proved(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    code, out, _ = told(
        capsys, "stress", "right_counter", "--runs", "20", "--amplify", "switch,yields", "--seed", "5"
    )
    assert code == 2 and "20 runs, 0 failed: 0 % (0 % to 15 %)" in out and not (
        place / ".schedule_explorer"
    ).exists()


def test_the_race_of_the_original_store_as_a_schedule(place: Path) -> None:
    found = read(written(
        place, target="original_store_before_fix", options={"arrays": True}, symptoms=["G1 orphan file"],
        program="save(x, 0) cleanup_all()",
    ))  # fmt: skip
    target = find(found.target, **found.options)
    hunted = hunt(target, Hunt(wanted=found.symptoms, executions=60, shrinking=30), only=found.program)
    assert hunted is not None and (hunted.first, hunted.programs) == (found.program, 1)
    for _ in range(2):
        failure = replay(client_body(target, hunted.program), hunted.schedule).failure
        assert failure is not None and "G1 orphan file" in str(failure.error)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["stress", "right_counter", "--amplify", "luck"], "there is no amplifier 'luck'"),
        (["stress", "right_counter", "--amplify", "full-queue"], "has no option 'queue_size'"),
        (["stress", "right_counter", "--arrays"], "has no option 'arrays'"),
        (["stress", "right_counter", "--program", "add("], "column 5 of the program"),
        (["stress", "right_counter", "--runs", "0"], "--runs"),
        (["stress", "right_counter", "--directory", "missing"], "--directory"),
        (["stress", "original_store", "--bug", "3"], "needs the explorer: its disk fails"),
        (["stress", "nothing_known"], "there is no target 'nothing_known'"),
        (["stress"], "Missing argument"),
        (["hunt"], "name a target, or give --from FILE"),
        (["hunt", "right_counter", "--from", "x.json"], "--from brings the target"),
        (["hunt", "--programs", "3", "--from", "x.json"], "--from brings the target"),
    ],
)
def test_wrong_usage_is_64(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    code, out, err = told(capsys, *arguments)
    assert code == 64 and out == ""
    assert said in re.sub(r"\s+", " ", err)


def test_the_scope_is_that_of_verify(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    told(
        capsys, "stress", "right_counter", "--threads", "2", "--calls", "2", "--total", "3", "--runs", "8",
        "--json", "figures.json",
    )  # fmt: skip
    figures = json.loads((place / "figures.json").read_text())
    assert figures["possible"] == figures["programs"] == 4  # lengths 1, 2, 1+1, 2+1
