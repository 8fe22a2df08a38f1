"""One run on real threads: what it sees, and what it does not look at too early."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from stress_toys import ONE, TWO, Anything, Toy

from schedule_explorer.campaigns.stress import NotForRealThreadsError, run_once
from schedule_explorer.campaigns.stress.runs import check_fit
from schedule_explorer.oracles import Recorded
from schedule_explorer.programs import find, parse
from schedule_explorer.targets.boundary_store.strict import StrictBoundaryStoreTarget


def names(run: Any) -> list[str]:
    return [symptom.name for symptom in run.symptoms]


def test_the_history_has_real_time(tmp_path: Path) -> None:
    """A call that has returned when another begins comes before it; those that meet overlap."""
    met = threading.Barrier(2)

    class Meeting(Toy):
        def perform(self, system: Any, recorded: Recorded) -> Any:
            met.wait(10)

    run = run_once(Meeting(), parse("touch(a) touch(b) | touch(a) touch(b)"), tmp_path)
    assert not run.symptoms
    by_thread = {n: sorted((c for c in run.history if c.thread == n), key=lambda c: c.began) for n in (0, 1)}
    for first, second in by_thread.values():
        assert first.began < first.returned < second.began < second.returned
    for one, other in zip(*by_thread.values(), strict=True):
        assert one.began < other.returned and other.began < one.returned
    assert [call.value for call in by_thread[0] + by_thread[1]] == [1, 2, 3, 4]


def test_clients_begin_when_all_are_there(tmp_path: Path) -> None:
    there: list[int] = []

    class Counting(Toy):
        def perform(self, system: Any, recorded: Recorded) -> Any:
            there.append(sum(thread.name.startswith("client-") for thread in threading.enumerate()))

    run_once(Counting(), parse("touch(a) | touch(a) | touch(a) | touch(a)"), tmp_path)
    assert there[0] == 4


def test_a_result_that_no_order_explains_is_a_failure(tmp_path: Path) -> None:
    class Wrong(Anything):
        def outcomes(self, state: None, recorded: Recorded) -> Any:
            yield None, "another"

    toy = Toy()
    toy.specification = Wrong()
    run = run_once(toy, ONE, tmp_path)
    assert names(run) == ["NotLinearizableError"] and "touch(a)" in run.symptoms[0].told
    assert toy.events == ["close"]


def test_errors_of_clients_and_of_other_threads_are_failures(tmp_path: Path) -> None:
    class Raising(Toy):
        def perform(self, system: Any, recorded: Recorded) -> Any:
            if recorded.call.arguments == ("a",):
                raise LookupError("of a client")
            thread = threading.Thread(target=lambda: 1 / 0)
            thread.start()
            thread.join()

    usual = threading.excepthook
    run = run_once(Raising(), TWO, tmp_path)
    assert sorted(names(run)) == ["LookupError", "ZeroDivisionError"]
    assert any("of a client" in symptom.told and "in perform" in symptom.told for symptom in run.symptoms)
    assert [call.returned is None for call in sorted(run.history, key=lambda c: c.thread)] == [True, False]
    assert threading.excepthook is usual


@pytest.mark.parametrize("method", ["make", "idle", "close"])
def test_an_object_that_cannot_be_made_or_closed_fails(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Toy, argument: object) -> None:
        raise ValueError("cannot")

    monkeypatch.setattr(Toy, method, fails)
    run = run_once(Toy(), ONE, tmp_path)
    assert names(run) == ["ValueError"] and not run.hung


def test_a_client_that_hangs_is_named_with_its_stack(tmp_path: Path) -> None:
    lock = threading.Lock()
    lock.acquire()

    class Hanging(Toy):
        def perform(self, system: Any, recorded: Recorded) -> Any:
            if recorded.call.arguments == ("b",):
                with lock:
                    return None

    toy = Hanging()
    run = run_once(toy, TWO, tmp_path, timeout=1.0)
    assert run.hung and names(run) == ["deadlock"]
    told = run.symptoms[0].told
    assert "client-1 did not end in 1 s" in told and "with lock:" in told and "client-0:" not in told
    assert not toy.events, "what hangs is not closed: that would hang too"
    lock.release()


def test_nothing_is_judged_before_the_object_is_at_rest(tmp_path: Path) -> None:
    class Late(Toy):
        def perform(self, system: Any, recorded: Recorded) -> Any:
            self.late = threading.Timer(0.1, (self.root / "orphan").touch)
            self.late.start()

        def idle(self, system: Any) -> bool:
            return not self.late.is_alive()

        def at_quiescence(self, system: Any, history: Any) -> None:
            assert not (self.root / "orphan").exists(), "left"

    assert names(run_once(Late(), parse("touch(a)"), tmp_path)) == ["AssertionError"]


def test_an_object_that_does_not_come_to_rest_hangs(tmp_path: Path) -> None:
    class Restless(Toy):
        def idle(self, system: Any) -> bool:
            return False

    run = run_once(Restless(), ONE, tmp_path, timeout=1.0)
    assert run.hung and names(run) == ["deadlock"] and "not at rest" in run.symptoms[0].told


def test_a_thread_that_is_left_is_a_leak(tmp_path: Path) -> None:
    go = threading.Event()

    class Leaking(Toy):
        def make(self, root: Path) -> Any:
            threading.Thread(target=go.wait, name="left over", daemon=True).start()
            return super().make(root)

    run = run_once(Leaking(), ONE, tmp_path, timeout=1.0)
    go.set()
    assert run.hung and names(run) == ["leak"] and "left over" in run.symptoms[0].told


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (StrictBoundaryStoreTarget(), "needs the explorer: it asks that no virtual time passes"),
        (find("original_store", bug="3"), "its disk fails or hangs when the explorer says so"),
        (find("original_store", bug="26"), "a store is dropped"),
        (object(), "says nothing about real threads: add needs_explorer"),
    ],
)
def test_targets_that_need_the_explorer_are_refused(target: object, said: str) -> None:
    with pytest.raises(NotForRealThreadsError, match=said):
        check_fit(target)


# -- the stores ------------------------------------------------------------------------------------------


def test_the_production_store_is_at_rest_when_its_writer_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _held(find("boundary_store"), tmp_path, monkeypatch, "store.writer.write_snapshot")


@pytest.mark.parametrize("name", ["original_store_before_fix", "original_store_after_fix"])
def test_the_original_store_is_at_rest_when_its_writer_is(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _held(find(name), tmp_path, monkeypatch, "safetensors.serialize_file")


def _held(target: Any, root: Path, monkeypatch: pytest.MonkeyPatch, write: str) -> None:
    """Hold the writer in its write: the store is not at rest; let it go: it comes to rest."""
    from schedule_explorer.campaigns.stress.runs import wait_until
    from schedule_explorer.oracles import History

    reached, go = threading.Event(), threading.Event()
    module, _, function = write.rpartition(".")
    real = getattr(__import__(module, fromlist=["_"]), function)

    def held(*arguments: Any) -> Any:
        reached.set()
        assert go.wait(20)
        return real(*arguments)

    system = target.make(root)
    assert wait_until(lambda: target.idle(system), 10)
    monkeypatch.setattr(write, held)
    ((save,),) = parse("save(x, 0)")
    history = History()

    def saved() -> None:
        recorded = history.begin(0, save, 1)
        history.end(recorded, target.perform(system, recorded))

    saved()
    assert not target.idle(system)
    assert reached.wait(10)
    time.sleep(0.02)
    assert not target.idle(system), "nothing is queued, and the writer is in the middle of a write"
    saved()
    assert not target.idle(system), "a save is queued"
    go.set()
    assert wait_until(lambda: target.idle(system), 10)
    target.close(system)
    assert target.idle(system)
