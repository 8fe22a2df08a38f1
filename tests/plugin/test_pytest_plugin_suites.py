"""The pytest plugin beside other plugins, and over a suite of the kind found in the wild."""

from __future__ import annotations

import re
import time

import pytest
from plugin_runs import PLAIN, RACE, THREADS, Run

pytest_plugins = ["pytester"]

#: unedited, as people write them: a store with a background thread, an autouse fixture, sleeps of a second
WILD = '''
import json
import queue
import threading
import time

import pytest


class Store:
    """Writes documents in the background."""

    def __init__(self, directory):
        self._directory = directory
        self._queue = queue.Queue()
        self._pending = {}
        self._lock = threading.Lock()
        self._writer = threading.Thread(target=self._write_loop, name="writer", daemon=True)
        self._writer.start()

    def save(self, name, document):
        with self._lock:
            self._pending[name] = document
        self._queue.put(name)

    def load(self, name):
        with self._lock:
            if name in self._pending:
                return self._pending[name]
        path = self._directory / f"{name}.json"
        return json.loads(path.read_text()) if path.exists() else None

    def delete(self, name):
        with self._lock:
            self._pending.pop(name, None)
        (self._directory / f"{name}.json").unlink(missing_ok=True)

    def close(self):
        self._queue.put(None)
        self._writer.join()

    def _write_loop(self):
        while True:
            name = self._queue.get()
            if name is None:
                return
            with self._lock:
                document = self._pending.get(name)
            if document is None:
                continue
            path = self._directory / f"{name}.json"
            path.write_text(json.dumps(document))   # deleted meanwhile: it comes back
            with self._lock:
                self._pending.pop(name, None)


class TestStore:
    @pytest.fixture(autouse=True)
    def _store(self, tmp_path):
        self.directory = tmp_path
        self.store = Store(tmp_path)
        yield
        self.store.close()

    def test_loads_what_was_saved(self):
        self.store.save("a", [1, 2])
        assert self.store.load("a") == [1, 2]
        self.store.close()
        time.sleep(1)
        assert self.store.load("a") == [1, 2]

    def test_close_writes_everything(self):
        self.store.save("a", 1)
        self.store.close()
        time.sleep(1)
        assert (self.directory / "a.json").read_text() == "1"

    def test_deleted_stays_deleted(self):
        self.store.save("a", 1)
        self.store.delete("a")
        self.store.close()
        time.sleep(1)
        assert self.store.load("a") is None

    @pytest.mark.parametrize("name", ["", "b"])
    def test_unknown(self, name):
        time.sleep(1)
        assert self.store.load(name) is None

    def test_many(self):
        for number in range(3):
            self.store.save(str(number), number)
        for number in range(3):
            assert self.store.load(str(number)) == number


def test_no_threads():
    assert json.loads("[1]") == [1]
'''


def test_a_suite_found_in_the_wild(pytester: pytest.Pytester) -> None:
    plain = Run(pytester, WILD, "-k", "test_no_threads", whole=True)
    plain.outcomes(passed=1)
    started = time.monotonic()
    run = Run(pytester, WILD, "--explore", "--explore-time=4s", whole=True)
    took = time.monotonic() - started
    run.outcomes(failed=1, passed=6)
    run.says("1 failed, .* 1 without threads: run once",
             "failed test_it.py::TestStore::test_deleted_stays_deleted: assert|AssertionError")
    told = {name for name in re.findall(r"^unfinished \S+::(\S+): \S", run.last, re.MULTILINE)}
    proved = int(re.findall(r"(\d+) proved", run.last)[0])
    assert proved + len(told) == 5 and proved >= 3, run.last
    assert took < 30
    [command] = set(re.findall(r"^pytest (--replay=\S+) \S+$", run.last, re.MULTILINE))
    again = Run(pytester, WILD, command, "test_it.py::TestStore::test_deleted_stays_deleted", whole=True)
    again.outcomes(failed=1)
    assert "The conflict: " in again.text and "raises AssertionError" in again.text


def test_sleeps_cost_nothing(pytester: pytest.Pytester) -> None:
    started = time.monotonic()
    run = Run(pytester, """
import time
def test_sleepy():
    before = time.monotonic()
    together(lambda: time.sleep(3600))
    assert time.monotonic() - before >= 3600
""", "--explore")
    run.outcomes(passed=1)
    run.says("1 proved")
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("method", ["signal", "thread"])
def test_the_timer_of_pytest_timeout_bounds_the_exploration(pytester: pytest.Pytester, method: str) -> None:
    run = Run(pytester, """
def test_large():
    lock = threading.Lock()
    together(lambda: locked(lock), 8)
def test_small():
    lock = threading.Lock()
    together(lambda: locked(lock))
""", "--explore", "--timeout=1", f"--timeout-method={method}")
    run.outcomes(passed=2)
    run.says("1 proved, 0 failed, 1 unfinished", r"stopped after 0\.9 s \(pytest-timeout")


def test_beside_pytest_repeat(pytester: pytest.Pytester) -> None:
    run = Run(pytester, RACE, "--explore", "--count=2")
    run.outcomes(failed=2)
    tests = re.findall(r"^pytest --replay=\S+ '(test_it.py::test_race\[\d-2\])'$", run.last, re.MULTILINE)
    assert len(set(tests)) == 2


def test_beside_pytest_xdist(pytester: pytest.Pytester) -> None:
    source = RACE + """
def test_locks():
    lock = threading.Lock()
    together(lambda: locked(lock))
def test_plain(): pass
"""
    pytester.makepyfile(test_it=THREADS + source)
    result = pytester.runpytest_subprocess("-n", "1", "--explore", "--junit-xml=junit.xml")
    text = result.stdout.str()
    assert "1 proved, 1 failed, 0 unfinished, 1 without threads: run once" in text, text
    assert re.search(r"^pytest --replay=\S+ test_it.py::test_race$", text, re.MULTILINE)
    [page] = set(re.findall(r"(\.schedule_explorer\S+\.html)", text))
    assert "The conflict: Thread-1" in (pytester.path / page).read_text()
    assert 'name="schedule" value="schedule1.' in (pytester.path / "junit.xml").read_text()


def test_the_command_names_the_path_from_where_pytest_was_started(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeini("[pytest]\n")
    below = pytester.mkdir("below")
    (below / "test_deep.py").write_text(THREADS + RACE)
    monkeypatch.chdir(below)
    result = pytester.runpytest_inprocess(*PLAIN, "--explore", "test_deep.py")
    assert re.search(r"^pytest --replay=\S+ test_deep.py::test_race$", result.stdout.str(), re.MULTILINE)
    assert (pytester.path / ".schedule_explorer" / "failures").is_dir()


def test_a_run_without_exploration_loads_none_of_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
import sys
def test_modules():
    loaded = {name for name in sys.modules if name.startswith("schedule_explorer")}
    assert loaded <= {"schedule_explorer", "schedule_explorer.pytest_plugin", "schedule_explorer.plugin",
                      *("schedule_explorer.plugin." + part for part in ("outcome", "settings", "summary"))}
    assert "schedule_explorer.pytest_plugin" in loaded and "greenlet" not in sys.modules
""")
    pytester.runpytest_subprocess("-p", "no:xdist").assert_outcomes(passed=1)
