"""A program and its one line: each comes back from the other, and a wrong line is told by its column."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schedule_explorer.programs import Call, Program, parse, text

NAMES = st.from_regex(r"[A-Za-z_]\w{0,8}", fullmatch=True)
ARGUMENTS = st.one_of(st.integers(), st.booleans(), st.none(), st.text(max_size=6), NAMES)
CALLS = st.builds(Call, NAMES, st.lists(ARGUMENTS, max_size=3).map(tuple))
PROGRAMS = st.lists(st.lists(CALLS, max_size=3).map(tuple), min_size=1, max_size=3).map(tuple)


@given(PROGRAMS)
@example(((),))
@example(((), ()))
@example(((Call("f", ("True", "None", True, None, "a,b)", "it's", '"', "\\", "|", " x", "")),),))
def test_a_program_comes_back_from_its_line(program: Program) -> None:
    assert parse(text(program)) == program
    assert "\n" not in text(program)


@given(PROGRAMS)
def test_types_come_back_too(program: Program) -> None:
    """True equals 1, and is another argument."""
    (again,) = {repr(parse(text(program)))}
    assert again == repr(program)


@pytest.mark.parametrize(
    ("line", "program"),
    [
        ("save(x,0)|load(x , 0)", ((Call("save", ("x", 0)),), (Call("load", ("x", 0)),))),
        ("  f()g()  ", ((Call("f"), Call("g")),)),
        ("f(-3, 'x y')", ((Call("f", (-3, "x y")),),)),
        ("", ((),)),
        ("f() |", ((Call("f"),), ())),
    ],
)
def test_lines_as_people_write_them(line: str, program: Program) -> None:
    assert parse(line) == program


@pytest.mark.parametrize(
    ("line", "column", "expected", "met"),
    [
        ("save", 1, "a call such as save(x, 0)", "'save'"),
        ("f() ? g()", 5, "a call such as", "'? g()'"),
        ("f(", 3, "an argument or )", "the end"),
        ("f(x", 4, ", or )", "the end"),
        ("f('x", 5, ", or )", "the end"),
        ("f(x y)", 3, "a word, a number, a quoted string", "'x y)'"),
        ("f(1.5)", 3, "a word, a number, a quoted string", "'1.5)'"),
        ("f([1])", 3, "a word, a number, a quoted string", "'[1])'"),
        ("f(,)", 3, "a word, a number, a quoted string", "',)'"),
        ("f() g(x, ", 10, "an argument or )", "the end"),
        ("3()", 1, "a call such as", "'3()'"),
    ],
)
def test_errors_name_the_column_and_what_was_expected(
    line: str, column: int, expected: str, met: str
) -> None:
    with pytest.raises(ValueError) as raised:
        parse(line)
    told = str(raised.value)
    assert told.startswith(f"column {column} of the program")
    assert f"expected {expected}" in told and told.endswith(f"met {met}")
