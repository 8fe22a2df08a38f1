"""Each section lays out what the real thing wrote, and is good only when that is as it should be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evidence import mutants, real_threads, repeating, verification, zoo
from evidence.plots import chances, dots
from evidence.summary import summary
from schedule_explorer.campaigns.stress import Figures
from stress.__main__ import Measured
from stress.rows import Row

VERDICT = {
    "verdict": "proved", "reason": "", "programs": 7, "proved": 7, "failed": 0, "unfinished": 0, "not_run": 0,
    "executions": 70, "blocked": 1, "histories": 80,
}  # fmt: skip
WHOLE, PART = verification.CAMPAIGNS[0], verification.CAMPAIGNS[-1]


def test_a_campaign_must_be_proved_where_all_of_it_is_to_be_explored() -> None:
    unfinished: dict[str, Any] = {**VERDICT, "verdict": "unfinished", "reason": "stopped", "unfinished": 1}
    assert verification.page([(WHOLE, VERDICT), (PART, unfinished)]).good
    assert not verification.page([(WHOLE, unfinished)]).good
    assert not verification.page([(PART, {**unfinished, "failed": 1})]).good
    assert "unfinished: stopped" in verification.page([(PART, unfinished)]).body


def test_a_section_of_verification_goes_on_where_it_was_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    calls = verification.Campaign("1 call", ("--threads", "1", "--calls", "1", "--ids", "x", "--keys", "0"))
    late = verification.Campaign("stopped", ("--threads", "2", "--calls", "2", "--time-limit", "0.01"))
    monkeypatch.setattr(verification, "WORK", work)
    monkeypatch.setattr(verification, "CAMPAIGNS", (calls, late))
    assert not verification.run().good
    assert len([path for path in work.rglob("*") if path.is_file()]) == 2
    capfd.readouterr()
    monkeypatch.setattr(verification, "CAMPAIGNS", (calls,))
    made = verification.run()
    assert "7 of them from the journal" in capfd.readouterr().err
    assert made.good and made.data["campaigns"][0]["proved"] == 7 and not list(work.iterdir())


def test_programs_of_scopes_that_overlap_are_not_added_up(tmp_path: Path) -> None:
    part = {**VERDICT, "verdict": "unfinished", "programs": 1000, "proved": 900, "unfinished": 100}
    other = {**VERDICT, "programs": 1652, "executions": 30}
    (tmp_path / "verification.json").write_text(json.dumps({"campaigns": [VERDICT, other, part]}))
    stated = summary(tmp_path)
    assert "7 and 1,652 client programs, all of 2 scopes, proved in 100 executions" in stated
    assert "of the 1,000 of another 900 proved, 100 stopped at a bound; 0 failed." in stated


def test_mutants_that_survive_are_told_with_the_reason() -> None:
    row: dict[str, Any] = {
        "mutant": "a", "file": "state.py", "caught": True, "stage": "verify", "program": "save(x, 0)",
        "oracle": "OrphanFileError", "programs": 1, "executions": 2, "survives": "", "test": "",
        "whole": True,
    }  # fmt: skip
    other = {**row, "mutant": "b", "caught": False, "survives": "equivalent"}
    made = mutants.page([row, other], [])
    assert made.good and "1 of 2 changes" in made.body and "equivalent" in made.body
    assert not mutants.page([row], ["a: survived"]).good


def bug(number: int, *, found: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    row = {"number": number, "name": "name", "guarantee": "G1", "left_by_fix": number == 2, "found": found}
    if found:
        row |= {"program": "save(x, 0)", "symptoms": ["G1"], "programs": 1, "executions": 3, "switches": 1}
    taken = dict.fromkeys(zoo.STRATEGIES, None if number == 2 else 4)
    return row, {**row, "program": "save(x, 0)", "executions": taken}


def test_every_bug_of_the_zoo_must_be_found() -> None:
    rows = [bug(1, found=True), bug(2, found=True)]
    made = zoo.page([row for row, _ in rows], [taken for _, taken in rows], 1, 10)
    assert made.good and "2 of 2 bugs" in made.body and "has the others as it is: 2." in made.body
    assert "| random | 1 | 4 | 2 |" in made.body
    rows[1] = bug(2, found=False)
    made = zoo.page([row for row, _ in rows], [taken for _, taken in rows], 1, 10)
    assert not made.good and "NOT FOUND" in made.body


def test_a_plot_is_the_same_text_each_time() -> None:
    series: dict[str, list[tuple[int, float | None]]] = {"random": [(1, 3.0), (2, None)], "pos": [(1, 5.0)]}
    plot = dots(series, "bug", "executions", 10)
    assert plot.startswith("<?xml") and "random" in plot
    assert plot == dots(series, "bug", "executions", 10)


def test_a_bound_is_drawn_where_it_is_not_above_the_limit() -> None:
    series: dict[str, list[tuple[int, float | None]]] = {"random": [(1, None)]}
    assert dots(series, "bug", "runs", 10) != dots(series, "bug", "runs", 10, {"random": [(1, 4)]})


def test_chances_are_plotted_for_what_was_met_and_what_was_not() -> None:
    plot = chances({"random": [3, None], "dpor": [None]}, {"real threads": 0.01}, "runs", "chance")
    assert all(name in plot for name in ("random", "dpor", "real threads", "chance"))


def test_exploring_against_repeating_is_laid_out() -> None:
    assert repeating.runs_for(0.5, 0.005) == 139 and repeating.runs_for(0.5, 0.75) == 1  # 0.995 ** 139 < 0.5
    _, taken = bug(1, found=True)
    plain = repeating.Repeated(1, (), False, 1000, 0, 10.0)
    harder = repeating.Repeated(1, repeating.AMPLIFIED, False, 200, 1, 10.0)
    draws: dict[str, list[int | None]] = {"random": [9, 3, None]}
    made = repeating.page([taken], [plain, harder], draws, 10)
    assert made.good and "met 0 of them, and 1 when pauses" in made.body
    # with no failure in 1,000 runs the rate is below 3 in 1,000, and the chances are even after 231 or more
    assert "| 4 | 1,000 | 0 | more than 231 | 200 | 1 | 139 |" in made.body
    assert "| random | 3 | 2 | 9 |  |" in made.body and "| real threads | 1,000 | 0 |  |  |" in made.body
    calm = repeating.page([taken], [replace(plain, failures=5), replace(harder, failures=0)], draws, 10)
    assert "met 1 of them, and 0 when pauses" in calm.body
    assert "1 were met in at least one of the two" in calm.body
    _, missed = bug(2, found=True)
    again = [replace(plain, number=2), replace(harder, number=2)]
    assert not repeating.page([missed], again, draws, 10).good


def test_what_needs_a_failing_disk_is_not_repeated() -> None:
    numbers = repeating.numbers_on_real_threads()
    assert repeating.RACE in numbers and 18 not in numbers


def test_rates_on_real_threads_are_laid_out() -> None:
    before = Figures("original_store_before_fix", runs=1000, failures=5, seconds=20.0)
    production = Figures("boundary_store", amplifiers=("gc",), runs=1000, seconds=20.0)
    rows = [
        Measured(Row("original_store_before_fix", program="save(x, 0)", fails=True), before).as_json(),
        Measured(Row("boundary_store"), production).as_json(),
    ]
    made = real_threads.stress_page({"rows": rows}, good=True)
    assert "| 1,000 | 5 | 0.5 | 0.21 | 1.2 | 50 | fails, as expected |" in made.body
    assert "| gc | 1,000 | 0 | 0 | 0 | 0.3 | 50 | no failure |" in made.body
    assert "one run of 200 fails" in made.body and "takes 598 runs" in made.body  # 1 - 0.995 ** 598 > 0.95
    assert "boundary_store" in made.plots["stress-rates.svg"]


@pytest.mark.parametrize("failures", [0, 1])
def test_many_runs_are_laid_out(failures: int) -> None:
    plain = Figures("boundary_store", programs=12, runs=40_000)
    gc = Figures("boundary_store", amplifiers=("gc",), programs=12, runs=60_000, failures=failures)
    made = real_threads.many_page({"loops": [plain.as_json(), gc.as_json()]})
    assert "100,000 runs of the production store on real threads" in made.body
    assert f"{failures} failed" in made.body and "| none | 12 | 40,000 | 0 | 0 | 0.0075 |" in made.body
    assert made.good == (not failures)


def test_a_soak_is_laid_out() -> None:
    trend = {"slope": 0.0, "growth": 5.0, "median": 100.0, "allowed": 10.0, "flat": True}
    found: dict[str, Any] = {
        "seconds": 120.0, "kills": 3, "failed": 7, "operations": 1000, "errors": ["wrong"], "left": [],
        "verdict": "failed", "trends": {"memory": trend}, "beside": True,
    }  # fmt: skip
    made = real_threads.soak_page(found, "<svg/>", good=False)
    assert "**failed**. It ran at low priority" in made.body and "* wrong" in made.body
    assert made.plots == {"soak.svg": "<svg/>"}
    assert "| memory | 100 | 5 | 10 | yes |" in made.body
