"""Steps of several operations, on traces made by hand; programs are in `test_log_handlers`."""

from __future__ import annotations

import pytest

from schedule_explorer.operations import READ, WRITE
from schedule_explorer.runtime import Compound, Event, Part, Trace
from schedule_explorer.strategies.compound import torn


def _trace(kinds: tuple[str, str], enabled: bool, region: str = "") -> Trace:
    """Thread 1 has a step of two operations, of which the second is in conflict; thread 2 comes after."""
    first, second = Event(0, 1, "step", ""), Event(1, 2, "load", "", (("x", READ),))
    first.accesses = (("x", WRITE),)
    if enabled:
        second.enabled_by = (0,)
    trace = Trace(events=[first, second], thread_names=["main", "one", "two"])
    regions = (region,) if region else ()
    trace.compound[0] = Compound((), [
        Part(kinds[0], "a", "", ()), Part(kinds[1], "b", "", (("x", WRITE),), regions),
    ])  # fmt: skip
    return trace


@pytest.mark.parametrize(
    ("kinds", "enabled", "found"),
    [
        (("queue.put", "store"), True, True),
        (("queue.put", "store"), False, False),
        (("load", "queue.put"), True, False),
        (("unheard of", "store"), True, True),  # one of the two lets it go on, and nobody knows which
        (("unheard of", "store"), False, False),
        (("logging", "store"), True, False),  # the lock alone is taken before
    ],
)
def test_what_lets_others_go_on_counts(kinds: tuple[str, str], enabled: bool, found: bool) -> None:
    assert bool(torn(_trace(kinds, enabled))) is found


def test_who_is_below_the_same_lock_does_not_come_between() -> None:
    trace = _trace(("queue.put", "store"), enabled=True, region="handler")
    assert torn(trace)
    trace.events[1].enabled_by = ()
    trace.compound[0].parts[0] = Part("store", "a", "", (("x", WRITE),), ("handler",))
    trace.compound[1] = Compound((), [Part("load", "c", "", (("x", READ),), ("handler",))])
    assert not torn(trace)
    trace.compound[1].parts[0].regions = ()
    assert torn(trace)
