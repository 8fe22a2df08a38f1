"""Small failing programs with the pattern that each is an instance of, and near misses, which have none."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable

from failing import lost_update, lost_wakeup, run, two_locks, vanished

from schedule_explorer import SharedVariable, fresh_dir


def lost_in_a_file() -> None:
    path = fresh_dir() / "total"
    path.write_text("0")

    def add() -> None:
        file = os.open(path, os.O_RDONLY)
        total = os.read(file, 10)
        path.write_text(f"{total.decode()} and 1")

    def add_ten() -> None:
        file = os.open(path, os.O_RDONLY)
        total = os.read(file, 10)
        path.write_text(f"{total.decode()} and 10")

    run(add, add_ten)
    assert path.read_text() in ("0 and 1 and 10", "0 and 10 and 1")


def overdrawn() -> None:
    balance = SharedVariable(10, "balance")

    def withdraw() -> None:
        if balance.load() >= 10:
            balance.update(lambda value: value - 10)

    def fee() -> None:
        if balance.load() >= 10:
            balance.update(lambda value: value - 10)

    run(withdraw, fee)
    assert balance.load() >= 0, f"the balance is {balance.load()}"


def exists_then_read() -> None:
    path = fresh_dir() / "config"
    path.write_text("a=1")

    def read() -> None:
        if path.exists():
            path.read_text()

    def clean() -> None:
        path.unlink()

    run(read, clean)


def missing_then_made() -> None:
    path = fresh_dir() / "total"

    def add() -> None:
        if not path.exists():
            path.write_text("0")

    def set_it() -> None:
        path.write_text("1")

    run(add, set_it)
    assert path.read_text() == "1"


def empty_then_get() -> None:
    jobs: queue.Queue[str] = queue.Queue()
    jobs.put("only one")

    def work() -> None:
        if not jobs.empty():
            jobs.get_nowait()

    def other() -> None:
        if not jobs.empty():
            jobs.get_nowait()

    run(work, other)


def closed_log() -> None:
    log = open(fresh_dir() / "log", "w", encoding="utf-8")

    def write() -> None:
        log.write("one line\n")

    def close() -> None:
        log.close()

    run(write, close)


def flag_first() -> None:
    ready, data = SharedVariable(False, "ready"), SharedVariable(None, "data")

    def produce() -> None:
        ready.store(True)
        data.store(42)  # type: ignore[arg-type]

    def consume() -> None:
        if ready.load():
            assert data.load() == 42

    run(produce, consume)


def marker_first() -> None:
    root = fresh_dir()

    def produce() -> None:
        (root / "done").touch()
        (root / "data").write_text("42")

    def consume() -> None:
        if (root / "done").exists():
            assert (root / "data").read_text() == "42"

    run(produce, consume)


def three_locks() -> None:
    locks = [threading.Lock() for _ in range(3)]

    def holder(first: int) -> Callable[[], None]:
        def take() -> None:
            with locks[first], locks[(first + 1) % 3]:
                pass

        return take

    run(holder(0), holder(1), holder(2))


# -- near misses ---------------------------------------------------------------------------------------------


def locked_update() -> None:
    """Nothing is lost: the assertion is wrong."""
    counter, lock = SharedVariable(0, "counter"), threading.Lock()

    def add() -> None:
        with lock:
            counter.store(counter.load() + 1)

    def add_too() -> None:
        with lock:
            counter.store(counter.load() + 1)

    run(add, add_too)
    assert counter.load() == 3


def blind_store() -> None:
    """The store has nothing to do with the load, which is in another function."""
    last = SharedVariable("nobody", "last")

    def look() -> str:
        return last.load()

    def first() -> None:
        look()
        last.store("first")

    def second() -> None:
        last.store("second")

    run(first, second)
    assert last.load() == "second"


def appended() -> None:
    """What was read does not matter to who appends."""
    path = fresh_dir() / "log"
    path.write_text("begin ")

    def one() -> None:
        path.read_text()
        with open(path, "a", encoding="utf-8") as file:
            file.write("one ")

    def two() -> None:
        with open(path, "a", encoding="utf-8") as file:
            file.write("two ")

    run(one, two)
    assert path.read_text() == "begin one two "


def polled() -> None:
    """A loop that looks again has not acted on what it saw."""
    over, seen = threading.Event(), SharedVariable(0, "seen")

    def poll() -> None:
        while not over.is_set():
            seen.store(seen.load() + 1)
            over.wait(1.0)

    thread = threading.Thread(target=poll, name="poll")
    thread.start()
    over.set()
    thread.join()
    assert not seen.load()


def read_twice() -> None:
    """Two looks and no act."""
    total = SharedVariable(0, "total")

    def reader() -> None:
        seen = total.load()
        assert total.load() == seen, "the total changed"

    def writer() -> None:
        total.store(1)

    run(reader, writer)


def missing_then_appended() -> None:
    """What the other thread wrote is kept."""
    path = fresh_dir() / "log"

    def add() -> None:
        if not path.exists():
            with open(path, "a", encoding="utf-8") as file:
                file.write("first\n")

    def other() -> None:
        with open(path, "a", encoding="utf-8") as file:
            file.write("other\n")

    run(add, other)
    assert path.read_text() == "other\n"


def never_there() -> None:
    """The file that is missed was removed by nobody."""
    root = fresh_dir()
    (root / "other").touch()

    def read() -> None:
        (root / "missing").read_text()

    def clean() -> None:
        (root / "other").unlink()

    run(read, clean)


def made_anew() -> None:
    """The file was removed, but by its own thread."""
    root = fresh_dir()
    (root / "state").touch()

    def clear() -> None:
        (root / "state").unlink()
        (root / "state").read_text()

    def look() -> None:
        (root / "state").exists()

    run(look, clear)


def ready_in_time() -> None:
    """The data was there before the flag; it is the value that the assertion does not like."""
    ready, data = SharedVariable(False, "ready"), SharedVariable(0, "data")

    def produce() -> None:
        data.store(41)
        ready.store(True)
        data.store(42)

    def consume() -> None:
        if ready.load():
            assert data.load() == 42

    run(produce, consume)


def no_flag() -> None:
    """Nothing was published: the consumer looks for the data at once."""
    data = SharedVariable(0, "data")

    def produce() -> None:
        data.store(42)

    def consume() -> None:
        assert data.load() == 42

    run(produce, consume)


def flag_of_another() -> None:
    """What was seen is not the work of the thread that came too late."""
    ready, data = SharedVariable(False, "ready"), SharedVariable(0, "data")

    def set_one(variable: SharedVariable[int], value: int) -> None:
        variable.store(value)

    def signal() -> None:
        set_one(ready, True)

    def produce() -> None:
        set_one(data, 42)

    def consume() -> None:
        if ready.load():
            assert data.load() == 42

    run(signal, produce, consume)


def waits_for_itself() -> None:
    """A ring of one thread: no order of locks would help."""
    lock = threading.Lock()

    def twice() -> None:
        with lock, lock:
            pass

    run(twice)


def joins_while_holding() -> None:
    """A ring of a lock and a join."""
    lock = threading.Lock()

    def work() -> None:
        with lock:
            pass

    thread = threading.Thread(target=work, name="work")
    thread.start()
    with lock:
        thread.join()


def nested_monitor() -> None:
    """A ring through the wake-up of a condition, whose lock was free while the thread waited."""
    outer, changed = threading.Lock(), threading.Condition(threading.Lock())
    waiting = SharedVariable(False, "waiting")

    def wait() -> None:
        with outer, changed:
            waiting.store(True)
            changed.wait()

    def notify() -> None:
        with changed:
            if waiting.load():
                changed.notify()
                with outer:
                    pass

    run(wait, notify)


#: name of the pattern -> programs
def computed_twice() -> None:
    values: dict[str, object] = {}
    computed: list[object] = []
    lock = threading.Lock()

    def get() -> None:
        with lock:
            if "a" in values:
                return
        value = object()
        with lock:
            values["a"] = value
            computed.append(value)

    run(get, get)
    assert len(computed) == 1


def rounds_under_a_lock() -> None:
    """Each round is whole in itself; what fails is that somebody else's comes in between."""
    turns: list[str] = []
    lock = threading.Lock()

    def take(name: str) -> None:
        for _ in range(2):
            with lock:
                turns.append(name)

    run(lambda: take("a"), lambda: take("b"))
    assert turns in (["a", "a", "b", "b"], ["b", "b", "a", "a"])


NAMED: dict[str, tuple[Callable[[], None], ...]] = {
    "lost update": (lost_update, lost_in_a_file),
    "check-then-act": (overdrawn, exists_then_read, missing_then_made, empty_then_get),
    "use after cleanup": (vanished, closed_log),
    "publish before ready": (flag_first, marker_first),
    "lock-order inversion": (two_locks, three_locks),
    "split critical section": (computed_twice,),
}
NAMELESS: tuple[Callable[[], None], ...] = (
    locked_update, blind_store, appended, polled, read_twice, missing_then_appended, never_there, made_anew,
    ready_in_time, no_flag, flag_of_another, waits_for_itself, joins_while_holding,
    nested_monitor, lost_wakeup, rounds_under_a_lock,
)  # fmt: skip
