"""Drawn programs: within their bounds, shrunk to the smallest that fails, replayable as printed."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "campaigns"))

from toys import locked, racy

from schedule_explorer import Verdict, replay
from schedule_explorer.programs import Program, client_body, parse
from schedule_explorer.programs.drawn import ProgramFailedError, assert_holds, drawn_programs
from schedule_explorer.targets.boundary_store import target as boundary_store

pytestmark = pytest.mark.usefixtures("interposed_once")


@settings(max_examples=300)
@given(data=st.data(), threads=st.integers(1, 4), calls=st.integers(1, 4), total=st.integers(1, 6))
def test_programs_are_within_their_bounds(data: st.DataObject, threads: int, calls: int, total: int) -> None:
    program = data.draw(drawn_programs(locked().alphabet, threads, calls, total))
    assert 1 <= len(program) <= threads and all(1 <= len(thread) <= calls for thread in program)
    assert sum(map(len, program)) <= total
    assert {call for thread in program for call in thread} <= set(locked().alphabet.calls())


@pytest.mark.parametrize("strategy", ["optimal-dpor", "pos"])
def test_the_smallest_failing_program_is_shown(strategy: str) -> None:
    @settings(
        max_examples=60, database=None, deadline=None, derandomize=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    )  # fmt: skip
    @given(drawn_programs(racy(("a", "b")).alphabet, 3, 3))
    def holds(program: Program) -> None:
        assert_holds(racy(("a", "b")), program, strategy, max_executions=60)

    with pytest.raises(ProgramFailedError) as raised:
        holds()
    told = str(raised.value)
    line = told.splitlines()[0]
    # two threads, one call each, on one cell: nothing smaller can race
    assert line in ("swap(a) | swap(a)", "swap(a) | put(a)", "put(a) | swap(a)")
    words = shlex.split(told.rpartition("replay it with: ")[2])
    assert words[:3] == ["schedule-explorer", "replay", "racy_cells"] and words[5] == line
    again = replay(client_body(racy(("a", "b")), parse(words[5])), words[3])
    assert again.verdict is Verdict.FAILED


def test_what_holds_is_proved_or_unfinished() -> None:
    assert assert_holds(locked(), parse("swap(a) | swap(a)")).verdict is Verdict.PROVED
    assert assert_holds(locked(), parse("swap(a) | swap(a)"), "pos", max_executions=5).executions == 5


@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(drawn_programs(boundary_store().alphabet, 3, 4))
def test_the_production_store_beyond_the_bound(program: Program) -> None:
    assert_holds(boundary_store(), program, "pos", max_executions=8)


def test_bounds_are_checked() -> None:
    with pytest.raises(ValueError, match="calls is 0"):
        drawn_programs(locked().alphabet, calls=0)


