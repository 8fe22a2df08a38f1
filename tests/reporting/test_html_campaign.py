"""The page of campaigns: the figures of `verify` and `hunt`, and what it says to anything else."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest

from schedule_explorer.campaigns.outcome import Outcome
from schedule_explorer.campaigns.report import Report
from schedule_explorer.reporting.html.campaign import NotACampaignError, campaign_data, campaign_page


def verified() -> dict[str, Any]:
    """What a campaign writes of 57 programs, of which two failed, one after the other."""
    report = Report({"target": "cells", "keys": [0, 1], "threads": 2, "calls": 1, "total": None},
                    {(1,): 7, (1, 1): 50}, seconds=2.34)
    two = (1, 1)
    for _ in range(7):
        report.add((1,), Outcome("a", "proved", executions=2, histories=2))
    report.add(two, Outcome("set(0) | get(0)", "failed", "a & <b>", 15, 1, 3, "schedule1.x", "<1> told"))
    report.add(two, Outcome("set(0) | set(0)", "failed", "lost", 100, 1, 3, "schedule1.y", "another story"))
    report.add((1, 1), Outcome("set(1) | set(1)", "unfinished", "stopped after 50 executions", 50, 0, 9))
    for _ in range(40):
        report.add((1, 1), Outcome("b", "proved", executions=3, histories=3))
    return json.loads(json.dumps(report.as_json()))  # type: ignore[no-any-return]


VERIFIED = verified()


def hunted(bug: str, executions: int) -> dict[str, Any]:
    return {
        "verdict": "failed", "target": "cells", "bug": bug, "program": "set(0) | get(0)",
        "schedule": "schedule1.z", "symptoms": ["lost"], "switches": 2, "first": "set(0) | get(0) get(0)",
        "programs": 3, "executions": executions, "explanation": "the story of bug " + bug,
    }  # fmt: skip


NOT_FOUND = {"verdict": "unfinished", "target": "cells", "bug": None}


def test_the_first_failure_is_counted_in_the_order_of_the_programs() -> None:
    assert VERIFIED["to_first_failure"] == {"program": "set(0) | get(0)", "programs": 8, "executions": 29}
    assert Report({}, {(1,): 1}).as_json()["to_first_failure"] is None


def test_the_figures_of_a_page_are_those_of_the_results() -> None:
    data = campaign_data([VERIFIED, hunted("1", 5), NOT_FOUND])
    assert [(each["title"], each["verdict"], each["executions"]) for each in data["campaigns"]] == [
        ("cells", "failed", 299), ("cells, bug 1", "failed", 5), ("cells", "unfinished", None),
    ]
    assert (data["campaigns"][0]["programs"], data["campaigns"][0]["of"]) == (50, 57)
    assert data["campaigns"][0]["bounds"] == "keys 0 1, threads 2, calls 1"
    [coverage] = data["coverage"]
    assert [row["name"] for row in coverage["rows"]] == ["1", "1+1"]
    parts = coverage["rows"][1]["parts"]
    assert [(part["kind"], part["count"], part["at"], part["share"]) for part in parts] == [
        ("proved", 40, 0, 80), ("failed", 2, 80, 4), ("unfinished", 1, 84, 2), ("not_run", 7, 86, 14)
    ]
    assert [(each["kind"], each["programs"], each["executions"], each["share"]) for each in data["bugs"]] == [
        ("verify", 8, 29, 100.0), ("hunt", 3, 5, pytest.approx(100 * 5 / 29)),
    ]
    assert [each["program"] for each in data["failures"]] == [
        "set(0) | get(0)", "set(0) | set(0)", "set(0) | get(0)"
    ]
    assert [each["reason"] for each in data["unfinished"]] == ["stopped after 50 executions"]


def test_a_page_of_campaigns_needs_nothing_and_escapes_what_it_shows() -> None:
    page = campaign_page([VERIFIED, hunted("<script>1</script>", 5)])
    assert "<script" not in page and "script-src 'none'" in html.unescape(page)
    assert "a &amp; &lt;b&gt;" in page and "&lt;1&gt; told" in page
    assert not re.search(r"https?://|\ssrc\s*=|@import|url\(|<link", page)
    assert page == campaign_page([VERIFIED, hunted("<script>1</script>", 5)])
    assert "<h1>cells: " in campaign_page([VERIFIED])


@pytest.mark.parametrize("other", [
    {}, [], 3, {"verdict": "perhaps", "target": "a", "bug": None}, {**VERIFIED, "sizes": [{"programs": "x"}]},
    {"verdict": "failed", "target": "a", "bug": None}, {**VERIFIED, "failures": 3},
])
def test_what_no_campaign_wrote_is_refused_by_name(other: Any) -> None:
    with pytest.raises(NotACampaignError, match=r"other\.json is not what `verify --json` or `hunt --json`"):
        campaign_page([VERIFIED, other], ["verdict.json", "other.json"])
