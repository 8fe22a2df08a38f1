"""The virtual clock: what it refuses, what it reads, and loops up to a deadline."""

from __future__ import annotations

import datetime
import linecache
import pickle
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from schedule_explorer import Verdict, explore
from schedule_explorer.interposition.clock import EPOCH


def raised(call: Callable[[], Any]) -> tuple[str, str]:
    try:
        call()
    except Exception as error:
        return type(error).__name__, str(error)
    return "", ""


@pytest.mark.parametrize("seconds", [-1, -0.5, "x", None, float("nan"), float("inf"), 1e11])
def test_sleep_refuses_what_the_real_one_refuses(seconds: Any) -> None:
    found: list[tuple[str, str]] = []
    explore(lambda: found.append(raised(lambda: time.sleep(seconds))), max_executions=1)
    assert found[0] == raised(lambda: time.sleep(seconds)) and found[0][0]


def test_a_day_passes_at_once_on_every_clock() -> None:
    def body() -> None:
        before = time.time(), time.monotonic(), time.perf_counter(), time.time_ns()
        assert before[0] == EPOCH and time.gmtime()[:6] == time.gmtime(EPOCH)[:6]
        time.sleep(86400)
        after = time.time(), time.monotonic(), time.perf_counter(), time.time_ns()
        assert [b - a for a, b in zip(before, after, strict=True)] == [86400, 86400, 86400, 86400 * 10**9]
        assert time.gmtime(None).tm_mday == time.gmtime(EPOCH).tm_mday + 1
        assert time.ctime() == time.ctime(EPOCH + 86400) == time.asctime()
        assert time.strftime("%d") == time.strftime("%d", time.localtime())
        assert time.clock_gettime(time.CLOCK_REALTIME) == time.time()
        assert time.process_time() == 0.0 and time.thread_time_ns() == 0

    started = time.perf_counter()
    assert explore(body).verdict is Verdict.PROVED
    assert time.perf_counter() - started < 60


@pytest.mark.parametrize("seconds", [0.1, 0.3, 1 / 3, 3600.1, 1e-13])
def test_loop_up_to_a_deadline_ends(seconds: float) -> None:
    """Sums of floats miss the deadline by less than the clock's grain: the rest must move it all the same."""

    def body() -> None:
        time.sleep(3600.7)
        event, rounds = threading.Event(), 0
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            event.wait(left)
            rounds += 1
        assert rounds <= 2

    assert explore(body).failure is None


def test_wait_for_gives_up_at_its_deadline() -> None:
    def body() -> None:
        condition = threading.Condition()
        before = time.monotonic()
        with condition:
            assert not condition.wait_for(lambda: False, 0.3)
        assert time.monotonic() - before == pytest.approx(0.3)

    assert explore(body).failure is None


def test_what_happened_before_is_not_later() -> None:
    def body() -> None:
        event = threading.Event()

        def late() -> None:
            time.sleep(5)
            event.set()

        thread = threading.Thread(target=late)
        thread.start()
        before = time.monotonic()
        event.wait()
        assert time.monotonic() - before == 5
        thread.join()

    assert explore(body).verdict is Verdict.PROVED


def test_the_real_clock_is_back() -> None:
    explore(lambda: time.sleep(1))
    assert abs(time.time() - EPOCH) > 1e6
    assert time.monotonic() != 1000.0


class Day(datetime.datetime):
    """A subclass keeps its class."""


def clocks() -> list[datetime.datetime]:
    """Read the time in every way that there is, bound early and late."""
    utc = datetime.UTC
    return [
        datetime.datetime.now(), datetime.datetime.today(), now(), early(), datetime.datetime.now(tz=None),
        datetime.datetime.now(utc).astimezone().replace(tzinfo=None), Day.now(), Day.today(),
        datetime.datetime.utcnow().replace(tzinfo=utc).astimezone().replace(tzinfo=None), Stamp().at,
    ]


now = datetime.datetime.now


@dataclass
class Stamp:
    at: datetime.datetime = field(default_factory=datetime.datetime.now)


def early(kind: Any = datetime.datetime) -> Any:
    return kind.now()


@pytest.mark.filterwarnings("ignore:.*utcnow:DeprecationWarning")
def test_dates_are_of_the_virtual_clock() -> None:
    held = datetime.datetime(2020, 2, 29)

    def body() -> None:
        begin = datetime.datetime.fromtimestamp(EPOCH)
        assert clocks() == [begin] * 10
        assert datetime.date.today() == begin.date()
        time.sleep(86400)
        assert clocks() == [begin + datetime.timedelta(days=1)] * 10
        assert datetime.date.today() == begin.date() + datetime.timedelta(days=1)
        assert datetime.datetime.now(datetime.UTC).timestamp() == time.time()
        assert datetime.datetime.utcnow().tzinfo is None
        with pytest.raises(TypeError):
            datetime.datetime.now("UTC")  # type: ignore[arg-type]

    def types() -> None:
        found = datetime.datetime.now()
        assert type(found) is type(held) is datetime.datetime and type(Day.now()) is type(Day.utcnow()) is Day
        assert isinstance(held, datetime.datetime) and isinstance(found, datetime.date)
        assert pickle.loads(pickle.dumps((held, found, Day.now()))) == (held, found, found)

    assert explore(body).verdict is Verdict.PROVED
    assert explore(types).verdict is Verdict.PROVED


@pytest.mark.parametrize("fails", [False, True])
def test_dates_are_real_again(fails: bool) -> None:
    def body() -> None:
        clocks()
        assert not fails

    explore(body)
    for read in (datetime.datetime.now(), now(), Day.now(), Stamp().at):
        assert abs(read.timestamp() - time.time()) < 600
    assert datetime.datetime.now.__self__ is datetime.datetime  # type: ignore[attr-defined]
    assert "schedule_explorer" not in repr(vars(datetime.datetime)["now"])


def test_source_lines_of_the_first_execution_are_no_steps() -> None:
    """They are read once."""

    def body() -> None:
        if not told:
            linecache.clearcache()
        try:
            raise ValueError("on purpose")
        except ValueError:
            told.append(traceback.format_exc())

    told: list[str] = []
    assert explore(body).verdict is Verdict.PROVED
    assert len(told) == 2 and 'raise ValueError("on purpose")' in told[0] == told[1]
