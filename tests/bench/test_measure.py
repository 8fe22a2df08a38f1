"""The measuring code: what it divides, what it calls reached, and that nothing is left out in silence."""

from __future__ import annotations

import json
import sys

import pytest

from bench import bare
from bench.__main__ import ROWS, main, measure
from bench.measure import NotMeasuredError, Options, Table, child, interleaved, ratio, resident_mib


def test_measurements_are_taken_in_turn_and_the_order_is_reversed() -> None:
    order: list[str] = []

    def taking(name: str) -> float:
        order.append(name)
        return float(len(order))

    taken = interleaved({"a": lambda: taking("a"), "b": lambda: taking("b")}, 3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert taken == {"a": [1, 4, 5], "b": [2, 3, 6]}


def test_a_ratio_is_the_median_of_the_turns() -> None:
    found = ratio("r", [1.0, 9.0, 4.0], [2.0, 3.0, 4.0])
    assert (found.value, found.low, found.high) == (1.0, 0.5, 3.0)


@pytest.mark.parametrize(
    ("value", "asked", "bound", "reached"),
    [
        (0.5, {}, "", None),
        (0.5, {"at_most": 1.0}, "", True),
        (1.5, {"at_most": 1.0}, "", False),
        (1.5, {"at_least": 1.0}, "", True),
        (0.5, {"at_least": 1.0}, "", False),
        (0.5, {"at_most": 1.0}, "<", True),
        (1.5, {"at_most": 1.0}, "<", None),
        (1.5, {"at_least": 1.0}, "<", None),
        (1.5, {"at_least": 1.0}, ">", True),
        (0.5, {"at_least": 1.0}, ">", None),
        (0.5, {"at_most": 1.0}, ">", None),
    ],
)
def test_what_is_reached(value: float, asked: dict[str, float], bound: str, reached: bool | None) -> None:
    assert ratio("r", [value], [1.0], bound=bound, **asked).reached is reached


@pytest.mark.parametrize(("over", "under"), [([], []), ([1.0], []), ([1.0], [0.0])])
def test_what_cannot_be_divided_is_not_measured(over: list[float], under: list[float]) -> None:
    with pytest.raises(NotMeasuredError, match="nothing to divide"):
        ratio("r", over, under)


def test_a_child_answers_with_its_last_line() -> None:
    code = "print('on the way'); print('{\"n\": 1}')"
    assert child([sys.executable, "-c", code], 60) == {"n": 1}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise SystemExit('no such thing')", "exit status 1: no such thing"),
        ("pass", "it said nothing"),
        ("print('words')", "printed 'words'"),
        ("print([1])", "printed"),
    ],
)
def test_a_child_that_fails_says_why(code: str, reason: str) -> None:
    with pytest.raises(NotMeasuredError, match=reason):
        child([sys.executable, "-c", code], 60)


def test_a_child_is_bounded() -> None:
    with pytest.raises(NotMeasuredError, match="was killed"):
        child([sys.executable, "-c", "import time; time.sleep(600)"], 0.2)


def test_a_command_that_is_not_there_says_so() -> None:
    with pytest.raises(NotMeasuredError, match="No such file"):
        child(["/nowhere/python", "-c", ""], 1)


def test_a_table_shows_lines_ratios_and_what_was_not_measured() -> None:
    table = Table("T", ["a", "b"], [["1", "2"]], [ratio("r", [3.0], [1.0], at_most=1.0)], ["n"], ["p"])
    text = table.text()
    assert "MISSED" in text and "note: n" in text and "NOT MEASURED: p" in text
    data = json.loads(json.dumps(table.data()))
    assert data["ratios"][0]["reached"] is False and data["problems"] == ["p"]


def test_a_row_that_cannot_be_measured_or_breaks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def impossible(options: Options) -> list[Table]:
        raise NotMeasuredError("no such tool")

    def broken(options: Options) -> list[Table]:
        raise ZeroDivisionError("oops")

    monkeypatch.setitem(ROWS, "impossible", impossible)
    monkeypatch.setitem(ROWS, "broken", broken)
    tables, whole = measure("impossible", Options())
    assert whole and tables[0].problems == ["no such tool"]
    tables, whole = measure("broken", Options())
    assert not whole and tables[0].problems == ["ZeroDivisionError: oops"]


def test_the_command_prints_tables_and_writes_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    monkeypatch.setitem(ROWS, "one", lambda options: [Table("T", problems=["p"])])
    path = f"{tmp_path}/results.json"
    assert main(["one", "--json", path]) == 0
    assert "0 reached, 0 missed, 1 not measured" in capsys.readouterr().out
    with open(path, encoding="utf-8") as file:
        assert json.load(file)["tables"][0]["title"] == "T"


def test_an_unknown_row_is_refused() -> None:
    with pytest.raises(SystemExit):
        main(["nonsense"])


def test_the_resident_set_is_a_size() -> None:
    assert 1 < resident_mib() < 100_000


def test_the_bare_programs_run_to_their_ends() -> None:
    assert bare.execute(bare.lastzero(3), bare.Random(0)) >= 7
    assert bare.execute(bare.mpat(2), bare.Random(1)) == 12
