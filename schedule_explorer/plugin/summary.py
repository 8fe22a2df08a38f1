"""The last section of pytest's output: what was proved, what failed, what was not finished, and why."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from schedule_explorer.plugin.outcome import (
    ERROR,
    EXPECTED,
    FAILED,
    LEFT,
    ONCE,
    PROVED,
    REPLAYED,
    SKIPPED,
    UNFINISHED,
)

_WORDS = {
    PROVED: "proved", FAILED: "failed", UNFINISHED: "unfinished", ONCE: "without threads: run once",
    SKIPPED: "skipped", EXPECTED: "failed as expected", ERROR: "not explored for an error",
    REPLAYED: "replayed",
}


class Summary:
    """Gathers the outcomes of a session, those of pytest-xdist's workers too."""

    def __init__(self) -> None:
        #: (node id, outcome), in the order in which they came
        self._outcomes: list[tuple[str, dict[str, Any]]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what a report says of an exploration."""
        outcome = getattr(report, "explored", None)
        if outcome is not None:
            self._outcomes.append((report.nodeid, outcome))

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Count something uncontrolled among the errors: the test itself has not failed."""
        explored = getattr(report, "explored", None)
        if report.failed and explored is not None and explored["verdict"] == ERROR:
            return "error", "E", "ERROR"
        return None

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Write the section; nothing where nothing was explored."""
        if not self._outcomes:
            return
        write = terminalreporter.write_line
        terminalreporter.section("exploration")
        write(self.line())
        for verdict in (ONCE, REPLAYED):
            for node, outcome in self._of(verdict):
                reason = outcome["reason"] or "no threads: run once"
                if verdict == REPLAYED or terminalreporter.config.get_verbosity() > 0:
                    write(f"{node}: {reason}")
        for node, outcome in self._of(PROVED):
            if outcome["reason"]:
                write(f"proved {node}: {outcome['reason']}")
        for node, outcome in self._of(UNFINISHED):
            write(f"unfinished {node}: {outcome['reason']} ({_executions(outcome['executions'])})")
        for node, outcome in self._of(LEFT):
            write(f"left to pytest {node}: {outcome['reason']}")
        for node, outcome in self._of(ERROR):
            write(f"error {node}: {outcome['reason'].splitlines()[0]}")
        for node, outcome in (*self._of(EXPECTED), *self._of(FAILED)):
            told = (outcome["reason"].splitlines() or [""])[0]
            where = f"; see {outcome['path']}" if outcome["path"] else ""
            write(f"{_WORDS[outcome['verdict']]} {node}: {told}{where}")
        for _, outcome in self._of(FAILED):
            write(outcome["command"])

    def line(self) -> str:
        """Return the summary in one line."""
        counts = Counter(outcome["verdict"] for _, outcome in self._outcomes)
        parts = [f"{counts[verdict]} {words}" for verdict, words in _WORDS.items()
                 if counts[verdict] or verdict in (PROVED, FAILED, UNFINISHED)]
        if counts[LEFT]:
            parts.append(f"{counts[LEFT]} left to pytest")
        outcomes = [outcome for _, outcome in self._outcomes]
        total, blocked, seconds = (
            sum(outcome[name] for outcome in outcomes) for name in ("executions", "blocked", "seconds")
        )
        cut = f", {blocked} cut off" if blocked else ""
        return f"{', '.join(parts)}; {_executions(total)}{cut} in {seconds:.1f} s"

    def _of(self, verdict: str) -> list[tuple[str, dict[str, Any]]]:
        return [(node, outcome) for node, outcome in self._outcomes if outcome["verdict"] == verdict]


def _executions(count: int) -> str:
    return f"{count} execution{'' if count == 1 else 's'}"
