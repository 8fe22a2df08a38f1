"""The name of a mistake: every program of a pattern gets its own, and what only looks alike gets none."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from build import trace
from patterns import NAMED, NAMELESS

from schedule_explorer import Failure, explore
from schedule_explorer.operations import READ, WRITE, Key
from schedule_explorer.reporting.conflict import Conflict
from schedule_explorer.reporting.pattern import find_pattern

pytestmark = pytest.mark.usefixtures("interposed_once")


def named(failure: Failure) -> str:
    """Return the line of the pattern; empty where there is none."""
    return "".join(re.findall(r"^The pattern: .*$", failure.explain(), re.MULTILINE))


@pytest.mark.parametrize("name, body", [(name, body) for name, bodies in NAMED.items() for body in bodies])
def test_pattern_is_named_with_its_threads_and_lines(name: str, body: Callable[[], None]) -> None:
    failure = explore(body).failure
    assert failure is not None
    line = named(failure)
    assert line.startswith(f"The pattern: {name}. ")
    # Every source line that it tells is one of the schedule's, and there are two threads at least.
    rest = failure.explain().replace(line, "")
    places = re.findall(r" at (\w+\.py:\d+)", line)
    assert len(places) >= 2
    assert [place for place in places if place not in rest] == []
    threads = [name for name in failure.trace.thread_names if re.search(rf"\b{re.escape(name)}\b", line)]
    assert len(threads) >= 2


@pytest.mark.parametrize("body", NAMELESS)
def test_what_only_looks_alike_has_no_name(body: Callable[[], None]) -> None:
    failures = explore(body, stop_at_first_failure=False, max_executions=25).failures
    assert failures
    assert [line for line in map(named, failures) if line] == []


def test_an_update_is_lost_only_by_a_store_without_a_new_load() -> None:
    for last, name in (("store", "lost update"), ("load", None), ("update", "check-then-act")):
        texts = ("T1 load x 7", "T2 store x", f"T1 {last} x 8", "T1 store x 9")
        made = trace(*texts, errors=((0, ValueError()),))
        found = find_pattern(made, Conflict((0, 1), stopped=True))
        assert (found.name if found else None) == name


def test_who_looked_at_a_file_without_reading_it_has_lost_no_update() -> None:
    for look, name in (("file.read", "lost update"), ("stat", "check-then-act")):
        made = trace("T1 load f", "T2 store f", "T1 store f", errors=((0, ValueError()),))
        for event, kind in zip(made.events, (look, "file.close", "open"), strict=True):
            event.kind, event.accesses = kind, ((("content", 1), event.accesses[0][1]),)
        found = find_pattern(made, Conflict((0, 1), stopped=True))
        assert found is not None and found.name == name


def test_operations_without_lines_have_no_name() -> None:
    made = trace("T1 load x", "T2 store x", "T1 store x", errors=((0, ValueError()),))
    assert find_pattern(made, Conflict((0, 1), stopped=True)) is not None
    made.events[2].frames = ()
    assert find_pattern(made, Conflict((0, 1), stopped=True)) is None


def test_two_additions_to_a_directory_do_not_answer_each_other() -> None:
    texts = ("T1 scandir x", "T2 add x", "T1 add x")
    made = trace(*texts, errors=((0, ValueError()),))
    assert find_pattern(made, Conflict((0, 1), stopped=True)) is None
    made.events[2].accesses = (("x", WRITE),)
    assert find_pattern(made, Conflict((0, 1), stopped=True)) is not None


def test_only_what_looks_is_a_check() -> None:
    made = trace("T1 scandir x", "T2 store x", "T1 store x", errors=((0, ValueError()),))
    assert find_pattern(made, Conflict((0, 1), stopped=True)) is not None
    made.events[0].kind = "thread.ident"
    assert find_pattern(made, Conflict((0, 1), stopped=True)) is None


def entry(name: str) -> Key:
    return ("entry", 1, name)


def test_a_name_that_was_made_again_was_not_cleaned_up() -> None:
    made = trace("T1 mkdir f", "T2 unlink f", "T1 scandir f", errors=((1, FileNotFoundError()),))
    for event in made.events:
        event.accesses = tuple((entry("f"), mode) for _, mode in event.accesses)
    made.events[2].note = "FileNotFoundError"
    found = find_pattern(made, Conflict((0, 1)))
    assert found is not None and found.name == "use after cleanup"
    # Another conflict is pointed at.
    assert find_pattern(made, Conflict((0, 2))) is None
    made.events[1].kind = "mkdir"
    assert find_pattern(made, Conflict((0, 1))) is None
    # A rename takes its source away.
    for target, named in (("d/f -> g", True), ("d/g -> f", False), ("d/f -> f", False)):
        made.events[1].kind, made.events[1].target = "rename", target
        assert (find_pattern(made, Conflict((0, 1))) is not None) is named


def test_what_is_published_is_the_last_name_of_a_path_and_part_of_the_conflict() -> None:
    texts = ("T1 mkdir d", "T2 scandir d", "T2 scandir data", "T1 mkdir data", "T3 store z", "T1 load z")
    made = trace(*texts, errors=((2, FileNotFoundError()),))
    for event in made.events[:4]:
        event.accesses = tuple((entry(str(event.target)), mode) for _, mode in event.accesses)
    made.events[2].note = "FileNotFoundError"
    found = find_pattern(made, Conflict((2, 3)))
    assert found is not None and found.name == "publish before ready"
    assert find_pattern(made, Conflict((4, 5))) is None
    made.events[1].accesses += ((entry("other"), READ),)
    assert find_pattern(made, Conflict((2, 3))) is None


def test_an_older_value_was_there_before_it_was_published() -> None:
    texts = ("T0 store q", "T1 store p", "T2 load p", "T2 load q", "T1 store q")
    made = trace(*texts, errors=((2, AssertionError()),))
    assert find_pattern(made, Conflict((3, 4))) is None
    made.events[0].accesses = ()
    found = find_pattern(made, Conflict((3, 4)))
    assert found is not None and found.name == "publish before ready"
    # What does not tell what is there cannot miss it.
    made.events[3].kind = "thread.ident"
    assert find_pattern(made, Conflict((3, 4))) is None
