"""What happens below the real lock of a log handler that was made before the exploration: one step."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from schedule_explorer import SharedVariable, explore, fresh_dir
from schedule_explorer.errors import StepLimitError
from schedule_explorer.exploration import Verdict


class Acting(logging.Handler):
    """Does what it was told to, below its lock."""

    def __init__(self) -> None:
        super().__init__()
        self.act: Callable[[], Any] = lambda: None

    def emit(self, record: logging.LogRecord) -> None:
        self.act()


log = logging.getLogger(__name__)
log.propagate = False
log.setLevel(logging.INFO)


@pytest.fixture
def early() -> Iterator[Acting]:
    handler = Acting()
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)


def _answers(handler: Acting | None) -> Callable[[], None]:
    """Say so, and wait for an answer, below the lock: there may be one, and it is said that there is not."""

    def body() -> None:
        started, answered = threading.Event(), threading.Event()
        got: list[bool] = []

        def act() -> None:
            started.set()
            got.append(answered.wait(3))

        def answer() -> None:
            started.wait()
            answered.set()

        mine = handler or Acting()
        mine.act = act
        if handler is None:
            log.addHandler(mine)
        try:
            thread = threading.Thread(target=answer)
            thread.start()
            log.info("")
            thread.join()
        finally:
            if handler is None:
                log.removeHandler(mine)
        assert not got[0]

    return body


@pytest.mark.parametrize("strategy", ["optimal-dpor", "sleep-set-dfs"])
def test_two_operations_that_others_may_come_between_are_no_proof(early: Acting, strategy: str) -> None:
    result = explore(_answers(early), strategy)
    assert result.verdict is Verdict.UNFINISHED
    assert "event.wait" in result.reason and "(act)" in result.reason
    assert "could come between with event.set" in result.reason
    assert "make the handler in the body" in result.reason


def test_a_handler_made_in_the_body_is_taken_apart() -> None:
    assert explore(_answers(None)).verdict is Verdict.FAILED


def test_one_operation_that_others_see_is_a_step(early: Acting) -> None:
    def body() -> None:
        records: queue.Queue[int] = queue.Queue()
        own = threading.Lock()

        def act() -> None:
            with own:  # nobody else takes it
                records.put(1)

        early.act = act
        thread = threading.Thread(target=log.info, args=("",))
        thread.start()
        seen = records.qsize()
        assert records.get() == 1 and seen in (0, 1)
        thread.join()

    result = explore(body)
    assert result.verdict is Verdict.PROVED and result.executions == 2


def test_threads_below_the_same_lock_do_not_come_between(early: Acting) -> None:
    def body() -> None:
        lock, counts = threading.Lock(), queue.Queue[int]()
        counts.put(0)

        def act() -> None:
            with lock:
                count = counts.get()
            with lock:
                counts.put(count + 1)

        early.act = act
        threads = [threading.Thread(target=log.info, args=("",)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert counts.get() == 2

    assert explore(body).verdict is Verdict.PROVED


def test_what_came_before_or_comes_after_does_not_come_between(early: Acting) -> None:
    def body() -> None:
        first, second = threading.Event(), threading.Event()

        def act() -> None:
            first.is_set()
            second.is_set()
            first.clear()
            second.clear()

        def settings() -> None:
            first.set()
            second.set()

        early.act = act
        for work in (settings, lambda: log.info(""), settings):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()

    assert explore(body).verdict is Verdict.PROVED


def test_handlers_within_each_other_are_no_proof(early: Acting) -> None:
    inner = logging.getLogger(f"{__name__}.inner")
    inner.propagate = False
    handler = Acting()
    inner.addHandler(handler)
    try:
        early.act = lambda: inner.warning("")
        result = explore(lambda: log.info(""))
    finally:
        inner.removeHandler(handler)
    assert result.verdict is Verdict.UNFINISHED and "two threads could wait for each other" in result.reason


@pytest.mark.parametrize("several", [False, True])
def test_operations_of_a_finalizer_are_part_of_the_call_that_drops_the_object(several: bool) -> None:
    class Dropped:
        def __init__(self, ready: threading.Event, done: threading.Event) -> None:
            self.ready, self.done = ready, done

        def __del__(self) -> None:
            self.ready.set()
            seen.append(self.done.is_set() if several else False)

    seen: list[bool] = []

    def body() -> None:
        seen.clear()
        ready, done = threading.Event(), threading.Event()
        kept: SharedVariable[Any] = SharedVariable(Dropped(ready, done))

        def other() -> None:
            ready.wait()
            done.set()

        thread = threading.Thread(target=other)
        thread.start()
        kept.store(None)
        thread.join()
        assert not seen[0]

    result = explore(body)
    if several:
        assert result.verdict is Verdict.UNFINISHED and "let a finalizer do less" in result.reason
    else:
        assert result.verdict is Verdict.PROVED


def _putting() -> tuple[Callable[[], Any], Callable[[], Any]]:
    items: queue.Queue[int] = queue.Queue()
    return lambda: items.put(1), items.get


def _putting_simply() -> tuple[Callable[[], Any], Callable[[], Any]]:
    items: queue.SimpleQueue[int] = queue.SimpleQueue()
    return lambda: items.put(1), items.get


def _releasing() -> tuple[Callable[[], Any], Callable[[], Any]]:
    permits = threading.Semaphore(0)
    return permits.release, permits.acquire


GIVING = [_putting, _putting_simply, _releasing]


@pytest.mark.parametrize("made", GIVING)
def test_what_lets_others_go_on_is_one_of_the_two(early: Acting, made: Callable[[], Any]) -> None:
    """Put and get are in no conflict, and yet what comes after the put is too late."""

    def body() -> None:
        give, take = made()
        value = SharedVariable(0)

        def act() -> None:
            give()
            value.store(1)

        def other() -> None:
            take()
            assert value.load() == 1

        early.act = act
        thread = threading.Thread(target=other)
        thread.start()
        log.info("")
        thread.join()

    result = explore(body)
    assert result.verdict is Verdict.UNFINISHED and "could come between with load" in result.reason


def test_a_thread_that_is_started_below_the_lock_goes_on_at_once(early: Acting) -> None:
    def body() -> None:
        value = SharedVariable(0)

        def look() -> None:
            assert value.load() == 1

        thread = threading.Thread(target=look)

        def act() -> None:
            thread.start()
            value.store(1)

        early.act = act
        log.info("")
        thread.join()

    assert explore(body).verdict is Verdict.UNFINISHED


@pytest.mark.parametrize("made", GIVING)
@pytest.mark.parametrize("closed", [False, True])
def test_a_file_that_is_closed_by_its_finalizer_only_after_others_go_on(
    made: Callable[[], Any], closed: bool
) -> None:
    def body() -> None:
        give, take = made()
        path = fresh_dir() / "x"

        def produce() -> None:
            file = open(path, "w")
            file.write("hello")
            if closed:
                file.close()
            give()

        def consume() -> None:
            take()
            assert path.read_text() == "hello"

        threads = [threading.Thread(target=produce), threading.Thread(target=consume)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    result = explore(body)
    assert result.verdict is (Verdict.PROVED if closed else Verdict.UNFINISHED), result.reason


def test_time_goes_on_below_the_lock(early: Acting) -> None:
    def body() -> None:
        never = threading.Event()

        def act() -> None:
            time.sleep(2)
            never.wait(3)

        early.act = act
        begun = time.monotonic()
        log.info("")
        assert time.monotonic() - begun == 5

    assert explore(body).verdict is Verdict.PROVED


def test_the_time_of_an_item_is_taken_over_below_the_lock(early: Acting) -> None:
    def body() -> None:
        items: queue.Queue[float] = queue.Queue()

        def put() -> None:
            time.sleep(10)
            items.put(time.monotonic())

        ages: list[float] = []

        def act() -> None:
            try:
                then = items.get_nowait()
            except queue.Empty:
                return
            ages.append(time.monotonic() - then)

        early.act = act
        thread = threading.Thread(target=put)
        thread.start()
        log.info("")
        thread.join()
        assert all(age >= 0 for age in ages), ages
        ages and witnesses.append(ages[0])

    witnesses: list[float] = []
    assert explore(body).verdict is Verdict.PROVED
    assert witnesses


def test_a_loop_that_nobody_can_end_is_named(early: Acting) -> None:
    def body() -> None:
        flag = threading.Event()

        def act() -> None:
            while not flag.wait(0.1):
                pass

        early.act = act
        threading.Thread(target=flag.set).start()
        log.info("")

    with pytest.raises(StepLimitError, match=r"event.wait .* \(act\): probably a loop"):
        explore(body, "random", max_executions=200, max_steps=500)
