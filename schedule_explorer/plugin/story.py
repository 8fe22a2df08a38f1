"""A failure in words: the file that keeps it, the command that replays it, the section of pytest's report."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from typing import Any

import pytest

from schedule_explorer.errors import DeadlockError, LeakedThreadError
from schedule_explorer.plugin.outcome import Outcome
from schedule_explorer.results import Failure

#: below pytest's root directory
DIRECTORY = os.path.join(".schedule_explorer", "failures")
_LONGEST = 120


def command(item: pytest.Item, token: str) -> str:
    """Return the line that replays a schedule, for a shell in the directory where pytest was started."""
    path, double, rest = item.nodeid.partition("::")
    config = item.config
    if config.invocation_params.dir != config.rootpath:
        path = os.path.relpath(config.rootpath / path, config.invocation_params.dir)
    return f"pytest --replay={token} {shlex.quote(path + double + rest)}"


def file_name(nodeid: str) -> str:
    """Make a file name of a node's id; two ids never share one."""
    safe = re.sub(r"[^A-Za-z0-9_.=-]+", "-", nodeid).strip("-.")
    if safe == nodeid and len(safe) <= _LONGEST:
        return f"{safe}.txt"
    return f"{safe[:_LONGEST]}-{hashlib.sha256(nodeid.encode()).hexdigest()[:8]}.txt"


def write(item: pytest.Item, outcome: Outcome) -> str:
    """Write the failure to its file; return the path from pytest's root directory, empty if it could not."""
    directory = item.config.rootpath / DIRECTORY
    path = directory / file_name(item.nodeid)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{item.nodeid}\n\n{outcome.story}\n\n{outcome.command}\n", encoding="utf-8")
    except OSError:
        return ""
    return str(path.relative_to(item.config.rootpath))


def write_page(item: pytest.Item, failure: Failure, command: str) -> str:
    """Write the failure as a page beside its file; return its path as `write` does."""
    path = (item.config.rootpath / DIRECTORY / file_name(item.nodeid)).with_suffix(".html")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        failure.write_html(path, command)
    except OSError:
        return ""
    return str(path.relative_to(item.config.rootpath))


def add_to(report: pytest.TestReport, outcome: Outcome, excinfo: pytest.ExceptionInfo[Any]) -> None:
    """Put the explanation into a report, below the traceback, with the command as its last line."""
    if isinstance(excinfo.value, (DeadlockError, LeakedThreadError)):
        report.longrepr = excinfo.getrepr(style="value", tbfilter=False)  # no line raised it
    text = outcome.story
    if outcome.path:
        text += f"\n\nalso written to {outcome.path}"
    if outcome.page:
        text += f"\nas a page, with source and state of every step: {outcome.page}"
    text += f"\n\n{outcome.command}"
    title = f"the schedule (first failure in execution {outcome.executions})"
    longrepr: Any = report.longrepr
    if hasattr(longrepr, "addsection"):
        longrepr.addsection(title, text)
    else:
        report.sections.append((title, text))
