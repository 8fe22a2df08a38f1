"""The page of the explorer's own proof says what the tests left, and that it is bad when one failed."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from evidence.explorer import page

LINES: list[dict[str, Any]] = [
    {"kind": "random program", "name": "locks", "too_large": True},
    *({
        "kind": "random program", "name": "locks", "too_large": False, "slept": True, "enumerated": n == 1,
        "executions": 10 * n, "finals": 1, "deadlocks": False, "plain_executions": 100 * n,
    } for n in (1, 2)),
    {"kind": "oracle count", "name": "popl", "strategy": "optimal-dpor", "count": 5, "executions": 5,
     "deadlocks": 0, "blocked": 0},
]  # fmt: skip
JUNIT = """<testsuites><testsuite>
<testcase classname="tests.a" name="one"/><testcase classname="tests.a" name="two"/>
<testcase classname="tests.b" name="three"><skipped/></testcase>
{more}</testsuite></testsuites>"""


def test_programs_are_counted_by_family() -> None:
    made = page(LINES, ElementTree.fromstring(JUNIT.format(more="")), 3)
    assert made.good and made.data["tests"] == {"tests.a": 2}
    assert dict(made.data["families"]["locks"]) == {
        "programs": 3, "explored": 2, "slept": 2, "enumerated": 1, "executions": 30, "plain_executions": 300,
        "deadlocks": 0,
    }  # fmt: skip
    assert "| locks | 3 | 2 | 2 | 1 | 30 | 300 | 0 |" in made.body


def test_a_failed_test_is_named_and_the_page_is_not_good() -> None:
    more = '<testcase classname="tests.b" name="four"><failure/></testcase>'
    made = page(LINES, ElementTree.fromstring(JUNIT.format(more=more)), 3)
    assert not made.good and "* FAILED tests.b::four" in made.body
