"""Small failing programs, each with the one schedule that its golden explanation shows.

A schedule is a list of (tid, stop): run that thread until it is about to do an operation of the kind
`stop`, or for `stop` operations (its start is one), or where `stop` is None until it ends or waits. Golden
files thus do not depend on the order in which a strategy searches.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from schedule_explorer import Failure, SharedVariable, explore, fresh_dir
from schedule_explorer.runtime import Choice, Trace

Stop = tuple[int, str | int | None]


class Scripted:
    """A strategy that follows one schedule, and lowest thread first after its end."""

    exhaustive = False

    def __init__(self, schedule: list[Stop], others: dict[str, int]) -> None:
        self._schedule = schedule
        self._others = others
        self._left: list[Stop] = []

    def begin(self) -> bool:
        self._left = list(self._schedule)
        return True

    def choose(self, choice: Choice) -> int:
        if choice.kind != "thread":
            return self._others.get(choice.kind, 0)
        while self._left:
            tid, stop = self._left[0]
            thread = choice.execution.by_tid.get(tid)
            pending = thread.pending if thread is not None else None
            if tid in choice.options and pending is not None and stop not in (0, pending.kind):
                if isinstance(stop, int):
                    self._left[0] = (tid, stop - 1)
                return tid
            self._left.pop(0)
        return choice.options[0]

    def finish(self, trace: Trace) -> None:
        pass


@dataclass
class Program:
    """A body, the schedule under which it fails, and the choices that are not threads."""

    body: Callable[[], None]
    schedule: list[Stop]
    others: dict[str, int] = field(default_factory=dict)
    timeouts: str = "any"

    def failure(self) -> Failure:
        """Run it once, and return how it failed."""
        strategy = Scripted(self.schedule, self.others)
        result = explore(self.body, strategy, max_executions=1, timeouts=self.timeouts, simplify=0)
        assert result.failure is not None, "the schedule of this program no longer fails"
        return result.failure


def run(*targets: Callable[[], None]) -> None:
    """Run each target in a thread that bears its name, and join them all."""
    threads = [threading.Thread(target=target, name=target.__name__) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def lost_update() -> None:
    counter = SharedVariable(0, "counter")

    def first() -> None:
        counter.store(counter.load() + 1)

    def second() -> None:
        counter.store(counter.load() + 1)

    run(first, second)
    total = counter.load()
    assert total == 2, f"an update was lost: {total}"


def two_locks() -> None:
    accounts, journal = threading.Lock(), threading.Lock()

    def pay() -> None:
        with accounts, journal:
            pass

    def audit() -> None:
        with journal, accounts:
            pass

    run(pay, audit)


class Cache:
    """Writes what it is given in a thread of its own; `clear` empties the queue and the directory."""

    def __init__(self) -> None:
        self.root = fresh_dir() / "cache"
        os.mkdir(self.root)
        self.items: queue.Queue[str | None] = queue.Queue()
        self.writer = threading.Thread(target=self.write, name="writer")
        self.writer.start()

    def write(self) -> None:
        while (name := self.items.get()) is not None:
            with open(self.root / f"{name}.tmp", "w") as file:
                file.write(name)
            os.rename(self.root / f"{name}.tmp", self.root / name)

    def clear(self) -> None:
        while True:
            try:
                self.items.get_nowait()
            except queue.Empty:
                break
        for name in sorted(os.listdir(self.root)):
            os.unlink(self.root / name)


def orphan() -> None:
    cache = Cache()
    cache.items.put("first")
    cache.items.put("second")
    cache.clear()
    cache.items.put(None)
    cache.writer.join()
    left = sorted(os.listdir(cache.root))
    assert not left, f"left after clear(): {left}"


def vanished() -> None:
    root = fresh_dir() / "outbox"
    os.mkdir(root)

    def publish() -> None:
        (root / "draft").write_text("text")
        os.rename(root / "draft", root / "published")

    def sweep() -> None:
        for name in os.listdir(root):
            os.unlink(root / name)

    run(publish, sweep)


def wrong_waiter() -> None:
    changed = threading.Condition()
    served: SharedVariable[str] = SharedVariable("", "served")

    def wait() -> None:
        with changed:
            changed.wait()
            served.store(threading.current_thread().name)
            changed.notify()

    guests = [threading.Thread(target=wait, name=name) for name in ("early", "late")]
    for guest in guests:
        guest.start()
    with changed:
        changed.notify()
    guests[0].join()
    guests[1].join()
    assert served.load() == "late", f"{served.load()} was served last"


def impatient() -> None:
    answers: queue.Queue[str] = queue.Queue()

    def answer() -> None:
        answers.put("yes")

    helper = threading.Thread(target=answer, name="helper")
    helper.start()
    answers.get(timeout=2.0)
    helper.join()


def contended() -> None:
    lock = threading.Lock()
    total = SharedVariable(0, "total")

    def holder() -> None:
        with lock:
            total.store(total.load() + 1)

    def reader() -> None:
        seen = total.load()
        with lock:
            assert total.load() == seen, "the total changed"

    run(holder, reader)


def lost_wakeup() -> None:
    ready = threading.Condition()
    state = SharedVariable("cold", "state")

    def warm_up() -> None:
        state.store("warm")
        with ready:
            ready.notify()

    heater = threading.Thread(target=warm_up, name="heater")
    heater.start()
    if state.load() == "cold":
        with ready:
            ready.wait()


PROGRAMS: dict[str, Program] = {
    "lost_update": Program(lost_update, [(0, "thread.join"), (1, "store"), (2, None), (1, None)]),
    "deadlock": Program(
        two_locks, [(0, "thread.join"), (1, 2), (2, 2)],
    ),
    "orphan": Program(
        orphan, [(0, "queue.get_nowait"), (1, "open"), (0, "thread.join"), (1, None)],
    ),
    "exception_in_thread": Program(vanished, [(0, "thread.join"), (1, "rename"), (2, None), (1, None)]),
    "notify": Program(
        wrong_waiter,
        [(0, "lock.acquire"), (1, "condition.wake"), (2, "condition.wake"), (0, None)], {"notify": 1},
    ),
    "timed_wait": Program(impatient, [(0, None)]),
    "contended": Program(contended, [(0, "thread.join"), (1, "store"), (2, None), (1, None)]),
    "lost_wakeup": Program(lost_wakeup, [(0, "lock.acquire"), (1, None), (0, None)]),
}
