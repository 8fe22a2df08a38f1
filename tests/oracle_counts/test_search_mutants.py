"""Each step of the search is needed: without it a trace is lost, met twice or cut off."""

from __future__ import annotations

import queue
import threading
import time
from itertools import permutations
from typing import Any

import literature
import pytest
from random_programs import Program, outcome
from telling import searched, told_by_counts

from schedule_explorer import SharedVariable, explore
from schedule_explorer.runtime import Event, Trace
from schedule_explorer.strategies import optimal_dpor, wakeup_tree
from schedule_explorer.strategies.happens_before import HappensBefore
from schedule_explorer.strategies.optimal_dpor import OptimalDPOR

pytestmark = pytest.mark.usefixtures("interposed_once")


def test_without_the_race_of_a_thread_blocked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    def body() -> None:
        lock = threading.Lock()
        for _ in range(2):
            threading.Thread(target=lock.acquire).start()

    assert explore(body, stop_at_first_failure=False).deadlocks == 2
    monkeypatch.setattr(HappensBefore, "blocked_races", lambda self, blocked: [])
    assert explore(body, stop_at_first_failure=False).deadlocks == 1


def test_with_every_operation_held_to_be_reversible(monkeypatch: pytest.MonkeyPatch) -> None:
    def all_conflicts(self: HappensBefore, gate: Any, accesses: Any, clock: int) -> list[int]:
        return self._races(self._conflicts(accesses), clock)[1]

    monkeypatch.setattr(HappensBefore, "_through_gate", all_conflicts)
    assert told_by_counts("lockinc(3)", "philosophers(3)")


def test_without_sleep_at_the_branching_point(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimal_dpor, "_asleep", lambda sleep, label: False)
    plan = OptimalDPOR._plan

    def sleepless(self: OptimalDPOR, e: int, sequence: Any) -> None:
        frame = self._frames[e - 1]
        kept, frame.sleep = frame.sleep, {}
        try:
            plan(self, e, sequence)
        finally:
            frame.sleep = kept

    monkeypatch.setattr(OptimalDPOR, "_plan", sleepless)
    assert told_by_counts("lastzero(5)", "inc(3)")


def test_with_what_a_reordered_operation_did_taken_for_what_it_will_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def sure(self: OptimalDPOR, trace: Any, bit: int, event: Any, outcomes: Any = ()) -> wakeup_tree.Step:
        touched = self._footprints(event.accesses)
        return wakeup_tree.Step(bit, (event.tid, outcomes), touched, touched)

    # 1 looks whether the lock is held, 3 releases it for 2, 4 gives up waiting for it.
    program = Program((
        (("locked", "1", "1"), ("release", "0", "0")), (("rlock", "1", "1"), ("with", "1", "0")),
        (("release", "1", "0"),), (("timed", "1", "1"),),
    ))
    assert outcome(program, "optimal-dpor")[0].executions == 38
    assert outcome(program, "sleep-set-dfs")[0].executions == 38
    monkeypatch.setattr(OptimalDPOR, "_reordered", sure)
    assert outcome(program, "optimal-dpor")[0].executions < 38


def test_with_notdep_cut_off_at_the_later_event_of_the_race(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = OptimalDPOR._plan
    shorter = 0

    def cut(self: OptimalDPOR, e: int, v: wakeup_tree.Sequence) -> None:
        nonlocal shorter
        if v.new is not None and not v.first:
            kept = [f for f in v._events if f < v.new.bit]
            shorter += len(kept) < len(v._events)
            v = wakeup_tree.Sequence(kept, v._executed, v._before, v._of_thread, v.new)
        plan(self, e, v)

    def lost() -> bool:
        return any(
            searched(lambda order=order: literature.crossing(order)) != (24, 0, 0, 0)  # type: ignore[misc]
            for order in list(permutations(range(5)))[::7]
        )

    assert not lost()
    monkeypatch.setattr(OptimalDPOR, "_plan", cut)
    assert lost()
    assert shorter


def test_without_handing_sleep_sets_down(monkeypatch: pytest.MonkeyPatch) -> None:
    made = optimal_dpor._Frame.__init__

    def wide_awake(self: Any, options: Any, sleep: Any, children: Any, kind: str) -> None:
        made(self, options, {}, children, kind)

    monkeypatch.setattr(optimal_dpor._Frame, "__init__", wide_awake)
    assert told_by_counts("readers(3)")


def test_with_operations_asleep_by_what_they_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    note = OptimalDPOR._note

    def announced(self: OptimalDPOR, frame: Any, event: Event) -> None:
        note(self, frame, event)
        if event.bound:
            frame.footprint = self._footprints(event.bound)

    def twice_held() -> None:
        """Two that look at a held lock commute; each may also come after its release."""
        lock = threading.Lock()
        lock.acquire()
        literature.run_all(*[lambda: lock.acquire(timeout=1.0)] * 2, lock.release)

    count = searched(twice_held)
    assert explore(twice_held, "sleep-set-dfs").executions == count[0]
    monkeypatch.setattr(OptimalDPOR, "_note", announced)
    assert searched(twice_held) != count


def test_with_every_leaf_held_to_cover(monkeypatch: pytest.MonkeyPatch) -> None:
    # As above: what it does depends on the order, so a sleeping operation may or may not come before a leaf.
    program = Program((
        (("locked", "0", "2"), ("release", "1", "2")), (("locked", "0", "0"),),
        (("with", "0", "2"), ("rlock", "0", "0")), (("timed", "0", "1"), ("rlock", "1", "2")),
    ))
    assert outcome(program, "optimal-dpor")[0].executions == 54
    assert outcome(program, "sleep-set-dfs")[0].executions == 54
    monkeypatch.setattr(wakeup_tree, "_maybe_initial", lambda entry, path: False)
    assert outcome(program, "optimal-dpor")[0].executions < 54


def test_without_going_down_an_independent_branch(monkeypatch: pytest.MonkeyPatch) -> None:
    place = wakeup_tree.Sequence.place

    def only_its_own(self: wakeup_tree.Sequence, label: Any, footprint: Any) -> int | None:
        found = place(self, label, footprint)
        return None if found == -1 else found

    monkeypatch.setattr(wakeup_tree.Sequence, "place", only_its_own)
    assert told_by_counts("lastzero(3)", "POPL")


def test_with_a_new_branch_put_before_the_older_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    real = wakeup_tree.insert

    def in_front(nodes: list[Any], *arguments: Any) -> bool:
        before = len(nodes)
        inserted = real(nodes, *arguments)
        if len(nodes) > before:
            nodes.insert(0, nodes.pop())
        return inserted

    def readers() -> None:
        x = SharedVariable(0)
        literature.run_all(*[x.load] * 4, lambda: x.store(1))

    assert searched(readers) == (16, 0, 0, 0)
    monkeypatch.setattr(optimal_dpor, "insert", in_front)
    assert searched(readers) != (16, 0, 0, 0)


def test_with_a_gate_hidden_behind_what_opened_it(monkeypatch: pytest.MonkeyPatch) -> None:
    through = HappensBefore._through_gate

    def all_before(self: HappensBefore, gate: Any, accesses: Any, clock: int) -> list[int]:
        for earlier in self._conflicts(accesses):
            clock |= self.before[earlier] | 1 << earlier
        return through(self, gate, accesses, clock)

    monkeypatch.setattr(HappensBefore, "_through_gate", all_before)
    assert told_by_counts("lockinc(2)")


def test_without_the_races_of_expiries_at_quiescence(monkeypatch: pytest.MonkeyPatch) -> None:
    def body() -> None:
        x = SharedVariable(0)

        def late() -> None:
            time.sleep(1.0)
            x.store(1)

        literature.run_all(late, late)

    assert searched(body, "quiet") == (2, 0, 0, 0)
    monkeypatch.setattr(HappensBefore, "_last_forced", lambda self, event: [])
    assert searched(body, "quiet") == (1, 0, 0, 0)


def notify_one_of_two(woken: set[str]) -> None:
    condition = threading.Condition()

    def wait(name: str) -> None:
        with condition:
            condition.wait()
        woken.add(name)

    for name in "ab":
        threading.Thread(target=wait, args=(name,), daemon=True).start()
    with condition:
        condition.notify()


def test_without_the_other_outcomes_of_an_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    count = explore(lambda: notify_one_of_two(set()), stop_at_first_failure=False).executions
    assert count == explore(lambda: notify_one_of_two(set()), "sleep-set-dfs").executions
    plan = OptimalDPOR._plan
    monkeypatch.setattr(OptimalDPOR, "_plan", lambda self, e, v: None if v.first else plan(self, e, v))
    assert searched(lambda: notify_one_of_two(set()))[0] < count


def test_without_what_enabled_an_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    extend = HappensBefore.extend

    def unordered(self: HappensBefore, trace: Trace) -> None:
        for event in trace.events:
            event.enabled_by = ()
        extend(self, trace)

    def handed_over() -> None:
        x: SharedVariable[int] = SharedVariable(0)
        q: queue.Queue[int] = queue.Queue()
        literature.run_all(lambda: (x.store(1), q.put(1)), lambda: (q.get(), x.load()))

    assert searched(handed_over) == (1, 0, 0, 0)
    monkeypatch.setattr(HappensBefore, "extend", unordered)
    assert searched(handed_over) != (1, 0, 0, 0)


@pytest.mark.parametrize("reversible", [True, False])
def test_without_asking_what_let_a_parked_wait_move(
    reversible: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def polled() -> None:
        """Two stores, either of which lets each of two polls look again."""
        x, y = SharedVariable(0), SharedVariable(0)

        def poll() -> None:
            for _ in range(2):
                while y.load() == 0:
                    time.sleep(0.5)

        literature.run_all(lambda: (y.store(1), x.store(0)), lambda: y.store(2), poll)

    count = searched(polled)
    assert count[1:] == (0, 0, 0)
    assert explore(polled, "sleep-set-dfs").executions == count[0]
    monkeypatch.setattr(
        HappensBefore, "_reversible",
        lambda self, earlier, event: reversible or event.parked is None or bool(event.forced),
    )
    assert searched(polled) != count


def test_with_what_enabled_an_operation_held_to_be_in_its_place_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Of two permits either lets the timed acquire through, so it may come before the one that it took.
    program = Program((
        (("stimed", "0", "1"), ("spawn", "0", "1"), ("stimed", "0", "1")),
        (("srelease", "0", "0"), ("sacquire", "0", "1"), ("join", "1", "0")), (("join", "1", "1"),),
    ))
    assert outcome(program, "optimal-dpor")[0].executions == 6
    assert outcome(program, "sleep-set-dfs")[0].executions == 6
    look_back = HappensBefore._look_back

    def held(self: HappensBefore, event: Event, base: int) -> tuple[int, list[int]]:
        for earlier in event.enabled_by if event.gate is None else ():
            base |= self.before[earlier] | 1 << earlier
        return look_back(self, event, base)

    monkeypatch.setattr(HappensBefore, "_look_back", held)
    assert outcome(program, "optimal-dpor")[0].executions < 6
