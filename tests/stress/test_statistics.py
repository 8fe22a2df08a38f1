"""Intervals against published values."""

from __future__ import annotations

import pytest

from schedule_explorer.campaigns.stress.statistics import interval, percent


@pytest.mark.parametrize(
    ("failures", "runs", "low", "high"),
    [
        # R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine
        # 17 (1998), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
    ],
)
def test_wilson(failures: int, runs: int, low: float, high: float) -> None:
    assert interval(failures, runs) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_rule_of_three() -> None:
    # Hanley and Lippman-Hand: 0 of 14 patients, "as high as 21 %"
    assert interval(0, 14) == (0.0, pytest.approx(3 / 14))
    assert interval(0, 100_000) == (0.0, pytest.approx(3e-5))
    assert interval(0, 2) == (0.0, 1.0)


def test_the_rate_is_within_and_more_runs_narrow_it() -> None:
    for failures, runs in [(1, 1), (1, 2), (3, 1000), (500, 1000), (999, 1000)]:
        low, high = interval(failures, runs)
        assert 0 < low < failures / runs <= high <= 1
        wider = high - low
        low, high = interval(10 * failures, 10 * runs)
        assert high - low < wider


def test_without_runs_nothing_is_known() -> None:
    assert interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("failures", "runs"), [(2, 1), (-1, 1), (1, 0)])
def test_what_are_no_counts_is_refused(failures: int, runs: int) -> None:
    with pytest.raises(ValueError, match=f"{failures} failures of {runs} runs"):
        interval(failures, runs)


def test_percent() -> None:
    assert [percent(rate) for rate in (0, 0.000028, 0.0052, 0.0999, 0.125, 1)] == [
        "0 %", "0.0028 %", "0.52 %", "10 %", "12 %", "100 %",
    ]  # fmt: skip
