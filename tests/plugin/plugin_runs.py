"""Runs of pytest over a file of tests, in this process."""

from __future__ import annotations

import re

import pytest

# In-process runs forget the modules that they import.
import schedule_explorer.plugin.running
import schedule_explorer.reporting.html.failure  # noqa: F401

#: the plugin of Hypothesis would import it anew in every run
PLAIN = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")

THREADS = """
import threading, pytest
from schedule_explorer import SharedVariable

def together(function, count=2):
    threads = [threading.Thread(target=function) for _ in range(count)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()

def locked(lock):
    with lock: pass
"""
RACE = """
def test_race():
    counter = SharedVariable(0)
    together(lambda: counter.store(counter.load() + 1))
    assert counter.load() == 2
"""


class Run:
    """One run of pytest over a file of tests."""

    def __init__(self, pytester: pytest.Pytester, source: str, *options: str, whole: bool = False) -> None:
        pytester.makepyfile(test_it=source if whole else THREADS + source)
        self.result = pytester.runpytest_inprocess(*PLAIN, *options)
        self.text = self.result.stdout.str() + self.result.stderr.str()
        self.last = self.text.partition("= exploration =")[2]

    def outcomes(self, **wanted: int) -> None:
        found = self.result.parseoutcomes()
        assert {name: found.get(name, 0) for name in wanted} == wanted, self.text

    def says(self, *parts: str) -> None:
        for part in parts:
            assert re.search(part, self.last), f"{part!r} is not in:\n{self.text}"
