"""The time left: exact where sizes are known, carried on where they are not."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from schedule_explorer.campaigns import Outcome
from schedule_explorer.campaigns.estimate import Estimate
from schedule_explorer.campaigns.progress import CampaignProgress, duration


def test_nothing_is_known_at_first() -> None:
    assert Estimate({(1,): 3}).left() is None


def test_sizes_that_were_met_count_by_their_mean() -> None:
    estimate = Estimate({(1,): 3, (2,): 2})
    for lengths, seconds in (((1,), 1.0), ((1,), 3.0), ((2,), 10.0)):
        estimate.add(lengths, seconds)
    assert estimate.left() == 1 * 2.0 + 1 * 10.0


def test_sizes_that_were_not_met_grow_as_the_last_ones_did() -> None:
    estimate = Estimate({(1,): 1, (2,): 1, (3,): 5})
    estimate.add((1,), 1.0)
    estimate.add((2,), 4.0)
    assert estimate.left() == 5 * 16.0


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0 s"), (89, "89 s"), (90, "2 min"), (12_000, "3 h 20 min")]
)
def test_durations(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def test_plain_lines_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("schedule_explorer.campaigns.progress.PLAIN_SECONDS", 0.0)
    out = io.StringIO()
    with CampaignProgress(Console(file=out, width=100), 2) as progress:
        progress.begin({(1,): 3})
        progress.advance((1,), Outcome("get(a)", "proved", executions=7, seconds=4.0), known=False)
    (line,) = out.getvalue().splitlines()
    assert line.startswith("1 of 3 programs, 7 executions, ") and line.endswith("about 4 s left")
    assert "\x1b" not in line


def test_a_bar_on_a_terminal() -> None:
    out = io.StringIO()
    with CampaignProgress(Console(file=out, width=100, force_terminal=True), 1) as progress:
        progress.begin({(1,): 1})
        progress.advance((1,), Outcome("get(a)", "proved", executions=7, seconds=4.0), known=False)
        progress._bar.refresh()  # type: ignore[union-attr]
    assert "1/1" in out.getvalue() and "7 executions" in out.getvalue()
