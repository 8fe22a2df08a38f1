"""The data of a failure's page, and what the page has whether a browser is there or not."""

from __future__ import annotations

import html
import itertools
import json
import os
import re
import threading
from functools import cache
from pathlib import Path
from random import Random

import pytest
from failing import PROGRAMS, run

from schedule_explorer import Failure, SharedVariable, explore, fresh_dir
from schedule_explorer.reporting.html.edges import TRACKS, direct, lay_out
from schedule_explorer.reporting.html.failure import FailureData, failure_data
from schedule_explorer.reporting.html.pages import embedded, printable
from schedule_explorer.reporting.html.picture import draw
from schedule_explorer.runtime import Trace
from schedule_explorer.strategies.happens_before import HappensBefore

#: names and messages that would be markup, or turn the writing around
HOSTILE = (
    "</script><script>hacked = 1</script>", "<img src=x onerror=hacked=1>", "a\u202eb\x00\x1b[1m", "'\"&<!--",
)


def data_of(failure: Failure) -> FailureData:
    failure.watch()
    return failure_data(failure.trace, failure.error, failure.schedule, failure._states)


@cache
def failures() -> dict[str, Failure]:
    """Every failing program, once for all that only look."""
    return {name: program.failure() for name, program in PROGRAMS.items()}


def reach(trace: Trace, pairs: list[tuple[int, int]]) -> list[int]:
    """Return for each event the events before it, by program order and `pairs`, as masks."""
    masks: list[int] = []
    latest: dict[int, int] = {}
    for event in trace.events:
        earlier = [first for first, second in pairs if second == event.index]
        earlier += [latest[event.tid]] if event.tid in latest else []
        mask = 0
        for index in earlier:
            mask |= masks[index] | 1 << index
        masks.append(mask)
        latest[event.tid] = event.index
    return masks


def test_the_arrows_and_the_lanes_are_happens_before_and_none_is_too_many() -> None:
    for name, failure in failures().items():
        trace = failure.trace
        relation = HappensBefore()
        relation.extend(trace)
        pairs = direct(trace)
        assert reach(trace, pairs) == relation.before, name
        for pair in pairs:
            assert trace.events[pair[0]].tid != trace.events[pair[1]].tid
            assert reach(trace, [other for other in pairs if other != pair]) != relation.before, (name, pair)


def test_arrows_of_one_lane_have_tracks_of_their_own() -> None:
    random = Random(1)
    for _ in range(200):
        pairs = [(a, a + random.randint(1, 9)) for a in (random.randint(0, 30) for _ in range(8))]
        edges = lay_out(pairs, dict.fromkeys(range(50), 0), tracks=8)
        assert sorted((edge.earlier, edge.later) for edge in edges) == sorted(pairs)
        for one, other in itertools.combinations(edges, 2):
            if one.track == other.track:
                assert one.later <= other.earlier or other.later <= one.earlier
    crowded = lay_out([(0, 100 + place) for place in range(20)], dict.fromkeys(range(200), 0))
    assert {edge.track for edge in crowded} == set(range(TRACKS))


def test_every_step_has_a_row_and_every_arrow_is_whole() -> None:
    for name, failure in failures().items():
        data = data_of(failure)
        steps = [row.step for row in data.rows if row.step >= 0]
        assert steps == list(range(len(data.script["steps"]))), name
        place = {row.step: number for number, row in enumerate(data.rows) if row.step >= 0}
        picture = draw(data.lanes, data.rows, data.edges)
        for number, edge in enumerate(data.edges):
            passed = [row for row, wires in enumerate(picture.wires) if any(number in w.edges for w in wires)]
            assert passed == list(range(place[edge.earlier], place[edge.later] + 1)), (name, edge)
            head = picture.heads[place[edge.later]]
            assert head is not None and number in head.edges
            assert head.x == picture.life(data.rows[place[edge.later]].lane)
        for row in data.rows:
            assert not (row.quiet and any(row.step in (edge.earlier, edge.later) for edge in data.edges))


def test_the_rows_tell_what_the_text_tells() -> None:
    failure = failures()["lost_update"]
    data = data_of(failure)
    told = [(data.lanes[row.lane], row.text, row.note, row.mark) for row in data.rows if row.step >= 0]
    assert told == [
        ("main", "starts", "", 0), ("main", "thread.start first", "", 0),
        ("main", "thread.start second", "", 0),
        ("first", "starts", "", 0), ("first", "load counter", "", 1),
        ("second", "starts", "", 0), ("second", "load counter", "", 0), ("second", "store counter", "1", 2),
        ("second", "ends", "", 0), ("first", "store counter", "1", 0), ("first", "ends", "", 0),
        ("main", "thread.join first", "", 0), ("main", "thread.join second", "", 0),
        ("main", "load counter", "", 0), ("main", "ends", "", 0),
    ]
    remarks = [(data.lanes[lane], text, row.error) for row in data.rows for lane, text in row.remarks.items()]
    assert ("first", "preempted before store", False) in remarks
    assert ("main", "raises AssertionError", True) in remarks
    text = failure.explain()
    for lane, remark, error in remarks:
        assert error or remark in re.sub(r"\s+", " ", text), (lane, remark)
    assert data.head["conflict"] in text
    [first, second] = data.head["marked"]
    assert (first["thread"], second["thread"]) == ("first", "second")
    assert "counter.store(counter.load() + 1)" in first["where"]


def test_a_step_leads_to_its_source_and_to_its_state() -> None:
    data = data_of(failures()["orphan"])
    script = data.script
    assert json.loads(json.dumps(script)) == script
    for step in script["steps"]:
        for file, line, _ in step["frames"]:
            assert str(line) in script["sources"][file]["lines"]
        threads, objects, files = step["state"]
        assert len(script["states"]["threads"][threads]) >= 1
        assert script["states"]["objects"][objects] is not None
        assert script["states"]["files"][files] is not None
    rename = next(step for step in script["steps"] if step["text"].startswith("rename"))
    file, line, function = rename["frames"][0]
    assert script["sources"][file]["name"] == "reporting/failing.py" and function == "write"
    assert script["sources"][file]["lines"][str(line)].strip().startswith("os.rename(")
    assert ["file", "d0/cache/first", "5 B"] in script["states"]["files"][rename["state"][2]]
    # What stays as it is is written once.
    assert len(script["states"]["files"]) < len(script["steps"]) / 2


def hostile_failure(names: tuple[str, ...] = HOSTILE) -> Failure:
    """Fail with names and a message that a page must not take for its own."""

    def body() -> None:
        root = fresh_dir()
        cell = SharedVariable(names[0], names[1])

        def write() -> None:
            cell.store(cell.load() + names[0])
            (root / names[1]).write_text("x")
            os.mkdir(os.fsencode(root) + b"/\xff\xfe<b>")

        def other() -> None:
            cell.store(cell.load() + names[0])

        threads = [threading.Thread(target=each, name=name) for each, name in zip((write, other), names[1:],
                                                                                    strict=False)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert cell.load().count(names[0]) == 3, "".join(names)

    failure = explore(body).failure
    assert failure is not None
    return failure


def test_nothing_that_the_program_names_is_markup(tmp_path: Path) -> None:
    failure = hostile_failure()
    failure.write_html(tmp_path / "page.html", command=HOSTILE[0])
    page = (tmp_path / "page.html").read_bytes().decode("utf-8")
    assert page.count("<script") == page.count("</script>") == 2
    assert "<img" not in page and "\u202e" not in page and "\x00" not in page and "\x1b" not in page
    assert "&lt;img src=x onerror=hacked=1&gt;" in page
    assert os.listdir(tmp_path) == ["page.html"]


def test_what_is_not_to_be_seen_is_written_as_an_escape() -> None:
    assert printable("a\u202eb\tc\x1b") == "a\\u202eb c\\x1b"
    assert printable("\udcff") == "\\udcff" and printable("ä日\n") == "ä日\n"
    data = {"a": HOSTILE[0]}
    assert "<" not in embedded(data) and json.loads(embedded(data)) == data


@pytest.mark.parametrize("name", ["lost_update", "deadlock", "orphan"])
def test_a_page_needs_nothing_from_elsewhere_and_is_the_same_every_time(name: str) -> None:
    page = PROGRAMS[name].failure().html()
    assert not re.search(r"""https?://|\ssrc\s*=|@import|url\(|<link|\son\w+\s*=\s*["']""", page)
    assert "default-src 'none'" in html.unescape(page)
    assert page == PROGRAMS[name].failure().html()
    for outside in (os.getcwd(), "schedule-explorer-" + str(os.getpid())):
        assert outside not in page


def test_a_failure_without_states_has_its_steps_all_the_same() -> None:
    failure = PROGRAMS["lost_update"].failure()
    failure._watch = None
    data = failure_data(failure.trace, failure.error, failure.schedule, {}, "it was not run again")
    assert data.script["noStates"] == "it was not run again"
    assert all(step["state"] is None for step in data.script["steps"])
    assert "it was not run again" in failure_page_of(failure)


def failure_page_of(failure: Failure) -> str:
    failure._why_not = "it was not run again"
    return failure.html()


def test_a_page_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        failures()["lost_update"].write_html(tmp_path / "missing" / "page.html")


def test_every_error_of_an_execution_is_told() -> None:
    def fails() -> None:
        raise ValueError("of a thread")

    def body() -> None:
        run(fails)
        raise KeyError("of main")

    failure = explore(body).failure
    assert failure is not None
    data = data_of(failure)
    assert [error["kind"] for error in data.head["errors"]] == ["ValueError", "KeyError"]
    assert [row.remarks for row in data.rows if row.error] == [
        {1: "raises ValueError"}, {0: "raises KeyError"}
    ]
