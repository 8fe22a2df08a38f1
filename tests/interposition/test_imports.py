"""A module that a body imports behaves as one that was imported before, in the first execution too."""

from __future__ import annotations

import _thread
import importlib
import itertools
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from schedule_explorer import SharedVariable, Verdict, explore
from schedule_explorer.runtime import Choice, Trace

OTHER = """
from threading import Lock
SHARED = Lock()
"""
SOURCE = """
import queue
import random
import threading
import time
from threading import Lock
from {other} import SHARED

LOCK = Lock()
RLOCK = threading.RLock()
CONDITION = threading.Condition()
OVER_LOCK = threading.Condition(LOCK)
EVENT = threading.Event()
SEMAPHORE = threading.Semaphore(1)
QUEUE = queue.Queue()
SIMPLE = queue.SimpleQueue()
LOCAL = threading.local()
GENERATOR = random.Random(5)
STARTED = time.time()

def make():
    return threading.Event()

MADE = make()
IN_A_LIST = [make() for _ in range(3)]

class Holder:
    lock = Lock()
    events = [threading.Event()]

    def __init__(self):
        self.mine = Lock()

def now(clock=time.monotonic):
    return clock()
"""
_numbers = itertools.count(1)


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module that nobody has imported yet."""
    number = next(_numbers)
    found, other = f"lazily_{number}", f"other_{number}"
    (tmp_path / f"{found}.py").write_text(SOURCE.format(other=other))
    (tmp_path / f"{other}.py").write_text(OTHER)
    monkeypatch.syspath_prepend(tmp_path)
    yield found
    for module in (found, other):
        sys.modules.pop(module, None)


class Recorder:
    """Takes the first option always, three executions long, and keeps what each did."""

    exhaustive = False

    def __init__(self) -> None:
        self.seen: list[list[Any]] = []

    def begin(self) -> bool:
        return len(self.seen) < 3

    def choose(self, choice: Choice) -> int:
        return choice.options[0]

    def finish(self, trace: Trace) -> None:
        self.seen.append([(e.tid, e.kind, str(e.target), e.accesses) for e in trace.events])


def everything(name: str, load: Callable[[str], ModuleType], drawn: list[Any]) -> Callable[[], None]:
    """Return a body that uses all of the module in two threads."""

    def body() -> None:
        values: list[Any] = []

        def work() -> None:
            module: Any = load(name)
            for lock in (module.LOCK, module.RLOCK, module.Holder.lock, module.Holder().mine, module.SHARED):
                with lock:
                    pass
            with module.CONDITION, module.OVER_LOCK:
                module.CONDITION.notify()
            for event in (module.EVENT, module.MADE, *module.IN_A_LIST, *module.Holder.events):
                event.set()
            with module.SEMAPHORE:
                module.QUEUE.put(1)
            module.SIMPLE.put(module.QUEUE.get())
            module.LOCAL.value = module.SIMPLE.get()
            values.append((module.GENERATOR.random(), module.now()))

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        SharedVariable(0).load()
        drawn.append(values)

    return body


def plainly(name: str) -> ModuleType:
    return __import__(name)


@pytest.mark.parametrize("load", [plainly, importlib.import_module], ids=["import", "import_module"])
def test_every_execution_does_the_same(name: str, load: Callable[[str], ModuleType]) -> None:
    drawn: list[Any] = []
    body = everything(name, load, drawn)
    lazily = Recorder()
    explore(body, lazily)
    early = Recorder()
    explore(body, early)
    assert len(lazily.seen) == 3
    assert lazily.seen[0] == lazily.seen[1] == lazily.seen[2]
    assert [[(tid, kind) for tid, kind, *_ in run] for run in lazily.seen] == [
        [(tid, kind) for tid, kind, *_ in run] for run in early.seen
    ]
    assert len({repr(values) for values in drawn}) == 1


@pytest.mark.parametrize("early", [True, False])
def test_a_race_below_a_lock_of_the_module_is_seen(name: str, early: bool) -> None:
    if early:
        importlib.import_module(name)
    seen = set()

    def body() -> None:
        order: list[str] = []

        def work(who: str) -> None:
            lock = importlib.import_module(name).LOCK
            with lock:
                order.append(who)

        threads = [threading.Thread(target=work, args=(who,)) for who in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seen.add("".join(order))

    result = explore(body)
    assert result.verdict is Verdict.PROVED, result.reason
    assert (result.executions, len(seen)) == (6, 6)


def test_a_lock_of_another_module_stays_one_lock(name: str) -> None:
    """Imported from a module that was there before: under either name it is the same."""
    other: Any = importlib.import_module(name.replace("lazily", "other"))

    def body() -> None:
        module: Any = importlib.import_module(name)
        with module.SHARED:
            assert not other.SHARED.acquire(blocking=False)

    assert explore(body).verdict is Verdict.PROVED


def test_the_module_is_as_imported_before_when_all_is_over(name: str) -> None:
    explore(everything(name, plainly, []), Recorder())
    module: Any = sys.modules[name]
    assert type(module.LOCK) is type(module.Holder.lock) is _thread.LockType
    assert type(module.CONDITION._lock) is type(module.RLOCK) is type(threading.RLock())
    assert module.Lock is threading.Lock
    assert module.now.__defaults__ == (time.monotonic,)
    assert type(module.SIMPLE) is __import__("queue").SimpleQueue
    assert type(module.LOCAL) is threading.local
    assert type(module.GENERATOR) is random.Random
    assert module.GENERATOR.random() == random.Random(5).random()
    assert abs(module.STARTED - time.time()) < 600
    assert not any("schedule_explorer" in type(finder).__module__ for finder in sys.meta_path)


def test_a_module_that_is_not_there_is_so_in_every_execution() -> None:
    def body() -> None:
        lock = threading.Lock()

        def work() -> None:
            with pytest.raises(ModuleNotFoundError):
                importlib.import_module("nowhere_to_be_found")
            with lock:
                pass

        thread = threading.Thread(target=work)
        thread.start()
        with lock:
            pass
        thread.join()

    result = explore(body)
    assert result.verdict is Verdict.PROVED, result.reason
    assert result.executions == 2


def test_files_that_a_finder_looks_at_are_no_steps(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
            assert os.path.exists(__file__)

    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    recorder = Recorder()
    explore(lambda: plainly(name) and None, recorder)
    assert [[kind for _, kind, *_ in run] for run in recorder.seen] == [["thread.begin", "thread.end"]] * 3


def test_an_error_in_the_module_puts_everything_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "breaks_at_import.py").write_text("import threading\nLOCK = threading.Lock()\n1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    kinds: list[Any] = []

    def body() -> None:
        with pytest.raises(ZeroDivisionError):
            importlib.import_module("breaks_at_import")
        kinds.append(type(threading.Lock()))

    assert explore(body).verdict is Verdict.PROVED
    assert all(kind is not _thread.LockType for kind in kinds)


def test_a_module_taken_out_and_imported_again_is_new_in_every_execution(name: str) -> None:
    def body() -> None:
        sys.modules.pop(name, None)
        module: Any = importlib.import_module(name)

        def work() -> None:
            with module.LOCK:
                pass

        thread = threading.Thread(target=work)
        thread.start()
        with module.LOCK:
            pass
        thread.join()

    result = explore(body)
    assert result.verdict is Verdict.PROVED, result.reason
    assert result.executions == 2
