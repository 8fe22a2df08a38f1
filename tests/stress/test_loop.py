"""The loop: what it counts, when it ends, what it covers and what it writes."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest
from rich.console import Console
from stress_toys import ONE, Flaky, Toy

from schedule_explorer.campaigns.stress import Programs, Stress, StressProgress, progress, scope, stress
from schedule_explorer.oracles import Recorded
from schedule_explorer.programs import Alphabet, Method, parse


def test_a_known_rate_is_counted_exactly() -> None:
    figures = stress(Flaky(0.2, seed=7), Programs(ONE), Stress(runs=300))
    random = Random(7)
    expected = sum(random.random() < 0.2 for _ in range(300))
    assert (figures.runs, figures.failures, figures.ended) == (300, expected, "runs")
    assert figures.symptoms == Counter({"AssertionError": expected})
    low, high = figures.interval
    assert low < 0.2 < high and figures.rate == expected / 300
    assert figures.first == "touch(a) touch(b)\nAssertionError: bad luck"


def test_until_failure() -> None:
    toy = Flaky(0.1, seed=3)
    figures = stress(toy, Programs(ONE), Stress(runs=None, until_failure=True))
    random = Random(3)
    first = next(number for number in range(1, 1000) if random.random() < 0.1)
    assert (figures.runs, figures.failures, figures.ended) == (first, 1, "failure") and first > 1


def test_the_time_limit() -> None:
    figures = stress(Toy(), Programs(ONE), Stress(runs=None, seconds=0.05))
    assert figures.ended == "time" and figures.runs >= 1


def test_ctrl_c_ends_with_the_figures_so_far() -> None:
    class Interrupting(Toy):
        def at_quiescence(self, system: Any, history: Any) -> None:
            if self.made == 5:
                os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    figures = stress(Interrupting(), Programs(ONE), Stress(runs=10_000))
    assert (figures.runs, figures.failures, figures.ended) == (5, 0, "interrupted")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_hang_ends_the_loop(tmp_path: Path) -> None:
    go = threading.Event()

    class Hanging(Toy):
        def perform(self, system: Any, recorded: Recorded) -> Any:
            if self.made == 3:
                go.wait()

    how = Stress(runs=100, timeout=1.0, files=tmp_path)
    figures = stress(Hanging(), Programs(ONE), how)
    go.set()
    assert (figures.runs, figures.failures, figures.ended) == (3, 1, "hang")
    assert "go.wait()" in figures.first and "client-0" in figures.first
    assert "go.wait()" in Path(figures.files[0]).read_text()


def test_every_program_of_the_scope_is_run_once_before_any_is_run_again() -> None:
    programs, alphabet = Programs(threads=2, calls=2), Toy().alphabet
    possible = programs.possible(alphabet)
    figures = stress(Toy(), programs, Stress(runs=possible))
    assert figures.programs == figures.possible == possible >= 50
    first, second = (list(islice(programs.order(alphabet, Random(seed)), possible)) for seed in (1, 2))
    assert first != second and set(first) == set(second) and len(set(first)) == possible
    assert first == list(islice(programs.order(alphabet, Random(1)), possible))


def test_of_a_larger_scope_programs_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    programs, alphabet = Programs(threads=2, calls=2), Toy().alphabet
    every = set(islice(programs.order(alphabet, Random(1)), programs.possible(alphabet)))
    monkeypatch.setattr(scope, "MOST", 10)
    drawn = set(islice(programs.order(alphabet, Random(1)), 5000))
    assert drawn == every, "all of the scope, and nothing else"


def test_files_about_failures_are_few_and_whole(tmp_path: Path) -> None:
    how = Stress(runs=30, seed=4, files=tmp_path / "new", most_files=3)
    figures = stress(Flaky(1.0), Programs(ONE), how, name="flaky", options={"rate": 1.0})
    assert figures.failures == 30 and len(figures.files) == 3
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "flaky-4-0.json", "flaky-4-1.json", "flaky-4-2.json",
    ]  # fmt: skip
    found = json.loads(Path(figures.files[1]).read_text())
    assert (found["target"], found["options"], found["run"]) == ("flaky", {"rate": 1.0}, 1)
    assert [(call["call"], call["began"], call["returned"]) for call in found["history"]] == [
        ("touch(a)", 0, 1), ("touch(b)", 2, 3),
    ]  # fmt: skip


def test_nothing_is_left(tmp_path: Path) -> None:
    """No directory, though a run left files; and no thread."""

    class Writing(Toy):
        def perform(self, system: Any, recorded: Recorded) -> Any:
            (self.root / "deep").mkdir(exist_ok=True)
            (self.root / "deep" / "file").touch()
            assert self.root.is_relative_to(tmp_path)

    before = threading.enumerate()
    figures = stress(Writing(), Programs(ONE), Stress(runs=5, directory=tmp_path))
    assert figures.failures == 0 and list(tmp_path.iterdir()) == [] and threading.enumerate() == before


def test_the_json_has_what_is_documented() -> None:
    figures = stress(Toy(), Programs(parse("touch(a) | end()")), Stress(runs=2, amplifiers=("switch",)))
    found = json.loads(json.dumps(figures.as_json()))
    assert found.pop("timing").keys() == {"seconds", "per_second"}
    assert found == {
        "target": "toy", "options": {}, "amplifiers": ["switch"], "seed": 0, "scope": "touch(a) | end()",
        "possible": 1, "programs": 1, "runs": 2, "failures": 0, "rate": 0.0, "low": 0.0, "high": 1.0,
        "symptoms": {}, "files": [], "ended": "runs", "first": "",
    }  # fmt: skip


@pytest.mark.parametrize("terminal", [False, True])
def test_progress(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PLAIN_SECONDS", 0.0)
    monkeypatch.setattr(progress, "_LIVE_SECONDS", 0.0)
    with open(os.devnull, "w") as nothing:
        console = Console(file=nothing, force_terminal=terminal, record=True, width=200)
        stress(Toy(), Programs(ONE), Stress(runs=5), progress=StressProgress(console))
        told = console.export_text()
    if not terminal:
        assert "toy: 4 runs, 0 failed: 0 % (0 % to 75 %), " in told and " left" in told


def test_bounds_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="threads is 0"):
        stress(Toy(), Programs(threads=0), Stress(runs=1))
    assert Programs().possible(Alphabet((Method("end"),))) == 5  # lengths 1, 2, 1+1, 2+1, 2+2
