"""threading.Thread, Timer and what tells threads apart."""

from __future__ import annotations

import _thread
import threading

import pytest

from schedule_explorer import Verdict, explore


class Early(threading.Thread):
    """Defined before any exploration."""

    def __init__(self) -> None:
        super().__init__(name="early")
        self.ran = False

    def run(self) -> None:
        self.ran = True


def test_subclass_defined_before() -> None:
    def body() -> None:
        thread = Early()
        assert thread.ident is None and not thread.is_alive() and "initial" in repr(thread)
        thread.start()
        thread.join()
        assert thread.ran and not thread.is_alive()

    assert explore(body).verdict is Verdict.PROVED


def test_errors_of_start_and_join() -> None:
    def body() -> None:
        thread = threading.Thread(target=lambda: None)
        with pytest.raises(RuntimeError, match="cannot join thread before it is started"):
            thread.join()
        thread.start()
        with pytest.raises(RuntimeError, match="threads can only be started once"):
            thread.start()
        with pytest.raises(RuntimeError, match="cannot set daemon status of active thread"):
            thread.daemon = True
        with pytest.raises(RuntimeError, match="cannot join current thread"):
            threading.current_thread().join()
        thread.join()
        thread.join(0)

    assert explore(body).verdict is Verdict.PROVED


def test_daemon_is_inherited() -> None:
    def body() -> None:
        found: list[bool] = []

        def outer() -> None:
            inner = threading.Thread(target=lambda: None)
            found.append(inner.daemon)
            inner.start()
            inner.join()

        for daemon in (False, True):
            thread = threading.Thread(target=outer, daemon=daemon)
            thread.start()
            thread.join()
        assert found == [False, True]

    assert explore(body).verdict is Verdict.PROVED


def test_enumerate_tells_who_is_alive() -> None:
    seen = set()

    def body() -> None:
        thread = threading.Thread(target=lambda: None)
        thread.start()
        alive = threading.enumerate()
        assert alive[0] is threading.main_thread() is threading.current_thread()
        seen.add((len(alive), threading.active_count()))
        thread.join()
        assert threading.enumerate() == [threading.main_thread()]
        assert threading.main_thread().is_alive()
        assert threading.main_thread().ident == threading.get_ident() == _thread.get_ident()

    assert explore(body).verdict is Verdict.PROVED
    assert seen == {(1, 1), (2, 1), (2, 2)}


def test_timer_fires_or_is_cancelled() -> None:
    seen = set()

    def body() -> None:
        ran: list[int] = []
        timer = threading.Timer(10.0, ran.append, (1,))
        timer.start()
        timer.cancel()
        timer.join()
        seen.add(len(ran))

    assert explore(body).verdict is Verdict.PROVED
    assert seen == {0, 1}
    seen.clear()
    assert explore(body, timeouts="quiet").failure is None
    assert seen == {0}


def test_thread_started_below_threading_is_virtual() -> None:
    seen = set()

    def body() -> None:
        lock, found = threading.Lock(), []
        lock.acquire()

        def run(number: int, *, word: str) -> None:
            found.append((number, word, threading.get_ident()))
            assert threading.current_thread().daemon
            lock.release()

        ident = _thread.start_new_thread(run, (1,), {"word": "x"})
        lock.acquire()
        assert found == [(1, "x", ident)]
        seen.add(threading.current_thread().name)

    assert explore(body).verdict is Verdict.PROVED
    assert len(seen) == 1


@pytest.mark.parametrize("timeout", [None, 1.0])
def test_join_in_quiet_mode_is_order_only(timeout: float | None) -> None:
    def body() -> None:
        threads = [threading.Thread(target=lambda: None) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout)

    result = explore(body, timeouts="quiet")
    assert result.executions == 1 and "planned" not in result.reason
