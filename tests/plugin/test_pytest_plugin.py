"""The pytest plugin: what becomes of each kind of test, and of what pytest puts around it."""

from __future__ import annotations

import re
import xml.etree.ElementTree
from typing import Any

import pytest
from plugin_runs import RACE, Run

from schedule_explorer.plugin.settings import STRATEGIES, seconds
from schedule_explorer.plugin.story import file_name
from schedule_explorer.strategies import named

pytest_plugins = ["pytester"]


def test_nothing_is_explored_without_an_option_or_a_mark(pytester: pytest.Pytester) -> None:
    run = Run(pytester, """
def test_real():
    assert threading.Thread.start.__module__ == "threading"
    assert type(threading.Lock()).__module__ == "_thread"
""")
    run.outcomes(passed=1)
    assert "exploration" not in run.text


def test_a_marked_test_is_explored_and_its_failure_told_and_replayed(pytester: pytest.Pytester) -> None:
    run = Run(pytester, "@pytest.mark.explore\n" + RACE.lstrip() + """
@pytest.mark.explore(max_executions=1)
def test_limited():
    counter = SharedVariable(0)
    together(lambda: counter.update(lambda old: old + 1))
    assert counter.load() == 2

def test_unmarked():
    assert type(threading.Lock()).__module__ == "_thread"
""", "--junit-xml=junit.xml")
    run.outcomes(failed=1, passed=2)
    run.says("0 proved, 1 failed, 1 unfinished; ",
             "unfinished test_it.py::test_limited: stopped after 1 executions")
    assert "raises AssertionError" in run.text and "The conflict: Thread-1" in run.text
    [command] = set(re.findall(r"^pytest (--replay=\S+) test_it.py::test_race$", run.text, re.MULTILINE))
    assert re.search(r"^pytest --replay=\S+ test_it.py::test_race$\n=", run.last, re.MULTILINE), run.last
    [path] = set(re.findall(r"(\.schedule_explorer\S+\.txt)", run.text))
    kept = (pytester.path / path).read_text()
    assert kept.endswith(f"pytest {command} test_it.py::test_race\n") and "The conflict" in kept
    [page] = set(re.findall(r"(\.schedule_explorer\S+\.html)", run.text))
    assert page == path.removesuffix(".txt") + ".html"
    shown = (pytester.path / page).read_text()
    assert "The conflict: Thread-1" in shown and command in shown and '"noStates":""' in shown
    [case] = [case for case in xml.etree.ElementTree.parse("junit.xml").iter("testcase")
              if case.get("name") == "test_race"]
    properties = {each.get("name"): each.get("value") for each in case.iter("property")}
    assert properties["schedule"] == command.removeprefix("--replay=")
    assert properties["explored"] == "failed"

    again = Run(pytester, RACE, command, "test_it.py::test_race")
    again.outcomes(failed=1)
    assert "The conflict: Thread-1" in again.text
    fixed = Run(pytester, RACE.replace("counter.store(counter.load() + 1)", "counter.load()")
                .replace("== 2", "== 0"), command, "test_it.py::test_race")
    fixed.outcomes(errors=1)
    fixed.says("error test_it.py::test_race: DivergenceError")


def test_replay_wants_one_test_and_a_token(pytester: pytest.Pytester) -> None:
    assert "not a schedule token" in Run(pytester, RACE, "--replay=nonsense").text
    marked = Run(pytester, RACE, "--explore")
    [token] = set(re.findall(r"(--replay=\S+)", marked.last))
    two = Run(pytester, RACE + "\ndef test_other(): pass\n", token)
    assert "--replay is for one test, and 2 are selected" in two.text
    assert two.result.ret == pytest.ExitCode.USAGE_ERROR


def test_a_replayed_schedule_may_pass(pytester: pytest.Pytester) -> None:
    [token] = set(re.findall(r"(--replay=\S+)", Run(pytester, RACE, "--explore").last))
    run = Run(pytester, RACE.replace("== 2", "< 3"), token, "test_it.py")
    run.outcomes(passed=1)
    run.says("1 replayed", "test_race: this schedule passes")


def test_every_kind_of_test_is_explored(pytester: pytest.Pytester) -> None:
    run = Run(pytester, """
import unittest

class TestClass:
    def setup_method(self):
        assert not hasattr(self, "lock")
        self.lock = threading.Lock()
    def test_method(self):
        together(lambda: locked(self.lock))

@pytest.mark.parametrize("count", [1, 2])
def test_parameters(count):
    lock = threading.Lock()
    together(lambda: locked(lock), count)

class Case(unittest.TestCase):
    runs = set()
    def setUp(self):
        self.lock, self.entered = threading.Lock(), []
    def tearDown(self):
        assert self.entered == [1, 1], "torn down once an execution"
    def enter(self):
        with self.lock: self.entered.append(1)
    def test_case(self):
        self.assertNotIn("seen", vars(self))
        self.seen = True
        together(self.enter)
    def test_failing_subtest(self):
        together(self.enter)
        with self.subTest(part=1):
            self.assertEqual(1, 2)
    def test_skipped(self):
        self.entered = [1, 1]
        self.skipTest("not here")
""", "--explore")
    run.outcomes(passed=4, failed=1, skipped=1)
    run.says("4 proved, 1 failed, 0 unfinished, 1 skipped; ", "failed test_it.py::Case::test_failing_subtest")


def test_a_function_among_parameters_is_interposed(pytester: pytest.Pytester) -> None:
    run = Run(pytester, """
import os

@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("remove", [os.unlink, [os.unlink]])
def test_removed(remove, there, tmp_path):
    path = tmp_path / "x"
    path.touch()
    call = remove if callable(remove) else remove[0]
    thread = threading.Thread(target=call, args=(path,))
    thread.start()
    found = path.exists()
    thread.join()
    assert found is there
""", "--explore")
    run.outcomes(failed=4)
    assert run.text.count("unlink d0/x") >= 4, "it is no step"


def test_what_cannot_be_explored_is_left_to_pytest_and_listed(pytester: pytest.Pytester) -> None:
    run = Run(pytester, """
from hypothesis import given, strategies
async def test_async(): pass
@given(strategies.integers())
def test_drawn(number): pass
@pytest.mark.no_explore
def test_real():
    assert type(threading.Lock()).__module__ == "_thread"
@pytest.mark.skip
def test_marked(): pass
import unittest
class Case(unittest.IsolatedAsyncioTestCase):
    def test_case(self): pass
""", "--explore")
    found = run.result.parseoutcomes()  # an async test without its plugin is skipped by pytest 8.0, or fails
    assert found["passed"] == 3 and found.get("failed", 0) + found["skipped"] == 2, run.text
    run.says("4 left to pytest; 0 executions", "left to pytest test_it.py::test_async: async def",
             "test_drawn: Hypothesis", "test_real: marked no_explore")


def test_without_threads_a_test_is_run_once(pytester: pytest.Pytester) -> None:
    run = Run(pytester, """
runs = []
def test_keeps_state():
    runs.append(1)
    assert len(runs) == 1
def test_fails():
    runs.append(1)
    assert len(runs) == 3, "alone"
""", "--explore", "-v")
    run.outcomes(passed=1, failed=1)
    run.says("1 without threads: run once; 2 executions", "test_keeps_state: no threads: run once",
             "failed test_it.py::test_fails: AssertionError: alone")


def test_sampling_proves_nothing_and_strict_fails_what_is_unfinished(pytester: pytest.Pytester) -> None:
    source = """
def test_locks():
    lock = threading.Lock()
    together(lambda: locked(lock))
"""
    run = Run(pytester, source, "--explore=random", "--explore-executions=7", "--explore-seed=3")
    run.outcomes(passed=1)
    run.says("0 proved, 0 failed, 1 unfinished; 7 executions", "stopped after 7 executions")
    strict = Run(pytester, source, "--explore=random", "--explore-executions=7", "--explore-strict")
    strict.outcomes(failed=1)
    assert "unfinished: stopped after 7 executions (--explore-strict)" in strict.text
    assert "hidden" not in strict.text
    bounded = Run(pytester, "@pytest.mark.explore(preemption_bound=1)" + source)
    bounded.says("1 unfinished", "at most 1 preemptions")
    quiet = Run(pytester, source, "--explore", "--explore-timeouts=quiet")
    quiet.says("1 unfinished", "timeouts='quiet'")
    timed = Run(pytester, source.replace("lock))", "lock), 8)"), "--explore", "--explore-time=300ms")
    timed.says("1 unfinished", "stopped after 0.3 s")


def test_a_strategy_of_the_marker_serves_several_tests(pytester: pytest.Pytester) -> None:
    run = Run(pytester, """
from schedule_explorer.strategies.optimal_dpor import OptimalDPOR
@pytest.mark.explore(strategy=OptimalDPOR())
@pytest.mark.parametrize("fails", [False, True])
def test_locks(fails):
    lock = threading.Lock()
    together(lambda: locked(lock))
    assert not fails
""")
    run.outcomes(passed=1, failed=1)
    run.says("1 proved, 1 failed, 0 unfinished; 3 executions")


def test_skip_and_xfail_keep_their_meaning(pytester: pytest.Pytester) -> None:
    run = Run(pytester, """
import queue
def test_skip(tmp_path):
    together((tmp_path / "file").touch)
    pytest.skip("not here")
def test_import(): pytest.importorskip("no_such_module_at_all")
@pytest.fixture
def skipping(): pytest.skip("from a fixture")
def test_skipped_by_fixture(skipping): pass
def test_expected(): pytest.xfail("known")
@pytest.mark.xfail(raises=AssertionError, strict=True)
def test_marked():
    q = queue.Queue()
    thread = threading.Thread(target=q.put, args=(1,)); thread.start()
    assert not q.empty()
def test_skipped_on_some_schedules():
    q = queue.Queue()
    thread = threading.Thread(target=q.put, args=(1,)); thread.start()
    early = q.empty()
    thread.join()
    if early: pytest.skip("too early")
def test_ends_the_interpreter(): raise SystemExit(0)
""", "--explore", "-rsx")
    run.outcomes(skipped=3, xfailed=2, passed=1, failed=1)
    run.says("1 proved, 1 failed, 0 unfinished, 4 skipped, 1 failed as expected",
             r"proved test_it.py::test_skipped_on_some\S+: skipped in \d+ of \d+ executions: too early",
             r"failed test_it.py::test_ends_the_interpreter: Failed: the test raised SystemExit\(0\)")


def test_an_exit_ends_the_session(pytester: pytest.Pytester) -> None:
    run = Run(pytester, "def test_exit(): pytest.exit('enough')\ndef test_other(): pass\n", "--explore")
    assert "Exit: enough" in run.text and "passed" not in run.text


def test_something_uncontrolled_is_an_error_with_a_remedy(pytester: pytest.Pytester) -> None:
    run = Run(pytester, """
import subprocess, sys
@pytest.fixture(scope="module")
def server(): return 1
def test_process(server): subprocess.run([sys.executable, "-c", ""])
""", "--explore")
    run.outcomes(errors=1)
    assert "UncontrolledCallError: starting a process is not controlled" in run.text
    assert "set up once, outside of the exploration: server." in run.text
    assert "@pytest.mark.no_explore" in run.text
    run.says("1 not explored for an error")


def test_a_deadlock_is_a_failure_and_the_next_execution_starts_clean(pytester: pytest.Pytester) -> None:
    run = Run(pytester, """
import os
@pytest.fixture
def held():
    lock = threading.Lock()
    yield lock
    with lock: pass

@pytest.mark.explore
def test_deadlock(monkeypatch, held):
    monkeypatch.setenv("MARK", os.environ.get("MARK", "") + "x")
    assert os.environ["MARK"] == "x"
    a, b = threading.Lock(), threading.Lock()
    def other():
        with b, a: pass
    thread = threading.Thread(target=other); thread.start()
    with a, b: pass
    thread.join()

def test_after(): assert "MARK" not in os.environ
""")
    run.outcomes(failed=1, passed=1)
    assert "hidden" not in run.text
    run.says("failed test_it.py::test_deadlock: DeadlockError")


def test_a_failure_for_a_wait_that_ran_out_says_how_to_leave_such_out(pytester: pytest.Pytester) -> None:
    source = """
def test_joins_in_time():
    thread = threading.Thread(target=lambda: None); thread.start()
    thread.join(timeout=5)
    assert not thread.is_alive()
"""
    run = Run(pytester, source, "--explore")
    run.outcomes(failed=1)
    assert "A timed wait ran out in this schedule" in run.text
    Run(pytester, source, "--explore", "--explore-timeouts=quiet").outcomes(passed=1)
    assert "A timed wait" not in Run(pytester, RACE, "--explore").text


def test_the_schedule_that_is_shown_has_fewer_switches_unless_the_first_is_asked_for(
    pytester: pytest.Pytester,
) -> None:
    def shown(*options: str, mark: str = "") -> tuple[int, str]:
        run = Run(pytester, mark + RACE.lstrip(), *options)
        run.outcomes(failed=1)
        run.says("0 proved, 1 failed, 0 unfinished; 2 executions")
        # A row of the schedule for each time that a thread stops.
        return len(re.findall(r"^ .* -- ", run.text, re.MULTILINE)), run.text

    simple, text = shown("--explore=optimal-dpor")
    first, _ = shown("--explore=optimal-dpor", "--explore-simplify=0")
    marked, _ = shown(mark="@pytest.mark.explore(simplify=0)\n")
    assert simple < first == marked
    assert "The pattern: lost update. " in text and "the schedule (first failure in execution 2)" in text


def test_arguments_are_checked(pytester: pytest.Pytester) -> None:
    wrong = Run(pytester, "@pytest.mark.explore(executions=3)\ndef test_it(): pass\n")
    assert "has no argument executions: it takes strategy, max_executions" in wrong.text
    assert "'soon' is no time" in Run(pytester, "", "--explore-time=soon").text
    assert "'0' is no number" in Run(pytester, "", "--explore-executions=0").text
    assert "'-1' is no number" in Run(pytester, "", "--explore-simplify=-1").text
    unknown = Run(pytester, RACE, "--explore=guess")
    assert unknown.result.ret == pytest.ExitCode.USAGE_ERROR


def test_a_path_may_follow_the_option(pytester: pytest.Pytester) -> None:
    Run(pytester, RACE, "--explore", "test_it.py").says("1 failed")


def test_helpers() -> None:
    assert [seconds(text) for text in ("30", "30s", "1.5m", "500ms", "1h")] == [30, 30, 90, 0.5, 3600]
    for text in ("", "s", "0s", "-1s", "3 days"):
        with pytest.raises(ValueError, match="no time"):
            seconds(text)
    assert set(STRATEGIES) == set(named.STRATEGIES)
    names: list[Any] = [file_name(f"t.py::t[{part}]") for part in ("a/b", "a b", "a-b", "x" * 300)]
    assert len(set(names)) == 4 and all(re.fullmatch(r"[\w.=-]{1,133}", name) for name in names)
