"""Random small programs over every kind of operation, and what each of their executions ends in.

A program is data: for each thread a list of steps. Its body runs the steps and notes what each returned or
raised; the *final state* is those notes, the shared variables, the queues and the file tree. Two strategies
agree when they reach the same set of final states and deadlocks.
"""

from __future__ import annotations

import errno
import os
import queue
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from schedule_explorer import SharedVariable, explore, fresh_dir
from schedule_explorer.exploration import Result
from schedule_explorer.interposition.faults import may_fail, may_hang
from schedule_explorer.strategies import Strategy
from schedule_explorer.strategies.sleep_set_dfs import SleepSetDFS

Step = tuple[str, ...]

_PATHS = ("a", "b", "a/x", "a/y", "b/x", "a/d", "a/d/z")
FAMILIES: dict[str, list[tuple[str, ...]]] = {
    "variables": [("load",), ("store",), ("update",)],
    "locks": [("acquire",), ("release",), ("with",), ("try",), ("timed",), ("locked",), ("rlock",)],
    "queues": [("put",), ("get",), ("get_nowait",), ("get_timed",), ("qsize",), ("empty",), ("task_done",),
               ("qjoin",)],
    "bounded": [("bput",), ("bget",), ("bput_nowait",), ("bget_nowait",), ("bput_timed",), ("bget_timed",),
                ("bfull",), ("lput",), ("lget",)],
    "conditions": [("cwait",), ("cwait_timed",), ("cnotify",), ("cnotify_all",), ("cstore",)],
    "events": [("set",), ("clear",), ("is_set",), ("ewait",), ("ewait_timed",)],
    "semaphores": [("sacquire",), ("srelease",), ("stry",), ("stimed",), ("bsrelease",)],
    "files": [("mkdir",), ("create",), ("append",), ("rename",), ("replace",), ("unlink",), ("rmdir",),
              ("listdir",), ("stat",), ("exists",), ("rmtree",), ("read",), ("link",), ("makedirs",),
              ("replace_dir",)],
    "polls": [("pollq",), ("polle",), ("polls",), ("set",), ("put",), ("store",), ("clear",)],
    "threads": [("join",), ("join_timed",), ("alive",), ("sleep",), ("spawn",)],
    "starts": [("begin",), ("begin_alive",), ("begin_join",), ("begin_ident",), ("count",)],
}
#: steps whose outcome may be another one before a thread has started, or has ended
_LOOKS = frozenset(("join", "join_timed", "alive", *(step[0] for step in FAMILIES["starts"])))


_FAULTS: dict[str, Callable[[], None]] = {
    "full": lambda: may_fail(errno.ENOSPC, {"mkdir", "open", "write"}),
    "error": lambda: may_fail(errno.EIO, {"stat", "listdir", "scandir", "unlink", "rmdir"}, at_most=2),
    "hang": lambda: may_hang({"mkdir", "stat", "rename", "rmdir"}),
    "one": lambda: may_fail(errno.EIO, {"mkdir", "open", "rename", "stat"}, thread="Thread-1 (run)"),
}


@dataclass(frozen=True)
class Program:
    """What each thread does, the directories and files that are there at the start, and what may go wrong."""

    threads: tuple[tuple[Step, ...], ...]
    tree: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


def enumeration(program: Program) -> SleepSetDFS:
    """Enumerate without any reduction; starts and ends apart only where the program looks at threads."""
    looks = any(step[0] in _LOOKS for steps in program.threads for step in steps)
    return SleepSetDFS(reduce=False, at_once=not looks)


def generate(random: Random, families: tuple[str, ...] | None = None, *, faults: bool = False) -> Program:
    """Draw a program.

    Arguments:
        random: where from; the same seed gives the same program.
        families: names of `FAMILIES` to draw steps from; None draws one to three of them.
        faults: draw what may go wrong, too.
    """
    if families is None:
        families = tuple(random.sample(sorted(FAMILIES), random.choice((1, 1, 2, 3))))
    kinds = [step for name in families for step in FAMILIES[name]]
    # Threads that start others, and are looked at, have many interleavings.
    count = random.choice((2, 2, 2, 3, 3, 4) if "starts" not in families else (2,))
    most = {2: 4, 3: 3, 4: 2}[count] - faults if "starts" not in families else 2
    threads = tuple(
        tuple(_step(random, random.choice(kinds)) for _ in range(random.randint(1, most)))
        for _ in range(count)
    )
    tree = tuple(p for p in ("a", "b", "a/x", "a/d") if random.random() < 0.5)
    wrong = tuple(random.sample(sorted(_FAULTS), random.choice((1, 1, 2)))) if faults else ()
    return Program(threads, tuple(p for p in tree if "/" not in p or p.split("/")[0] in tree), wrong)


def _step(random: Random, kind: tuple[str, ...]) -> Step:
    name = kind[0]
    if kind in FAMILIES["files"]:
        return (name, random.choice(_PATHS), random.choice(_PATHS))
    return (name, str(random.randrange(2)), str(random.randrange(3)))


class _Runner:
    def __init__(self, program: Program, names: list[int]) -> None:
        self.names = names
        files = any((step[0],) in FAMILIES["files"] for steps in program.threads for step in steps)
        self.root = fresh_dir() if files else None
        if self.root is not None:
            for path in program.tree:
                if path == "a/x":
                    (self.root / path).write_text("x")
                else:
                    os.mkdir(self.root / path)
        self.variables = [SharedVariable(0), SharedVariable(0)]
        self.locks = [threading.Lock(), threading.Lock()]
        self.rlock = threading.RLock()
        self.queues: list[queue.Queue[str]] = [queue.Queue(), queue.Queue()]
        self.bounded: list[queue.Queue[str]] = [queue.Queue(1), queue.Queue(2)]
        self.lifo: queue.LifoQueue[str] = queue.LifoQueue()
        self.condition = threading.Condition()
        self.flag = [0]
        self.events = [threading.Event(), threading.Event()]
        self.semaphores = [threading.Semaphore(1), threading.Semaphore(2)]
        self.bounded_semaphore = threading.BoundedSemaphore(1)
        #: started by who is first
        self.late = [threading.Thread(target=lambda: self.variables[1].store(7)) for _ in range(2)]
        self.notes: list[list[str]] = [[] for _ in program.threads]
        for name in program.faults:
            _FAULTS[name]()
        self.threads = [
            threading.Thread(target=self.run, args=(i, steps))
            for i, steps in enumerate(program.threads)
        ]

    def run(self, index: int, steps: tuple[Step, ...]) -> None:
        for step in steps:
            try:
                result = getattr(self, "do_" + step[0])(self.names[index], *step[1:])
            except (OSError, RuntimeError, ValueError, queue.Empty, queue.Full) as error:
                result = type(error).__name__
            self.notes[index].append(f"{step[0]}={result}")

    # every method returns what is noted
    def do_load(self, i: int, a: str, b: str) -> Any:
        return self.variables[int(a)].load()

    def do_store(self, i: int, a: str, b: str) -> Any:
        self.variables[int(a)].store(int(b))

    def do_update(self, i: int, a: str, b: str) -> Any:
        return self.variables[int(a)].update(lambda v: v + int(b) + 1)

    def do_acquire(self, i: int, a: str, b: str) -> Any:
        return self.locks[int(a)].acquire()

    def do_release(self, i: int, a: str, b: str) -> Any:
        return self.locks[int(a)].release()

    def do_with(self, i: int, a: str, b: str) -> Any:
        with self.locks[int(a)]:
            return self.variables[0].update(lambda v: 2 * v + i)

    def do_try(self, i: int, a: str, b: str) -> Any:
        return self.locks[int(a)].acquire(blocking=False)

    def do_timed(self, i: int, a: str, b: str) -> Any:
        return self.locks[int(a)].acquire(timeout=1.0 + int(b))

    def do_locked(self, i: int, a: str, b: str) -> Any:
        return self.locks[int(a)].locked()

    def do_rlock(self, i: int, a: str, b: str) -> Any:
        with self.rlock, self.rlock:
            return self.variables[1].update(lambda v: 2 * v + i)

    def do_put(self, i: int, a: str, b: str) -> Any:
        self.queues[int(a)].put(f"{i}{b}")

    def do_get(self, i: int, a: str, b: str) -> Any:
        return self.queues[int(a)].get()

    def do_get_nowait(self, i: int, a: str, b: str) -> Any:
        return self.queues[int(a)].get_nowait()

    def do_get_timed(self, i: int, a: str, b: str) -> Any:
        return self.queues[int(a)].get(timeout=1.0)

    def do_qsize(self, i: int, a: str, b: str) -> Any:
        return self.queues[int(a)].qsize()

    def do_empty(self, i: int, a: str, b: str) -> Any:
        return self.queues[int(a)].empty()

    def do_task_done(self, i: int, a: str, b: str) -> Any:
        return self.queues[int(a)].task_done()

    def do_qjoin(self, i: int, a: str, b: str) -> Any:
        return self.queues[int(a)].join()

    def do_bput(self, i: int, a: str, b: str) -> Any:
        self.bounded[int(a)].put(f"{i}{b}")

    def do_bget(self, i: int, a: str, b: str) -> Any:
        return self.bounded[int(a)].get()

    def do_bput_nowait(self, i: int, a: str, b: str) -> Any:
        self.bounded[int(a)].put_nowait(f"{i}{b}")

    def do_bget_nowait(self, i: int, a: str, b: str) -> Any:
        return self.bounded[int(a)].get_nowait()

    def do_bput_timed(self, i: int, a: str, b: str) -> Any:
        self.bounded[int(a)].put(f"{i}{b}", timeout=1.0)

    def do_bget_timed(self, i: int, a: str, b: str) -> Any:
        return self.bounded[int(a)].get(timeout=1.0)

    def do_bfull(self, i: int, a: str, b: str) -> Any:
        return self.bounded[int(a)].full()

    def do_lput(self, i: int, a: str, b: str) -> Any:
        self.lifo.put(f"{i}{b}")

    def do_lget(self, i: int, a: str, b: str) -> Any:
        return self.lifo.get()

    def do_cwait(self, i: int, a: str, b: str) -> Any:
        with self.condition:
            self.condition.wait()
            return self.flag[0]

    def do_cwait_timed(self, i: int, a: str, b: str) -> Any:
        with self.condition:
            return self.condition.wait(timeout=1.0), self.flag[0]

    def do_cnotify(self, i: int, a: str, b: str) -> Any:
        with self.condition:
            self.condition.notify()

    def do_cnotify_all(self, i: int, a: str, b: str) -> Any:
        with self.condition:
            self.condition.notify_all()

    def do_cstore(self, i: int, a: str, b: str) -> Any:
        with self.condition:
            self.flag[0] = 3 * self.flag[0] + int(b)

    def do_set(self, i: int, a: str, b: str) -> Any:
        self.events[int(a)].set()

    def do_clear(self, i: int, a: str, b: str) -> Any:
        self.events[int(a)].clear()

    def do_is_set(self, i: int, a: str, b: str) -> Any:
        return self.events[int(a)].is_set()

    def do_ewait(self, i: int, a: str, b: str) -> Any:
        return self.events[int(a)].wait()

    def do_ewait_timed(self, i: int, a: str, b: str) -> Any:
        return self.events[int(a)].wait(timeout=2.0)

    def do_sacquire(self, i: int, a: str, b: str) -> Any:
        return self.semaphores[int(a)].acquire()

    def do_srelease(self, i: int, a: str, b: str) -> Any:
        return self.semaphores[int(a)].release()

    def do_stry(self, i: int, a: str, b: str) -> Any:
        return self.semaphores[int(a)].acquire(blocking=False)

    def do_stimed(self, i: int, a: str, b: str) -> Any:
        return self.semaphores[int(a)].acquire(timeout=1.0)

    def do_bsrelease(self, i: int, a: str, b: str) -> Any:
        if b == "0":
            return self.bounded_semaphore.acquire()
        return self.bounded_semaphore.release()

    def do_mkdir(self, i: int, a: str, b: str) -> Any:
        os.mkdir(self.root / a)

    def do_makedirs(self, i: int, a: str, b: str) -> Any:
        os.makedirs(self.root / a, exist_ok=True)

    def do_create(self, i: int, a: str, b: str) -> Any:
        with open(self.root / a, "w") as file:
            file.write(f"new{i}")

    def do_append(self, i: int, a: str, b: str) -> Any:
        descriptor = os.open(self.root / a, os.O_WRONLY | os.O_APPEND)
        os.write(descriptor, b"+%d" % i)
        os.close(descriptor)

    def do_read(self, i: int, a: str, b: str) -> Any:
        return (self.root / a).read_text()

    def do_rename(self, i: int, a: str, b: str) -> Any:
        os.rename(self.root / a, self.root / b)

    def do_replace(self, i: int, a: str, b: str) -> Any:
        os.replace(self.root / a, self.root / b)

    def do_replace_dir(self, i: int, a: str, b: str) -> Any:
        os.rename(self.root / "a", self.root / "c")

    def do_unlink(self, i: int, a: str, b: str) -> Any:
        os.unlink(self.root / a)

    def do_link(self, i: int, a: str, b: str) -> Any:
        os.link(self.root / a, self.root / b)

    def do_rmdir(self, i: int, a: str, b: str) -> Any:
        os.rmdir(self.root / a)

    def do_listdir(self, i: int, a: str, b: str) -> Any:
        return os.listdir(self.root / a)

    def do_stat(self, i: int, a: str, b: str) -> Any:
        return os.stat(self.root / a).st_size

    def do_exists(self, i: int, a: str, b: str) -> Any:
        return os.path.exists(self.root / a)

    def do_rmtree(self, i: int, a: str, b: str) -> Any:
        shutil.rmtree(self.root / a, ignore_errors=b < "a/y")

    def do_join(self, i: int, a: str, b: str) -> Any:
        return self.threads[int(b) % len(self.threads)].join()

    def do_join_timed(self, i: int, a: str, b: str) -> Any:
        return self.threads[int(b) % len(self.threads)].join(timeout=1.0)

    def do_alive(self, i: int, a: str, b: str) -> Any:
        return self.threads[int(b) % len(self.threads)].is_alive()

    def do_pollq(self, i: int, a: str, b: str) -> Any:
        found = []
        while not self.events[int(a)].is_set():
            try:
                found.append(self.queues[0].get(timeout=1.0))
            except queue.Empty:
                continue
        return found

    def do_polle(self, i: int, a: str, b: str) -> Any:
        while not self.events[int(a)].wait(timeout=1.0):
            pass
        return self.queues[0].qsize()

    def do_polls(self, i: int, a: str, b: str) -> Any:
        while self.variables[int(a)].load() == 0:
            time.sleep(0.5)

    def do_sleep(self, i: int, a: str, b: str) -> Any:
        before = time.monotonic()
        time.sleep(1.0 + int(b))
        return time.monotonic() - before

    def do_spawn(self, i: int, a: str, b: str) -> Any:
        thread = threading.Thread(target=lambda: self.variables[0].update(lambda v: v + 10))
        thread.start()
        if b == "0":
            thread.join()

    def do_begin(self, i: int, a: str, b: str) -> Any:
        self.late[int(a)].start()

    def do_begin_alive(self, i: int, a: str, b: str) -> Any:
        return self.late[int(a)].is_alive()

    def do_begin_join(self, i: int, a: str, b: str) -> Any:
        return self.late[int(a)].join()

    def do_begin_ident(self, i: int, a: str, b: str) -> Any:
        return self.late[int(a)].ident is None

    def do_count(self, i: int, a: str, b: str) -> Any:
        return threading.active_count()


def body_of(program: Program, finals: set[str], names: list[int] | None = None) -> Callable[[], None]:
    """Return a body that runs `program` and adds the final state of each execution to `finals`.

    Arguments:
        names: what each thread goes by in every note, for programs that differ only in creation order.
    """

    def body() -> None:
        from schedule_explorer.runtime import current_execution

        runner = _Runner(program, names or list(range(len(program.threads))))
        execution = current_execution()
        assert execution is not None

        def note() -> None:
            notes = sorted((name, *found) for name, found in zip(runner.names, runner.notes, strict=True))
            values = [v._value for v in runner.variables]
            queues = [list(q.queue) for q in (*runner.queues, *runner.bounded, runner.lifo)]
            flags = [runner.flag, [e._flag for e in runner.events], [s._value for s in runner.semaphores]]
            finals.add(repr((notes, values, queues, flags, _tree(runner.root))))

        execution.at_quiescence.append(note)
        for thread in runner.threads:
            thread.start()

    return body


def _tree(root: Any) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if root is not None:
        for directory, names, files in os.walk(root):
            for name in names:
                found.append((os.path.relpath(os.path.join(directory, name), root), "/"))
            for name in files:
                with open(os.path.join(directory, name)) as file:
                    found.append((os.path.relpath(os.path.join(directory, name), root), file.read()))
    return sorted(found)


def outcome(
    program: Program, strategy: str | Strategy, *, names: list[int] | None = None, **limits: Any
) -> tuple[Result, set[str]]:
    """Explore `program` and return the result and its set of final states."""
    finals: set[str] = set()
    result = explore(body_of(program, finals, names), strategy, stop_at_first_failure=False, **limits)
    return result, finals


def ended(result: Result, *, max_executions: int, time_limit: float) -> bool:
    """Say whether an exploration went to its end. Its reason does not tell: a failure hides the limit."""
    return result.executions < max_executions and result.seconds < time_limit
