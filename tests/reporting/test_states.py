"""The state after each step is what objects and files really were, and looking changes nothing."""

from __future__ import annotations

import collections
import dataclasses
import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from failing import PROGRAMS, Program, run

from schedule_explorer import Failure, SharedVariable, explore, fresh_dir, replay
from schedule_explorer import token as tokens
from schedule_explorer.exploration import watch
from schedule_explorer.interposition import describing
from schedule_explorer.oracles.quiescence import at_quiescence
from schedule_explorer.runtime import Event, Trace
from schedule_explorer.states import State


def watched(failure: Failure) -> tuple[Trace, list[State]]:
    failure.watch()
    states = failure._states
    assert sorted(states) == [event.index for event in failure.trace.events], failure._why_not
    return failure.trace, [states[index] for index in range(len(states))]


def values(state: State) -> dict[str, str]:
    return {each.name: each.value for each in state.objects}


class Derived:
    """What locks, queues, events and variables are, worked out from the trace alone."""

    def __init__(self) -> None:
        self.holders: dict[str, int | None] = {}
        self.counts: collections.Counter[str] = collections.Counter()
        self.flags: dict[str, str] = {}
        self.variables: dict[str, str] = {}

    def take(self, event: Event) -> None:
        family, _, call = event.kind.rpartition(".")
        target = str(event.target)
        done = not event.note and not event.expired
        if family == "lock" and done:
            self.holders[target] = None if call == "release" else event.tid
        elif family == "condition" and call in ("wait", "wake"):
            [lock] = [key for key, _ in event.accesses if isinstance(key, tuple) and "Lock" in str(key[0])]
            self.holders["{} {}.{}".format(*lock)] = event.tid if call == "wake" else None
        elif family == "queue" and done:
            self.counts[target] += {"put": 1, "put_nowait": 1, "get": -1, "get_nowait": -1}.get(call, 0)
        elif family == "event" and call in ("set", "clear"):
            self.flags[target] = "set" if call == "set" else "not set"
        elif event.kind in ("store", "update"):
            self.variables[target] = event.note

    def check(self, state: State) -> None:
        for each in state.objects:
            if each.family == "lock" and each.name in self.holders:
                assert each.holder == self.holders[each.name], each
                assert (each.value == "free") == (each.holder is None), each
            elif each.family == "queue":
                assert len(each.items) == self.counts[each.name], each
            elif each.family == "event" and each.name in self.flags:
                assert each.value == self.flags[each.name], each
            elif each.family == "variable" and each.name in self.variables:
                assert each.value == self.variables[each.name], each


def everything() -> None:
    items: queue.Queue[str] = queue.Queue()
    lifo: queue.LifoQueue[int] = queue.LifoQueue()
    simple: queue.SimpleQueue[int] = queue.SimpleQueue()
    lock, deep, flag = threading.Lock(), threading.RLock(), threading.Event()
    permits = threading.Semaphore(2)
    total = SharedVariable(0, "total")

    def work() -> None:
        with permits, lock:
            lifo.put(1)
            lifo.put(2)
            simple.put(3)
            items.put("a")
        with deep, deep:
            total.update(lambda old: old + 1)
        flag.set()
        flag.clear()

    run(work, work)
    assert lock.acquire(blocking=False) and not lock.acquire(blocking=False)
    lock.release()
    simple.get()
    items.get_nowait()
    raise AssertionError


@pytest.mark.parametrize("name", [*PROGRAMS, "everything"])
def test_states_agree_with_what_the_trace_says(name: str) -> None:
    program = PROGRAMS.get(name) or Program(everything, [(0, "thread.join"), (1, "lock.release"), (2, None)])
    trace, states = watched(program.failure())
    derived = Derived()
    for event, state in zip(trace.events, states, strict=True):
        derived.take(event)
        derived.check(state)
    seen = {each.family for state in states for each in state.objects}
    used = {event.kind.partition(".")[0] for event in trace.events} & {"lock", "queue", "event", "condition"}
    assert used <= seen
    if name == "everything":
        last = values(states[-1])
        assert last["SimpleQueue 0.3"] == "1 item" and last["Semaphore 0.7"] == "2 permits", last
        assert any("held 2 times" in values(state).values() for state in states)
        assert any(each.items == ("1", "2") for state in states for each in state.objects)


def test_a_thread_waits_exactly_where_it_could_not_be_chosen() -> None:
    trace, states = watched(PROGRAMS["deadlock"].failure())
    doing = {each.tid: (each.doing, each.holder) for each in states[-1].threads}
    assert doing == {0: ("waits", 1), 1: ("waits", 2), 2: ("waits", 1)}
    [first, second] = [each for each in states[-1].objects if each.family == "lock"]
    assert (first.holder, first.waiting, second.holder, second.waiting) == (1, (2,), 2, (1,))
    assert [each.doing for each in states[0].threads] == ["ready"]
    assert [each.doing for each in states[2].threads] == ["waits", "ready", "ready"]
    for event, state in zip(trace.events[1:], states, strict=False):
        [moved] = [each for each in state.threads if each.tid == event.tid]
        assert (moved.doing, moved.kind, moved.target) == ("ready", event.kind, str(event.target))


FIRST_CALLS: dict[str, tuple[Callable[[], Any], Callable[[Any], object]]] = {
    "Lock.acquire": (lambda: threading.Lock(), lambda lock: lock.acquire()),
    "Lock.locked": (lambda: threading.Lock(), lambda lock: lock.locked()),
    "RLock.acquire": (lambda: threading.RLock(), lambda lock: lock.acquire(timeout=1)),
    "Condition.notify": (lambda: threading.Condition(), lambda c: c.acquire() and c.notify()),
    "Condition.wait": (lambda: threading.Condition(), lambda c: c.acquire() and c.wait()),
    "Condition.wait of a lock": (
        lambda: threading.Condition(threading.Lock()), lambda c: c.acquire() and c.wait(),
    ),
    "Semaphore.acquire": (lambda: threading.Semaphore(0), lambda permits: permits.acquire()),
    "Semaphore.release": (lambda: threading.Semaphore(), lambda permits: permits.release()),
    "Event.wait": (lambda: threading.Event(), lambda event: event.wait()),
    "Event.set": (lambda: threading.Event(), lambda event: event.set()),
    "Event.is_set": (lambda: threading.Event(), lambda event: event.is_set()),
    "Queue.get": (lambda: queue.Queue(), lambda items: items.get()),
    "Queue.get_nowait": (lambda: queue.LifoQueue(), lambda items: items.empty() or items.get_nowait()),
    "Queue.put": (lambda: queue.PriorityQueue(), lambda items: items.put(1)),
    "Queue.join": (lambda: queue.Queue(), lambda items: items.join()),
    "SimpleQueue.get": (lambda: queue.SimpleQueue(), lambda items: items.get()),
    "SimpleQueue.put": (lambda: queue.SimpleQueue(), lambda items: items.put(1)),
    "SharedVariable.load": (lambda: SharedVariable(0), lambda cell: cell.load()),
    "SharedVariable.update": (lambda: SharedVariable(0), lambda cell: cell.update(lambda old: old)),
}


def test_an_object_is_known_by_whatever_is_done_to_it_first() -> None:
    """Of an object that one thread waits for, the wait is all that there is."""

    def body() -> None:
        for call, (make, use) in FIRST_CALLS.items():
            kept.append(made := make())
            threading.Thread(target=use, args=(made,), name=call).start()

    kept: list[object] = []
    failure = explore(body, "random", max_executions=1).failure
    assert failure is not None
    trace, states = watched(failure)
    families = collections.Counter(each.family for each in states[-1].objects)
    assert families == {"lock": 6, "condition": 3, "semaphore": 2, "event": 3, "queue": 6, "variable": 2}
    waiting = {trace.thread_names[tid]: each for each in states[-1].objects for tid in each.waiting}
    assert {call: each.family for call, each in waiting.items()} == {
        "Condition.wait": "condition", "Condition.wait of a lock": "condition",
        "Semaphore.acquire": "semaphore", "Event.wait": "event", "Queue.get": "queue",
        "SimpleQueue.get": "queue",
    }


def tree_of(directory: Path) -> dict[str, int | None]:
    """List a directory as any program would: sizes by path, None for a directory."""
    found: dict[str, int | None] = {}
    for where, _, names in os.walk(directory):
        prefix = os.path.relpath(where, directory.parent) + "/"
        found[prefix] = None
        paths = {prefix + name: f"{where}/{name}" for name in names}
        found |= {name: os.path.getsize(path) for name, path in paths.items() if not os.path.islink(path)}
    return found


def busy_with_files(seen: list[dict[str, int | None]]) -> Callable[[], None]:
    def body() -> None:
        root = fresh_dir()
        at_quiescence(lambda trace: seen.append(tree_of(root)))

        def one() -> None:
            os.makedirs(root / "a" / "b")
            (root / "a" / "f").write_text("four")
            os.rename(root / "a", root / "c")
            os.link(root / "c" / "f", root / "hard")

        def two() -> None:
            (root / "g").write_bytes(b"123456")
            os.symlink("g", root / "soft")
            os.truncate(root / "g", 2)
            os.unlink(root / "g")

        run(one, two)
        raise AssertionError

    return body


@pytest.mark.parametrize("seed", range(3))
def test_the_tree_at_the_end_is_the_real_one_and_each_call_shows_in_it(seed: int) -> None:
    seen: list[dict[str, int | None]] = []
    failure = explore(busy_with_files(seen), "random", seed=seed).failure
    assert failure is not None
    seen.clear()
    trace, states = watched(failure)
    [real] = seen
    shown = {
        each.path: None if each.kind == "directory" else each.size for each in states[-1].files
        if each.kind != "link"
    }
    assert shown == real
    links = [(each.path, each.leads_to) for each in states[-1].files if each.kind == "link"]
    assert links == [("d0/soft", "g")]
    for before, event, after in zip(states, trace.events[1:], states[1:], strict=False):
        names = {each.path.rstrip("/") for each in after.files}
        old = {each.path.rstrip("/") for each in before.files}
        target = str(event.target)
        name = target[target.find("/d0") + 1 :]
        if event.kind in ("mkdir", "link", "symlink"):
            assert names - old == {name}
        elif event.kind == "unlink":
            assert old - names == {name}
        elif event.kind == "rename":
            assert "d0/a" in old - names and {"d0/c", "d0/c/f"} <= names - old
        elif event.kind == "truncate":
            assert [each.size for each in after.files if each.path == name] == [2]
        elif event.kind not in ("open", "file.write", "file.close"):
            assert before.files == after.files


def test_watching_is_the_same_execution() -> None:
    for name, program in PROGRAMS.items():
        failure = program.failure()
        trace, _ = watch(program.body, failure.schedule)
        assert tokens.encode(trace, program.timeouts) == failure.schedule, name
        assert [repr(event) for event in trace.events] != [], name
        assert [(each.kind, str(each.target), each.accesses, each.note) for each in trace.events] == [
            (each.kind, str(each.target), each.accesses, each.note) for each in failure.trace.events
        ], name


def test_what_is_looked_at_is_not_kept_alive() -> None:
    """A queue that goes away takes its items with it: their finalizers are steps, at the same place."""

    class Item:
        def __init__(self) -> None:
            self.lock = threading.Lock()

        def __del__(self) -> None:
            with self.lock:
                pass

    def body() -> None:
        items: queue.Queue[Item] = queue.Queue()
        items.put(Item())
        del items
        threading.Event().set()
        raise AssertionError

    failure = explore(body).failure
    assert failure is not None
    trace, states = watched(failure)
    assert [event.kind for event in trace.events[1:]] == [
        "queue.put", "lock.acquire", "lock.release", "event.set", "thread.end"
    ]
    assert "Queue 0.1" in values(states[0]) and "Queue 0.1" not in values(states[1])


def test_no_code_of_the_program_runs() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError("it was asked how it is written")

        __str__ = __len__ = __iter__ = __eq__ = __hash__ = __getattr__ = __repr__  # type: ignore

    @dataclasses.dataclass
    class Task:
        name: str
        odd: Any

    Pair = collections.namedtuple("Pair", "left right")

    def body() -> None:
        items: queue.Queue[object] = queue.Queue()
        for item in (Odd(), Task("write", Odd()), Pair(1, (Odd(),)), [Odd()], {"a": {1, 2}}, body, 10**100):
            items.put(item)
        raise AssertionError

    failure = explore(body).failure
    assert failure is not None
    _, states = watched(failure)
    [found] = states[-1].objects
    assert found.items == (
        "<Odd>", "Task(name='write', odd=<Odd>)", "Pair(left=1, right=(<Odd>,))", "[<Odd>]", "{'a': {1, 2}}",
        f"<function {body.__qualname__}>", "<int of 333 bits>",
    )


def test_a_value_is_written_in_one_short_line() -> None:
    nested: list[Any] = []
    nested.append(nested)
    assert describing.describe(nested) == "[[[…]]]"
    assert describing.describe(list(range(100))) == "[0, 1, 2, 3, 4, 5, 6, 7, …]"
    assert describing.describe(set(range(100))) == "{100 of them}"
    assert len(describing.describe("x" * 1000)) == 80
    assert describing.describe(Path("/a/b")) == "'/a/b'"
    assert [describing.describe(each) for each in ((), [], {}, set(), frozenset({1}), (1,), None)] == [
        "()", "[]", "{}", "set()", "frozenset({1})", "(1,)", "None"
    ]


def test_a_body_that_does_something_else_has_no_states_and_says_why() -> None:
    runs: list[int] = []

    def body() -> None:
        runs.append(0)
        if len(runs) > allowed:
            threading.Event().is_set()
        raise AssertionError("always")

    allowed = 100
    failure = explore(body).failure
    assert failure is not None
    allowed = 0
    failure.watch()
    assert failure._states == {} and "DivergenceError" in failure._why_not
    assert "DivergenceError" in failure.html()


def test_a_replayed_failure_is_watched_too() -> None:
    program = PROGRAMS["lost_update"]
    failure = replay(program.body, program.failure().schedule).failure
    assert failure is not None
    _, states = watched(failure)
    assert values(states[-1])["counter"] == "1"
