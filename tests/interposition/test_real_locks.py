"""A real lock that no exploration can find is named; everything is put back."""

from __future__ import annotations

import _queue
import _thread
import contextlib
import functools
import gc
import io
import queue
import sched
import threading
import time
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from schedule_explorer import SharedVariable, Verdict, explore
from schedule_explorer.errors import UncontrolledBlockingError

HERE = r"test_real_locks\.py:\d+"


class Slotted:
    __slots__ = ("lock",)

    def __init__(self, lock: Any) -> None:
        self.lock = lock


MAKERS: dict[str, Callable[[], Any]] = {"Lock": threading.Lock, "RLock": threading.RLock}
#: a container within a container, where nothing looks
DEEP: tuple[dict[str, Any]] = ({name: make() for name, make in MAKERS.items()},)
STRIPES: list[Any] = [threading.RLock(), threading.Lock()]
TABLE: dict[str, Any] = {"one": threading.RLock(), "two": threading.Lock()}
SLOTTED = {name: Slotted(make()) for name, make in MAKERS.items()}
OBJECTS: list[Any] = [threading.Condition(), threading.Condition(threading.Lock())]
EVENTS, SEMAPHORES, QUEUES = [threading.Event()], [threading.Semaphore(1)], [queue.Queue[int]()]
SIMPLE = [_queue.SimpleQueue()]  # type: ignore[var-annotated]


def with_(lock: Any) -> None:
    with lock:
        pass


def acquire(lock: Any) -> None:
    lock.acquire()
    lock.release()


def attempt(lock: Any) -> None:
    if lock.acquire(blocking=False):
        lock.release()


def stack(lock: Any) -> None:
    with contextlib.ExitStack() as entered:
        entered.enter_context(lock)


def quietly(lock: Any) -> None:
    with contextlib.suppress(Exception):
        with_(lock)


def racing(take: Callable[[], Any]) -> Callable[[], None]:
    """Two read-modify-writes, each half below the lock: what the lock orders has to be explored."""

    def body() -> None:
        def work() -> None:
            take()

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return body


@pytest.mark.parametrize("use", [with_, acquire, attempt, stack, quietly])
@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("kept", [DEEP[0], SLOTTED], ids=["dict", "slots"])
def test_a_lock_that_only_a_container_or_a_slot_holds_is_named(
    kept: dict[str, Any], kind: str, use: Callable[[Any], None]
) -> None:
    def find() -> Any:
        held = kept[kind]
        return held.lock if isinstance(held, Slotted) else held

    lock = find()
    told = rf"(?s)Thread-\d.* real R?[Ll]ock at .*{HERE}.*global"
    with pytest.raises(UncontrolledBlockingError, match=told):
        explore(racing(lambda: use(find())))
    assert lock.acquire(blocking=False), "it was left locked"
    lock.release()


def test_locks_taken_in_opposite_orders_are_no_proof() -> None:
    """No step is made below them, so that no schedule would show the deadlock."""
    locks = [threading.Lock(), threading.Lock()]

    def body() -> None:
        def work(first: int) -> None:
            with locks[first], locks[1 - first]:
                pass

        threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    with pytest.raises(UncontrolledBlockingError, match=HERE):
        explore(body)


@pytest.mark.parametrize("held", [STRIPES, TABLE], ids=["list", "dict"])
def test_locks_in_a_list_or_dictionary_of_a_module_exclude_and_are_put_back(held: Any) -> None:
    keys = [0, 1] if type(held) is list else ["one", "two"]
    before = [held[key] for key in keys]
    for key in keys:
        result = explore(race_below(lambda: held[key].acquire(), lambda: held[key].release()))  # noqa: B023
        assert (result.verdict, result.executions) == (Verdict.PROVED, 2), result.reason

    def apart() -> None:
        numbers = iter(keys)
        lock_of = {index: held[key] for index, key in enumerate(numbers)}
        variable = SharedVariable(0)

        def work(index: int) -> None:
            with lock_of[index]:
                variable.store(variable.load() + 1)

        threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert variable.load() == 2, "an update was lost"

    assert explore(apart).verdict is Verdict.FAILED
    assert all(held[key] is lock for key, lock in zip(keys, before, strict=True))


def test_a_lock_that_is_only_looked_at_or_released_is_named() -> None:
    lock = DEEP[0]["Lock"]
    for use in (lambda: DEEP[0]["Lock"].locked(), lambda: DEEP[0]["Lock"].release()):
        with lock, pytest.raises(UncontrolledBlockingError, match=HERE):
            explore(racing(use))


def test_the_lock_of_a_queue_in_a_container_is_named() -> None:
    with pytest.raises(UncontrolledBlockingError, match=HERE):
        explore(racing(lambda: with_(QUEUES[0].mutex)))


@pytest.mark.parametrize("name", ["put", "get_nowait", "qsize", "empty"])
def test_a_simple_queue_in_a_container_is_named(name: str) -> None:
    arguments = (1,) if name == "put" else ()
    with pytest.raises(UncontrolledBlockingError, match=rf"SimpleQueue at .*{HERE}"):
        explore(racing(lambda: getattr(SIMPLE[0], name)(*arguments)))


def race_below(take: Callable[[], Any], drop: Callable[[], Any]) -> Callable[[], None]:
    def body() -> None:
        variable = SharedVariable(0)

        def work() -> None:
            take()
            variable.store(variable.load() + 1)
            drop()

        racing(work)()
        assert variable.load() == 2, "an update was lost"

    return body


CONDITION_METHODS = [
    pytest.param("__enter__", "__exit__", id="with"), pytest.param("acquire", "release", id="acquire")
]


@pytest.mark.parametrize(("take", "drop"), CONDITION_METHODS)
@pytest.mark.parametrize("index", [0, 1], ids=["RLock", "Lock"])
def test_a_condition_in_a_container_excludes(index: int, take: str, drop: str) -> None:
    condition = OBJECTS[index]
    arguments = (None, None, None) if drop == "__exit__" else ()
    body = race_below(lambda: getattr(condition, take)(), lambda: getattr(condition, drop)(*arguments))
    result = explore(body)
    assert (result.verdict, result.executions) == (Verdict.PROVED, 2), result.reason
    assert "acquire" not in vars(threading.Condition)
    assert type(condition.acquire).__name__ == "builtin_function_or_method"


def test_a_semaphore_in_a_container_excludes_and_an_event_orders() -> None:
    semaphore, event = SEMAPHORES[0], EVENTS[0]
    result = explore(race_below(semaphore.acquire, semaphore.release))
    assert result.verdict is Verdict.PROVED, result.reason

    def body() -> None:
        assert not event.is_set()
        thread = threading.Thread(target=event.set)
        thread.start()
        event.wait()
        thread.join()

    assert explore(body).verdict is Verdict.PROVED
    assert not event.is_set()


# -- locks of the standard library itself ------------------------------------------------------------------


def test_a_lock_of_the_library_below_which_no_step_is_made_is_not_named() -> None:
    scheduler = sched.scheduler()

    def body() -> None:
        racing(lambda: (scheduler.empty(), time.strptime("1", "%d")))()

    result = explore(body)
    assert result.verdict is Verdict.PROVED, result.reason


def test_a_step_below_a_lock_of_the_library_is_named(tmp_path: Any) -> None:
    path = tmp_path / "one.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("member", "text")
    flag = []

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if flag:
                flag[0].load()  # a step
            return super().read(size)

    archive = zipfile.ZipFile(Slow(path.read_bytes()))

    def body() -> None:
        flag[:] = [SharedVariable(0)]
        racing(lambda: archive.read("member"))()

    try:
        with pytest.raises(UncontrolledBlockingError, match=r"would be a step while a real lock.*zipfile"):
            explore(body)
    finally:
        flag.clear()


class Cached:
    def __init__(self) -> None:
        self.made = SharedVariable(0)

    @functools.cached_property
    def value(self) -> int:
        self.made.store(self.made.load() + 1)
        return 1


@pytest.mark.skipif(not hasattr(vars(Cached)["value"], "lock"), reason="it has a lock until Python 3.11")
def test_a_cached_property_excludes_where_it_has_a_lock() -> None:
    def body() -> None:
        cached = Cached()
        # Who looks before it is stored finds no value yet, and goes for the lock.
        racing(lambda: (cached.made.load(), cached.value))()
        assert cached.made.load() == 1, "it was made twice"

    result = explore(body)
    assert result.verdict is Verdict.PROVED and result.executions > 1, result.reason


def test_a_cached_property_of_a_class_of_the_body_is_no_real_lock() -> None:
    def body() -> None:
        class Made:
            variable = SharedVariable(0)

            @functools.cached_property
            def value(self) -> int:
                return int(self.variable.load())

        made = Made()
        racing(lambda: made.value)()

    result = explore(body)
    assert result.verdict is Verdict.PROVED, result.reason


# -- everything is put back --------------------------------------------------------------------------------


def test_the_types_get_their_own_methods_back() -> None:
    kinds: tuple[Any, ...] = (_thread.LockType, _thread.RLock, _queue.SimpleQueue)
    before = [dict(gc.get_referents(vars(kind))[0]) for kind in kinds]
    seen: list[str] = []

    def body() -> None:
        seen.append(type(_thread.LockType.acquire).__name__)
        with DEEP[0]["RLock"]:
            pass

    with pytest.raises(UncontrolledBlockingError):
        explore(body)
    assert seen == ["function"]
    assert [dict(gc.get_referents(vars(kind))[0]) for kind in kinds] == before
    assert type(DEEP[0]["Lock"].acquire).__name__ == "builtin_function_or_method"
    with DEEP[0]["Lock"], DEEP[0]["RLock"]:
        assert DEEP[0]["Lock"].locked()


TAKE, DROP = (lambda lock: (lock.acquire, lock.release))(threading.RLock())


def test_methods_that_a_module_bound_early_are_those_of_one_lock() -> None:
    result = explore(race_below(lambda: TAKE(), lambda: DROP()))
    assert (result.verdict, result.executions) == (Verdict.PROVED, 2), result.reason
