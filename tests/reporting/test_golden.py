"""What an explanation looks like, to the character.

After a wanted change of the format, write the files anew and read their difference:

    UPDATE_GOLDEN=1 python -m pytest tests/reporting/test_golden.py; git diff tests/reporting/golden
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from failing import PROGRAMS

from schedule_explorer import replay

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_explanation_is_as_in_its_golden_file(name: str) -> None:
    text, newline, token = PROGRAMS[name].failure().explain().rpartition("\n")
    assert token.startswith("schedule1.")
    # The token depends on the version of Python; that it replays is the next test.
    shown = f"{text}{newline}<token>\n"
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(shown)
    assert shown == file.read_text()


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_last_line_of_an_explanation_replays(name: str) -> None:
    program = PROGRAMS[name]
    failure = program.failure()
    text = failure.explain()
    again = replay(program.body, text.splitlines()[-1]).failure
    assert again is not None
    assert (type(again.error), str(again.error)) == (type(failure.error), str(failure.error))
    assert again.explain() == text


def test_every_golden_file_has_a_program() -> None:
    assert {file.stem for file in GOLDEN.glob("*.txt")} == set(PROGRAMS)


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_nothing_of_the_machine_is_shown(name: str) -> None:
    text = PROGRAMS[name].failure().explain()
    for part in (str(Path(__file__).parent), "/dev/shm", "/tmp", str(os.getpid()), "schedule-explorer-"):
        assert part not in text.rpartition("\n")[0]


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_rows_fit_the_width_and_have_no_trailing_blanks(name: str) -> None:
    lines = PROGRAMS[name].failure().explain().splitlines()
    ruler = next(number for number, line in enumerate(lines) if line.strip().startswith("-----"))
    rows = lines[ruler - 1 : -2]
    assert len(rows) > 4
    assert max(map(len, rows)) <= 120
    assert [line for line in lines if line != line.rstrip()] == []
