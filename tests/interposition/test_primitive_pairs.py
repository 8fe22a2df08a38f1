"""Which outcomes two operations of a lock, condition, semaphore, event or barrier have: all, and no others.

Each program says in a comment why its outcomes are these. Plain enumeration (no reduction at all) is the
oracle of the dependence rules: what a reduced search does not find there, it has taken for independent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from outcomes import Notes, Programs, check, ends_in, tried

from schedule_explorer import SharedVariable

pytestmark = pytest.mark.usefixtures("interposed_once")

PROGRAMS: Programs = {}
LARGE = {"three_threads_two_at_a_time"}


# -- locks

@ends_in(PROGRAMS, "t=False", "t=True")
def try_acquire_against_hold(notes: Notes) -> list[Callable[[], object]]:
    # While the other holds it, or before and after.
    lock = threading.Lock()

    def hold() -> None:
        with lock:
            pass

    return [hold, lambda: notes.update(t=lock.acquire(False))]


@ends_in(PROGRAMS, "a=1 b=2", "a=2 b=1")
def lock_order(notes: Notes) -> list[Callable[[], object]]:
    # Who comes first counts first.
    lock, count = threading.Lock(), []

    def enter(name: str) -> None:
        with lock:
            count.append(1)
            notes[name] = len(count)

    return [lambda: enter("a"), lambda: enter("b")]


@ends_in(PROGRAMS, "a=False b=True", "a=True b=False", "a=True b=True")
def timed_acquires(notes: Notes) -> list[Callable[[], object]]:
    # One may give up while the other holds it; not both, for somebody holds it then.
    lock = threading.Lock()

    def enter(name: str) -> None:
        notes[name] = lock.acquire(timeout=1.0)
        if notes[name]:
            lock.release()

    return [lambda: enter("a"), lambda: enter("b")]


@ends_in(PROGRAMS, "l=False", "l=True")
def locked_against_hold(notes: Notes) -> list[Callable[[], object]]:
    lock = threading.Lock()

    def hold() -> None:
        with lock:
            pass

    return [hold, lambda: notes.update(l=lock.locked())]


@ends_in(PROGRAMS, "l=False", "l=True")
def acquire_after_locked(notes: Notes) -> list[Callable[[], object]]:
    # Found from the other side: the acquire must be seen to fit before the look.
    lock = threading.Lock()
    return [lambda: notes.update(l=lock.locked()), lock.acquire]


@ends_in(PROGRAMS, "r=None", "r=RuntimeError")
def release_of_a_foreign_lock(notes: Notes) -> list[Callable[[], object]]:
    # Before the acquire there is nothing to release; after it anybody may.
    lock = threading.Lock()
    return [lock.acquire, lambda: notes.update(r=tried(lock.release))]


# -- conditions

@ends_in(PROGRAMS, "w=None", "w=True")
def notify_against_wait(notes: Notes) -> list[Callable[[], object]]:
    # A notify that comes before the wait is lost, and the wait never ends.
    condition = threading.Condition()
    notes["w"] = None

    def wait() -> None:
        with condition:
            notes["w"] = condition.wait()

    def notify() -> None:
        with condition:
            condition.notify()

    return [wait, notify]


@ends_in(PROGRAMS, "a=None b=None", "a=True b=None", "a=None b=True")
def notify_with_two_waiters(notes: Notes) -> list[Callable[[], object]]:
    # None, or any one of those that wait.
    condition = threading.Condition()
    notes.update(a=None, b=None)

    def wait(name: str) -> None:
        with condition:
            notes[name] = condition.wait()

    def notify() -> None:
        with condition:
            condition.notify()

    return [lambda: wait("a"), lambda: wait("b"), notify]


@ends_in(PROGRAMS, "w=False", "w=True")
def timed_wait_against_notify(notes: Notes) -> list[Callable[[], object]]:
    condition = threading.Condition()

    def wait() -> None:
        with condition:
            notes["w"] = condition.wait(1.0)

    def notify() -> None:
        with condition:
            condition.notify()

    return [wait, notify]


@ends_in(PROGRAMS, "a=None t=False", "a=True t=False", "a=None t=True")
def notify_may_be_lost_on_a_wait_that_expired(notes: Notes) -> list[Callable[[], object]]:
    # Both never: one notify. None: it came first, or it picked the one that had run out of time.
    condition = threading.Condition()
    notes["a"] = None

    def wait(name: str, timeout: float | None) -> None:
        with condition:
            notes[name] = condition.wait(timeout)

    def notify() -> None:
        with condition:
            condition.notify()

    return [lambda: wait("a", None), lambda: wait("t", 1.0), notify]


@ends_in(PROGRAMS, "n=None w=None", "n=None w=True", "n=RuntimeError w=None")
def notify_by_one_who_does_not_hold_the_lock(notes: Notes) -> list[Callable[[], object]]:
    # A Lock does not know its owner: notifying is refused only while it is free. In between the waiter's
    # coming to the list and its release of the lock a notify wakes it.
    condition = threading.Condition(threading.Lock())
    notes["w"] = None

    def wait() -> None:
        with condition:
            notes["w"] = condition.wait()

    return [wait, lambda: notes.update(n=tried(condition.notify))]


# -- semaphores, events

@ends_in(PROGRAMS, "t=False", "t=True")
def try_acquire_against_release(notes: Notes) -> list[Callable[[], object]]:
    semaphore = threading.Semaphore(0)
    return [semaphore.release, lambda: notes.update(t=semaphore.acquire(False))]


@ends_in(PROGRAMS, "a=False b=True c=True", "a=True b=False c=True", "a=True b=True c=False")
def three_tries_for_two_permits(notes: Notes) -> list[Callable[[], object]]:
    semaphore = threading.Semaphore(2)
    return [lambda n=name: notes.update({n: semaphore.acquire(False)}) for name in "abc"]  # type: ignore[misc]


@ends_in(PROGRAMS, "p=1", "p=2")
def three_threads_two_at_a_time(notes: Notes) -> list[Callable[[], object]]:
    # The most that were inside at once: never three.
    semaphore, inside = threading.Semaphore(2), SharedVariable(0)
    notes["p"] = 0

    def enter() -> None:
        with semaphore:
            notes["p"] = max(notes["p"], inside.update(lambda n: n + 1) + 1)
            inside.update(lambda n: n - 1)

    return [enter, enter, enter]


@ends_in(PROGRAMS, "r=None", "r=ValueError")
def bounded_release_against_acquire(notes: Notes) -> list[Callable[[], object]]:
    semaphore = threading.BoundedSemaphore(1)
    return [semaphore.acquire, lambda: notes.update(r=tried(semaphore.release))]


@ends_in(PROGRAMS, "w=None", "w=True")
def pulse_against_wait(notes: Notes) -> list[Callable[[], object]]:
    # Set and cleared before the wait began, or not.
    event = threading.Event()
    notes["w"] = None

    def pulse() -> None:
        event.set()
        event.clear()

    return [pulse, lambda: notes.update(w=event.wait())]


@ends_in(PROGRAMS, "w=False", "w=True")
def timed_wait_against_set(notes: Notes) -> list[Callable[[], object]]:
    event = threading.Event()
    return [event.set, lambda: notes.update(w=event.wait(1.0))]


@ends_in(PROGRAMS, "s=False", "s=True")
def is_set_against_set(notes: Notes) -> list[Callable[[], object]]:
    event = threading.Event()
    return [event.set, lambda: notes.update(s=event.is_set())]


# -- barriers

@ends_in(PROGRAMS, "a=0 b=1", "a=1 b=0", "a=BrokenBarrierError b=BrokenBarrierError")
def barrier_with_a_time_limit(notes: Notes) -> list[Callable[[], object]]:
    # In either order; or one runs out of time, and the other finds the barrier broken.
    barrier = threading.Barrier(2, timeout=1.0)
    return [lambda: notes.update(a=tried(barrier.wait)), lambda: notes.update(b=tried(barrier.wait))]


@ends_in(PROGRAMS, "n=0", "n=1")
def n_waiting_against_wait(notes: Notes) -> list[Callable[[], object]]:
    barrier = threading.Barrier(2)
    return [barrier.wait, lambda: notes.update(n=barrier.n_waiting)]


@ends_in(PROGRAMS, "w=BrokenBarrierError")
def abort_against_wait(notes: Notes) -> list[Callable[[], object]]:
    barrier = threading.Barrier(2)
    return [lambda: notes.update(w=tried(barrier.wait)), barrier.abort]


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_outcomes(name: str) -> None:
    check(*PROGRAMS[name], large=name in LARGE)
