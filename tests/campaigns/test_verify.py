"""Campaigns: the verdict, and that it is the same on every way to it."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from toys import CellsTarget, locked, racy

from schedule_explorer import replay
from schedule_explorer.campaigns import InProcess, Journal, Limits, ProcessPool, Report, Scope, verify
from schedule_explorer.campaigns import work as work_module
from schedule_explorer.campaigns.work import run_program
from schedule_explorer.programs import client_body, find, parse, programs, text
from schedule_explorer.results import Verdict
from schedule_explorer.targets.boundary_store import target as boundary_store

HEAD = {"target": "cells", "code": "0"}


def lasting(report: Report) -> dict[str, Any]:
    """Return what must be the same on every run."""
    told = report.as_json()
    del told["timing"]
    return told


def run(factory: Callable[[], CellsTarget], scope: Scope, **more: Any) -> Report:
    return verify(factory, scope, InProcess(), **more)


# -- the verdict ---------------------------------------------------------------------------------------


def test_proved_when_every_program_is() -> None:
    report = run(locked, Scope(2, 1))
    assert report.verdict is Verdict.PROVED and report.reason == ""
    # get, swap, put alone; and six pairs of them
    assert (report.total.programs, report.total.proved) == (9, 9)
    assert report.total.executions >= 9 and report.total.histories >= report.total.executions


def test_executions_add_up_to_those_of_each_program() -> None:
    target = locked()
    outcomes = [run_program(target, program, Limits()) for program in programs(target.alphabet, 2, 1)]
    total = run(locked, Scope(2, 1)).total
    assert total.executions == sum(o.executions for o in outcomes if o)
    assert total.histories == sum(o.histories for o in outcomes if o)


def test_a_bug_fails_with_a_token_that_replays() -> None:
    report = run(racy, Scope(2, 1))
    assert report.verdict is Verdict.FAILED
    (failure,) = report.failures
    assert failure.program == "swap(a) | swap(a)" and failure.program in report.reason
    assert "no order of these calls explains" in failure.explanation
    again = replay(client_body(racy(), parse(failure.program)), failure.schedule)
    assert again.verdict is Verdict.FAILED
    # the programs after it were not run
    assert report.total.left and "first program that failed" in report.reason


def test_keep_going_finds_every_failing_program() -> None:
    report = run(racy, Scope(2, 1), keep_going=True)
    assert [failure.program for failure in report.failures] == ["swap(a) | swap(a)", "swap(a) | put(a)"]
    assert report.total.left == 0 and report.total.failed == 2


def test_a_program_out_of_budget_leaves_the_campaign_unfinished() -> None:
    report = run(locked, Scope(2, 1), limits=Limits(executions=1))
    assert report.verdict is Verdict.UNFINISHED
    assert report.unfinished and "stopped after 1 executions" in report.reason
    assert report.total.left == 0


def test_a_campaign_out_of_time_is_unfinished() -> None:
    report = run(locked, Scope(2, 3), time_limit=0.3)
    assert report.verdict is Verdict.UNFINISHED
    assert "stopped after 0.3 s" in report.reason and report.total.left
    assert not report.unfinished, "a program cut off by the end of the time has no outcome"


def test_a_worker_that_is_told_to_stop_claims_nothing() -> None:
    flag = work_module.PlainFlag()
    flag.set()
    work_module.heed(flag)
    try:
        assert run_program(locked(), parse("swap(a) | swap(a)"), Limits()) is None
    finally:
        work_module.heed(work_module.PlainFlag())


def test_a_stop_in_the_middle_of_a_program_claims_nothing() -> None:
    class Later(work_module.PlainFlag):
        asked = 0

        def is_set(self) -> bool:
            self.asked += 1
            return self.asked > 2

    work_module.heed(Later())
    try:
        assert run_program(locked(), parse("swap(a) swap(a) | swap(a) swap(a)"), Limits()) is None
    finally:
        work_module.heed(work_module.PlainFlag())


def test_total_bounds_the_calls_of_all_threads() -> None:
    assert set(run(locked, Scope(2, 2, 2)).sizes) == {(1,), (2,), (1, 1)}


@pytest.mark.parametrize("scope", [Scope(0, 1), Scope(1, 0), Scope(1, 1, 0)])
def test_bounds_are_checked(scope: Scope) -> None:
    with pytest.raises(ValueError, match="give 1 or more"):
        run(locked, scope)


# -- one report, whatever ran it -------------------------------------------------------------------------


class Backwards(Executor):
    """Runs a chunk only when its result is asked for, the last one handed out first."""

    def __init__(self) -> None:
        self.work: list[tuple[Future[Any], Any, Any]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.work.append((future, fn, args))
        return future

    def run_one(self) -> None:
        future, fn, args = self.work.pop()
        future.set_result(fn(*args))


@pytest.fixture
def backwards(monkeypatch: pytest.MonkeyPatch) -> Iterator[Backwards]:
    executor = Backwards()

    def wait(running: Any, **more: Any) -> Any:
        if executor.work:
            executor.run_one()
        return {future for future in running if future.done()}, set()

    monkeypatch.setattr("schedule_explorer.campaigns.campaign.wait", wait)
    monkeypatch.setattr("schedule_explorer.campaigns.campaign._CHUNK", 2)
    yield executor


@pytest.mark.parametrize("factory", [locked, racy])
def test_the_order_in_which_chunks_end_does_not_matter(
    factory: Callable[[], CellsTarget], backwards: Backwards
) -> None:
    found = verify(factory, Scope(2, 1), backwards, processes=3)
    assert lasting(found) == lasting(run(factory, Scope(2, 1)))


@pytest.mark.parametrize("factory", [locked, racy])
def test_one_and_two_processes_report_the_same(factory: Callable[[], CellsTarget]) -> None:
    told = []
    for processes in (1, 2):
        with ProcessPool(processes) as pool:
            report = verify(
                factory, Scope(2, 2), pool.executor, processes=processes, stop=pool.stop, keep_going=True
            )
        told.append(lasting(report))
    assert told[0] == told[1]
    assert told[0]["not_run"] == 0


def test_a_chunk_that_takes_long_is_handed_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("schedule_explorer.campaigns.work.CHUNK_SECONDS", 0.0)
    assert lasting(run(locked, Scope(2, 1))) == lasting(run(locked, Scope(2, 1)))
    assert run(locked, Scope(2, 1)).verdict is Verdict.PROVED


def test_a_worker_that_dies_leaves_the_campaign_unfinished() -> None:
    with ProcessPool(1) as pool:
        report = verify(_dying, Scope(1, 1), pool.executor, stop=pool.stop)
    assert report.verdict is Verdict.UNFINISHED
    assert "a worker process died" in report.reason and report.total.proved == 0


def _dying() -> CellsTarget:
    """Make a target in this process, and end a worker's."""
    if multiprocessing.parent_process() is not None:
        os._exit(3)
    return locked()


# -- the journal ------------------------------------------------------------------------------------------


def test_a_campaign_goes_on_from_its_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "journal.jsonl"
    with Journal(file, HEAD, Limits()) as journal:
        whole = run(locked, Scope(2, 1), journal=journal)
    lines = file.read_bytes().splitlines(keepends=True)
    assert len(lines) == 1 + 9
    file.write_bytes(b"".join(lines[:5]) + lines[5][:-9])  # the last line is torn
    ran = []
    inner = work_module.run_program

    def noted(target: Any, program: Any, *more: Any) -> Any:
        ran.append(text(program))
        return inner(target, program, *more)

    monkeypatch.setattr(work_module, "run_program", noted)
    with Journal(file, HEAD, Limits()) as journal:
        again = run(locked, Scope(2, 1), journal=journal)
    assert lasting(again) == lasting(whole)
    assert again.known == 4 and len(ran) == 5
    assert len(file.read_bytes().splitlines()) == 1 + 9


def test_an_unfinished_outcome_is_not_kept_for_larger_limits(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    with Journal(file, HEAD, Limits(executions=2)) as journal:
        assert run(locked, Scope(2, 1), journal=journal, limits=Limits(executions=2)).unfinished
    with Journal(file, HEAD, Limits(executions=2)) as journal:
        assert len(journal.known) == 9
    with Journal(file, HEAD, Limits()) as journal:
        report = run(locked, Scope(2, 1), journal=journal)
    assert report.verdict is Verdict.PROVED and 0 < report.known < 9


def test_ctrl_c_keeps_what_is_established(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("schedule_explorer.campaigns.campaign._CHUNK", 1)
    file = tmp_path / "journal.jsonl"
    inner = work_module.run_program

    def interrupted(target: Any, program: Any, *more: Any) -> Any:
        outcome = inner(target, program, *more)
        if outcome is not None and outcome.program == "get(a) | swap(a)":
            signal.raise_signal(signal.SIGINT)
        return outcome

    monkeypatch.setattr(work_module, "run_program", interrupted)
    executor = InProcess()
    with Journal(file, HEAD, Limits()) as journal:
        report = verify(locked, Scope(2, 1), executor, stop=executor.stop, journal=journal)
    assert report.verdict is Verdict.UNFINISHED and report.reason.startswith("interrupted")
    assert report.total.proved == 5 and len(file.read_bytes().splitlines()) == 1 + 5


# -- the production store ---------------------------------------------------------------------------------


def test_the_production_store_on_a_scope_of_one_call_each() -> None:
    report = run(partial(boundary_store, ("x",), (0,)), Scope(2, 1, 2))  # type: ignore[arg-type]
    assert report.verdict is Verdict.PROVED
    # save, load, has, cleanup_request, cleanup_all and two shutdowns alone; and their pairs
    assert report.total.proved == 7 + 28


def test_the_production_store_is_found_by_its_name() -> None:
    assert find("boundary_store").name == "boundary_store"
