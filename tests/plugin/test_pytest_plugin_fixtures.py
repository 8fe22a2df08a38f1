"""The pytest plugin: fixtures of function scope anew in each execution, wider ones once, and pytest's own."""

from __future__ import annotations

import re

import pytest
from plugin_runs import Run

pytest_plugins = ["pytester"]


def test_scopes(pytester: pytest.Pytester) -> None:
    """Autouse, yield, parametrised, overriding and late fixtures; what is wider is made once and for real."""
    run = Run(pytester, """
made = []
@pytest.fixture(scope="session")
def late():
    made.append("late")
    yield type(threading.Lock()).__module__
    made.append("late ends")
@pytest.fixture(scope="module", params=[1, 2])
def wide(request):
    made.append(f"wide {request.param}")
    yield request.param
    made.append(f"wide {request.param} ends")
@pytest.fixture(scope="class")
def of_class(): made.append("class")
@pytest.fixture
def narrow(wide, request):
    made.append("narrow")
    request.addfinalizer(lambda: made.append("finalizer"))
    yield wide
    made.append("narrow ends")
@pytest.fixture(autouse=True)
def everywhere(): made.append("auto")

class TestClass:
    def test_threads(self, narrow, of_class, request):
        assert request.getfixturevalue("late") == "_thread"
        assert type(threading.Lock()).__module__ != "_thread"
        lock = threading.Lock()
        together(lambda: locked(lock), 3)
        assert made.count("narrow") - made.count("narrow ends") == 1

def test_counts():
    count = made.count("narrow")
    assert count > 8 and made.count("narrow ends") == count == made.count("finalizer")
    assert made.count("auto") > count
    wides = [each for each in made if each.startswith("wide")]
    assert wides == ["wide 1", "wide 1 ends", "wide 2"]
    assert made.count("late") == 1 and made.count("class") == 1 and "late ends" not in made
""", "--explore")
    run.outcomes(passed=3)
    run.says("2 proved, 0 failed, 0 unfinished, 1 without threads")


def test_finalizers_do_not_pile_up_in_wider_fixtures(pytester: pytest.Pytester) -> None:
    run = Run(pytester, """
@pytest.fixture(scope="module")
def wide(): return 1
@pytest.fixture
def narrow(wide): return wide
def test_threads(narrow):
    lock = threading.Lock()
    together(lambda: locked(lock), 3)
def test_finalizers(request):
    definition = request._get_active_fixturedef("wide")
    assert len(definition._finalizers) < 4
""", "--explore")
    run.outcomes(passed=2)
    run.says("1 proved")


def test_a_fixture_may_start_threads_and_fail_in_its_teardown(pytester: pytest.Pytester) -> None:
    run = Run(pytester, """
import queue
@pytest.fixture
def writer():
    q, written = queue.Queue(), []
    thread = threading.Thread(target=lambda: written.append(q.get()), name="writer"); thread.start()
    yield q
    thread.join()
    assert written == [1], "in the teardown"
def test_good(writer): writer.put(1)
def test_bad(writer): writer.put(2)
@pytest.fixture
def broken(writer):
    writer.put(1)
    raise OSError("in the set-up")
def test_broken(broken): pass
""", "--explore")
    run.outcomes(passed=1, failed=2)
    run.says("1 proved, 2 failed", "test_bad: AssertionError: in the teardown",
             "test_broken: OSError: in the set-up")


def test_pytests_own_fixtures(pytester: pytest.Pytester) -> None:
    run = Run(pytester, """
import logging, os, sys, warnings
from unittest import mock

def test_directory(tmp_path, tmp_path_factory):
    assert not list(tmp_path.iterdir()) and tmp_path.name == "d0"
    other = tmp_path_factory.mktemp("other")
    together(lambda: (tmp_path / threading.current_thread().name).touch())
    assert len(list(tmp_path.iterdir())) == 2 and not list(other.iterdir())

def test_output(capsys):
    together(lambda: print("line"))
    assert capsys.readouterr().out == "line\\nline\\n"

def test_descriptors(capfd):
    together(lambda: print("line"))
    assert capfd.readouterr().out == "line\\nline\\n"

@pytest.fixture
def logs(): logging.warning("set-up")

def test_logs(caplog, logs):
    with caplog.at_level(logging.INFO):
        together(lambda: logging.info("line"))
    assert caplog.messages == ["line", "line"]
    assert [each.message for each in caplog.get_records("setup")] == ["set-up"]

def test_patches(monkeypatch):
    monkeypatch.setattr(os, "sep", os.sep + "!")
    with mock.patch("os.getcwd", return_value="nowhere") as patched:
        together(os.getcwd)
    assert os.sep == "/!" and patched.call_count == 2

def test_warnings(recwarn):
    together(lambda: warnings.warn("beware"))
    assert len(recwarn) == 1  # once a line

def test_wait_with_all_of_pytest_in_sight(request, caplog, capsys, monkeypatch):
    done = threading.Event()
    thread = threading.Thread(target=done.set); thread.start()
    while not done.wait(0.1): pass
    thread.join()
""", "--explore", "-W", "always")
    run.outcomes(passed=7)
    run.says("7 proved, 0 failed, 0 unfinished; ")


def test_a_failed_subtest_is_a_failed_execution(pytester: pytest.Pytester) -> None:
    pytest.importorskip("_pytest.subtests", reason="this pytest has no subtests")
    run = Run(pytester, """
def test_subtests(subtests):
    with subtests.test("part"):
        together(lambda: None)
        raise OSError("in a part")
""", "--explore")
    run.outcomes(failed=1)
    run.says("1 failed", "test_subtests: OSError: in a part")


def test_a_report_has_the_output_of_one_execution(pytester: pytest.Pytester) -> None:
    run = Run(pytester, """
import logging, warnings
def test_race():
    print("said")
    logging.warning("logged")
    warnings.warn("warned")
    counter = SharedVariable(0)
    together(lambda: counter.store(counter.load() + 1))
    assert counter.load() == 2
""", "--explore=optimal-dpor")
    run.outcomes(failed=1, warnings=1)
    assert len(re.findall("^said$", run.text, re.MULTILINE)) == 1, run.text
    assert len(re.findall("^WARNING.*logged$", run.text, re.MULTILINE)) == 1, run.text


def test_a_real_thread_besides_keeps_a_test_from_being_proved(pytester: pytest.Pytester) -> None:
    run = Run(pytester, """
@pytest.fixture(scope="module")
def server():
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, name="server"); thread.start()
    yield
    stop.set(); thread.join()
def test_with_server(server): pass
""", "--explore")
    run.outcomes(passed=1)
    run.says(r"0 proved, 0 failed, 1 unfinished", r"a real thread runs besides \(server\)")


def test_a_wider_fixture_that_skips_or_fails_does_so_once(pytester: pytest.Pytester) -> None:
    run = Run(pytester, """
@pytest.fixture(scope="module")
def skipping(): pytest.skip("not here")
@pytest.fixture(scope="module")
def failing(): raise OSError("not there")
def test_skipped(skipping): pass
def test_error(failing): pass
""", "--explore")
    run.outcomes(skipped=1, errors=1)


def test_an_execution_cut_off_in_a_fixture_leaves_nothing(pytester: pytest.Pytester) -> None:
    run = Run(pytester, """
import os
@pytest.fixture
def directory(tmp_path, monkeypatch):
    monkeypatch.setenv("MARK", os.environ.get("MARK", "") + "x")
    def make():
        try: (tmp_path / "same").mkdir()
        except FileExistsError: (tmp_path / "other").mkdir(exist_ok=True)
    together(make, 3)
    return tmp_path
def test_directories(directory):
    assert len(list(directory.iterdir())) == 2 and os.environ["MARK"] == "x"
""", "--explore=sleep-set-dfs")
    run.outcomes(passed=1)
    run.says(r"1 proved, .* executions, [1-9]\d* cut off")


def test_no_frame_of_pytest_belongs_to_the_program(pytester: pytest.Pytester) -> None:
    """They would be searched for progress at every timed wait, and told of in explanations."""
    run = Run(pytester, """
import sys, unittest
from schedule_explorer.runtime.polling import frames_of
def names(): return [scope.frame.f_code.co_name for scope in frames_of(sys._getframe(1))]
@pytest.fixture
def plain(): assert names() == ["plain"]
@pytest.fixture
def yielding(request):
    request.addfinalizer(finalizer)
    assert names() == ["yielding"]
    yield
    assert names() == ["yielding"]
def finalizer(): assert names() == ["finalizer"]
def test_function(plain, yielding): assert names() == ["test_function"]
class Case(unittest.TestCase):
    def setUp(self):
        self.addCleanup(self.clean)
        assert names() == ["setUp"]
    def clean(self): assert names() == ["clean"]
    def tearDown(self): assert names() == ["tearDown"]
    def test_case(self): assert names() == ["test_case"]
""", "--explore")
    run.outcomes(passed=2)


def test_a_real_thread_that_ends_meanwhile_counts_too(pytester: pytest.Pytester) -> None:
    run = Run(pytester, """
@pytest.fixture(scope="module")
def server():
    thread = threading.Timer(0.3, print); thread.name = "server"; thread.start()
def test_with_server(server):
    lock = threading.Lock()
    together(lambda: locked(lock), 7)
""", "--explore=optimal-dpor")
    run.outcomes(passed=1)
    run.says(r"1 unfinished; 5040 executions", r"a real thread runs besides \(server\)")


def test_a_real_lock_of_a_wider_fixture_proves_nothing(pytester: pytest.Pytester) -> None:
    run = Run(pytester, """
@pytest.fixture(scope="module")
def shared(): return threading.Lock()
def test_lock(shared): together(lambda: locked(shared))
@pytest.fixture(scope="module")
def signal(): return threading.Event()
def test_event(signal): together(signal.set)
""", "--explore")
    run.outcomes(errors=1, passed=1)
    run.says("1 proved", "error test_it.py::test_lock: UncontrolledBlockingError: .* uses a real lock")
    assert "set up once, outside of the exploration: shared." in run.text
