"""The command line: exit codes, what is printed, and a campaign that is killed and goes on."""

from __future__ import annotations

import html
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from schedule_explorer.cli import app, main
from schedule_explorer.cli_options import output

TOYS = Path(__file__).parent / "campaigns"
BODIES = '''
import subprocess, threading
from schedule_explorer import SharedVariable

def add(locked):
    counter, lock = SharedVariable(0), threading.Lock()
    def one():
        if locked:
            with lock:
                counter.store(counter.load() + 1)
        else:
            counter.store(counter.load() + 1)
    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert counter.load() == 2, "an update was lost"

def right():
    add(True)

def wrong():
    add(False)

class Group:
    @staticmethod
    def right():
        add(True)

def uncontrolled():
    subprocess.run(["true"])

def takes(argument):
    pass

NUMBER = 3
'''


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory, with bodies to explore and a package that brings targets."""
    (tmp_path / "bodies_here.py").write_text(BODIES)
    installed = tmp_path / "toys-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(
        "[schedule_explorer.targets]\n"
        "locked_cells = toys:locked\nracy_cells = toys:racy\nbroken = toys:nothing\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(TOYS))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("bodies_here", None)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


# -- explore and replay --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", ["bodies_here:right", "bodies_here.py::right", "bodies_here.py::Group.right"]
)
def test_explore_proves(capsys: pytest.CaptureFixture[str], body: str) -> None:
    code, out, _ = told(capsys, "explore", body)
    assert code == 0 and out.startswith("proved after 2 executions")


def test_explore_fails_and_replay_fails_the_same_way(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    code, out, _ = told(capsys, "explore", "bodies_here:wrong", "--json", "verdict.json")
    assert code == 1 and "AssertionError: an update was lost" in out
    verdict = json.loads((place / "verdict.json").read_text())
    assert verdict["verdict"] == "failed" and verdict["schedule"] in out
    code, again, _ = told(capsys, "replay", "bodies_here:wrong", verdict["schedule"])
    assert code == 1
    assert again.split("\nfailed after")[0] == out.split("\nfailed after")[0]


def test_the_first_schedule_is_shown_when_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    _, simple, _ = told(capsys, "explore", "bodies_here:wrong")
    _, first, _ = told(capsys, "explore", "bodies_here:wrong", "--simplify", "0")
    assert simple.count(" -- ") < first.count(" -- ")
    counts = [re.findall(r"^failed after .* executions \(.*\)", out, re.MULTILINE) for out in (simple, first)]
    assert counts[0] == counts[1] != []


def test_a_schedule_of_another_body_is_unfinished(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    told(capsys, "explore", "bodies_here:wrong", "--json", "verdict.json")
    token = json.loads((place / "verdict.json").read_text())["schedule"]
    code, out, _ = told(capsys, "replay", "bodies_here:right", token)
    assert code == 2 and "DivergenceError" in out


def test_explore_is_unfinished_within_a_limit(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capsys, "explore", "bodies_here:right", "--max-executions", "1")
    assert code == 2 and "unfinished after 1 executions" in out and "stopped after 1 executions" in out


def test_explore_with_another_strategy(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(
        capsys, "explore", "bodies_here:right", "--strategy", "pos", "--max-executions", "20", "--seed", "3"
    )
    assert code == 2 and "unfinished after 20 executions" in out


def test_what_is_uncontrolled_is_unfinished(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capsys, "explore", "bodies_here:uncontrolled")
    assert code == 2 and "Uncontrolled" in out


def test_one_program_on_a_target(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    program = ["--program", "swap(a) | swap(a)", "--keys", "a"]
    code, _, _ = told(capsys, "explore", "racy_cells", *program, "--json", "verdict.json")
    assert code == 1
    token = json.loads((place / "verdict.json").read_text())["schedule"]
    code, out, _ = told(capsys, "replay", "racy_cells", token, *program)
    assert code == 1 and "no order of these calls explains" in out
    code, _, _ = told(capsys, "explore", "locked_cells", *program)
    assert code == 0


# -- wrong usage -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["explore", "bodies_here"], "write MODULE:FUNCTION or path.py::function"),
        (["explore", "bodies_here:missing"], "bodies_here has no 'missing'"),
        (["explore", "missing_module:f"], "cannot be imported"),
        (["explore", "missing.py::f"], "is no Python file"),
        (["explore", "bodies_here:NUMBER"], "cannot be called"),
        (["explore", "bodies_here:takes"], "takes arguments (argument)"),
        (["explore", "locked_cells"], "locked_cells is a target: give --program"),
        (["explore", "locked_cells", "--program", "swap(a"], "column 7 of the program"),
        (["explore", "bodies_here:right", "--keys", "a"], "go with --program"),
        (["explore", "bodies_here:right", "--strategy", "luck"], "luck"),
        (["explore", "bodies_here:right", "--max-executions", "0"], "--max-executions"),
        (["explore", "bodies_here:right", "--time-limit", "0"], "--time-limit"),
        (["explore", "bodies_here:right", "--simplify", "-1"], "--simplify"),
        (["replay", "bodies_here:right", "nonsense"], "is not a schedule token"),
        (["verify", "nothing_known"], "known are boundary_store, broken, locked_cells, "),
        (["verify", "broken"], "cannot be loaded"),
        (["verify", "locked_cells", "--ids", "x"], "has no option 'ids': it takes keys"),
        (["verify", "locked_cells", "--keys", "a,("], "no list of words or numbers"),
        (["verify", "locked_cells", "--threads", "0"], "--threads"),
        (["verify", "locked_cells", "--processes", "-1"], "--processes"),
        (["verify", "locked_cells", "--program-time", "-1"], "--program-time"),
        (["hunt", "locked_cells", "--bug", "1"], "has no option 'bug': it takes keys"),
        (["hunt", "original_store", "--bug", "30"], "there is no bug '30'"),
        (["hunt", "locked_cells", "--strategy", "luck"], "luck"),
        (["hunt", "locked_cells", "--budget", "0"], "--budget"),
        (["explore", "bodies_here:right", "--bug", "1"], "go with --program"),
        (["prove"], "No such command"),
        (["verify"], "Missing argument"),
    ],
)
def test_wrong_usage_is_64(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    code, out, err = told(capsys, *arguments)
    assert code == 64 and out == ""
    assert said in re.sub(r"\s+", " ", err)


def test_no_color_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert not output().no_color
    monkeypatch.setenv("NO_COLOR", "1")
    assert output().no_color


@pytest.mark.parametrize(
    "command", [[], ["explore"], ["replay"], ["verify"], ["stress"], ["hunt"], ["report"]]
)
def test_help_has_examples(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0 and f"schedule-explorer {' '.join(command)}".strip() in result.output
    assert "Examples:" in result.output or "Example:" in result.output


# -- verify ----------------------------------------------------------------------------------------------


def verdict(place: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((place / "verdict.json").read_text())
    del found["timing"]
    return found


def test_verify_proves_and_goes_on_from_its_journal(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    command = ["verify", "locked_cells", "--calls", "1", "--processes", "1", "--json", "verdict.json"]
    code, out, err = told(capsys, *command)
    assert code == 0 and "proved: 9 of 9 programs, " in out and "\x1b" not in out + err
    first = verdict(place)
    assert (first["verdict"], first["proved"], first["threads"], first["calls"]) == ("proved", 9, 2, 1)
    code, out, _ = told(capsys, *command)
    assert code == 0 and "9 of them from the journal" in out and verdict(place) == first
    code, out, _ = told(capsys, *command, "--fresh")
    assert code == 0 and "journal" not in out and verdict(place) == first
    (file,) = (place / ".schedule_explorer").iterdir()
    assert file.name.startswith("verify-locked_cells-2x1-")


def test_verify_fails_with_the_story(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    code, out, _ = told(
        capsys, "verify", "racy_cells", "--calls", "1", "--processes", "1", "--json", "verdict.json"
    )
    assert code == 1 and "failed: swap(a) | swap(a)" in out and "no order of these calls explains" in out
    assert verdict(place)["failures"][0]["schedule"] in out.splitlines()


def test_verify_is_unfinished_within_a_limit(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(
        capsys, "verify", "locked_cells", "--calls", "1", "--processes", "1", "--program-executions", "1"
    )
    assert code == 2 and "unfinished" in out


def test_a_journal_of_another_scope_is_refused(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    command = ["verify", "locked_cells", "--threads", "1", "--processes", "1", "--journal", "kept.jsonl"]
    assert told(capsys, *command, "--calls", "1")[0] == 0
    before = (place / "kept.jsonl").read_bytes()
    for other in (["--calls", "2"], ["--calls", "1", "--keys", "a,b"], ["--calls", "1", "--total", "1"]):
        code, _, err = told(capsys, *command, *other)
        assert code == 64 and "journal of another campaign" in err
    assert (place / "kept.jsonl").read_bytes() == before


def test_a_journal_of_other_code_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["verify", "locked_cells", "--threads", "1", "--calls", "1", "--processes", "1"]
    assert told(capsys, *command, "--journal", "kept.jsonl")[0] == 0
    monkeypatch.setattr("schedule_explorer.cli.fingerprint", lambda target: "other")
    code, _, err = told(capsys, *command, "--journal", "kept.jsonl")
    assert code == 64 and "'other' here" in re.sub(r"\s+", " ", err)
    code, out, _ = told(capsys, *command)
    assert code == 0 and "journal" not in out, "where nobody says which journal, another one is begun"


COMMAND = ["verify", "locked_cells", "--calls", "2", "--processes", "2", "--journal", "kept.jsonl"]


def begun(place: Path, lines: int) -> subprocess.Popen[bytes]:
    """Begin a campaign in a process of its own, and return when its journal has so many lines."""
    path = os.pathsep.join([str(place), str(TOYS)])
    process = subprocess.Popen(
        [sys.executable, "-m", "schedule_explorer", *COMMAND], cwd=place,
        env={**os.environ, "PYTHONPATH": path, "NO_COLOR": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    journal = place / "kept.jsonl"
    until = time.monotonic() + 90
    while not journal.exists() or len(journal.read_bytes().splitlines()) < lines:
        assert time.monotonic() < until and process.poll() is None, "the campaign does not go on"
        time.sleep(0.01)
    return process


def alive(session: int) -> list[int]:
    """Return the processes of a session that have not ended."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, _, own = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            except OSError:
                continue
            if int(own) == session and state != "Z":
                found.append(int(entry.name))
    return found


def all_end(session: int) -> None:
    """Wait until no process of a session is left; workers that outlive their campaign would stay for ever."""
    until = time.monotonic() + 20
    while left := alive(session):
        assert time.monotonic() < until, f"processes outlive the campaign: {left}"
        time.sleep(0.05)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="processes are looked up in /proc")
def test_a_campaign_that_is_killed_goes_on(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    process = begun(place, 20)
    process.kill()
    process.wait()
    all_end(process.pid)
    code, out, _ = told(capsys, *COMMAND, "--json", "verdict.json")
    assert code == 0 and "of them from the journal" in out
    again = verdict(place)
    told(capsys, *COMMAND, "--json", "verdict.json", "--fresh", "--processes", "1")
    assert verdict(place) == again and again["programs"] == again["proved"] > 50


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="processes are looked up in /proc")
def test_ctrl_c_prints_the_figures_so_far(place: Path) -> None:
    process = begun(place, 20)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to the workers too
    out = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 2, out
    assert "unfinished: " in out and "interrupted; " in out and "Traceback" not in out
    assert "the same command goes on from kept.jsonl" in out
    all_end(process.pid)


# -- hunt ------------------------------------------------------------------------------------------------


def test_hunt_finds_the_smallest_program_and_replay_takes_it(
    capsys: pytest.CaptureFixture[str], place: Path
) -> None:
    code, out, _ = told(capsys, "hunt", "racy_cells", "--json", "found.json")
    assert code == 1 and "no order of these calls explains" in out
    found = json.loads((place / "found.json").read_text())
    assert out.splitlines()[-2:] == [found["schedule"], found["program"]] == [
        found["schedule"], "swap(a) | swap(a)"
    ]  # fmt: skip
    code, again, _ = told(
        capsys, "replay", "racy_cells", found["schedule"], "--program", found["program"]
    )
    assert code == 1 and again.startswith(found["explanation"])


@pytest.mark.parametrize("bound", [["--programs", "3"], ["--budget", "3"], ["--threads", "1"], []])
def test_hunt_without_a_failure_proves_nothing(
    capsys: pytest.CaptureFixture[str], place: Path, bound: list[str]
) -> None:
    target = "racy_cells" if bound else "locked_cells"
    code, out, _ = told(capsys, "hunt", target, "--calls", "2", *bound, "--json", "found.json")
    assert code == 2 and "proves nothing" in out
    assert json.loads((place / "found.json").read_text())["verdict"] == "unfinished"


@pytest.mark.parametrize("bug", ["12", "re-save loses the second"])
def test_hunt_knows_the_bugs_of_a_target(
    capsys: pytest.CaptureFixture[str], place: Path, bug: str
) -> None:
    code, out, _ = told(
        capsys, "hunt", "original_store", "--bug", bug, "--strategy", "pos", "--seed", "1",
        "--json", "found.json",
    )  # fmt: skip
    assert code == 1 and out.splitlines()[-1] == "save(x, 0) save(x, 0)"
    found = json.loads((place / "found.json").read_text())
    assert found["symptoms"] == ["G4 older value"]
    code, again, _ = told(
        capsys, "replay", "original_store", found["schedule"], "--bug", bug, "--program", found["program"]
    )
    assert code == 1 and "G4 older value" in again


# -- pages -----------------------------------------------------------------------------------------------


def test_a_failure_as_a_page_names_the_command_that_replays_it(
    capsys: pytest.CaptureFixture[str], place: Path
) -> None:
    program = ["--program", "swap(a) | swap(a)", "--keys", "a"]
    code, _, _ = told(capsys, "explore", "racy_cells", *program, "--html", "one.html")
    assert code == 1
    page = html.unescape((place / "one.html").read_text())
    [command] = re.findall(r'<pre id="command">(.*)</pre>', page)
    arguments = shlex.split(command)
    assert arguments[:3] == ["schedule-explorer", "replay", "racy_cells"] and arguments[4:] == program
    code, out, _ = told(capsys, *arguments[1:], "--html", "two.html")
    assert code == 1 and arguments[3] in out
    assert html.unescape((place / "two.html").read_text()) == page
    assert sorted(path.name for path in place.glob("*.html*")) == ["one.html", "two.html"]


def test_what_does_not_fail_has_no_page(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    code, _, err = told(capsys, "explore", "bodies_here:right", "--html", "page.html")
    assert code == 0 and "nothing failed: page.html was not written" in err
    assert not (place / "page.html").exists()


def test_campaigns_as_a_page(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    command = ["verify", "racy_cells", "--calls", "1", "--processes", "1", "--json", "v.json"]
    assert told(capsys, *command, "--html", "v.html")[0] == 1
    assert told(capsys, "hunt", "racy_cells", "--json", "h.json", "--html", "h.html")[0] == 1
    code, out, _ = told(capsys, "report", "v.json", "h.json", "--html", "all.html")
    assert code == 0 and out == "all.html: 2 campaigns\n"
    pages = {name: (place / f"{name}.html").read_text() for name in ("v", "h", "all")}
    for part in ("swap(a) | swap(a)", "Executions to the first failure", "racy_cells"):
        assert all(part in page for page in pages.values()), part
    assert "Coverage of programs" in pages["v"] and "Coverage of programs" not in pages["h"]
    assert "2 campaigns" in pages["all"]


def test_a_report_of_something_else_is_wrong_usage(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    (place / "no.json").write_text("{")
    (place / "other.json").write_text('{"verdict": "proved"}')
    for name, said in (("no", "no.json cannot be read as JSON"), ("other", "other.json is not what"),
                       ("missing", "does not exist")):
        code, _, err = told(capsys, "report", f"{name}.json", "--html", "page.html")
        assert code == 64 and said in re.sub(r"\s+", " ", err)
    code, _, err = told(capsys, "explore", "bodies_here:wrong", "--html", "no/page.html")
    assert code == 64 and "no/page.html cannot be written" in err
