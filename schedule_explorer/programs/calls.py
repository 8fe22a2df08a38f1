"""A call, a program, and the one line in which people write it: ``save(x, 0) load(x, 0) | cleanup_all()``."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

#: an argument: a bare word in the one-line form is a string
Argument = str | int | bool | None
_NAME = re.compile(r"\s*([A-Za-z_]\w*)\(")
_WORD = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class Call:
    """One call of a client thread.

    Arguments:
        name: the method.
        arguments: its arguments, as the target's alphabet spells them.
    """

    name: str
    arguments: tuple[Argument, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join(_written(argument) for argument in self.arguments)})"


#: one tuple of calls for each client thread
Program = tuple[tuple[Call, ...], ...]


def text(program: Program) -> str:
    """Write a program in one line; `parse` reads it back."""
    return " | ".join(" ".join(str(call) for call in thread) for thread in program)


def parse(line: str) -> Program:
    """Read a program from one line.

    Raises:
        ValueError: the line is not one; the text says at which column, and what was expected.
    """
    threads: list[tuple[Call, ...]] = []
    calls: list[Call] = []
    at = 0
    while line[at:].strip():
        found = _NAME.match(line, at)
        if found is not None:
            arguments, at = _arguments(line, found.end())
            calls.append(Call(found[1], arguments))
            continue
        at += len(line[at:]) - len(line[at:].lstrip())
        if line[at] != "|":
            raise _wrong(line, at, "a call such as save(x, 0), or | before the next thread")
        threads.append(tuple(calls))
        calls = []
        at += 1
    return (*threads, tuple(calls))


def _arguments(line: str, at: int) -> tuple[tuple[Argument, ...], int]:
    """Read arguments from behind the opening bracket; return them and the index behind the closing one."""
    arguments: list[Argument] = []
    while True:
        at += len(line[at:]) - len(line[at:].lstrip())
        if at >= len(line):
            raise _wrong(line, at, "an argument or )")
        if line[at] == ")":
            return tuple(arguments), at + 1
        end = _end_of_argument(line, at)
        arguments.append(_read(line, at, line[at:end].strip()))
        at = end + (line[end] == ",")


def _end_of_argument(line: str, at: int) -> int:
    """Return the index of the comma or bracket behind an argument; those within quotes do not count."""
    quote = ""
    while at < len(line):
        char = line[at]
        if quote:
            if char == "\\":
                at += 1
            elif char == quote:
                quote = ""
        elif char in "'\"":
            quote = char
        elif char in ",)":
            return at
        at += 1
    raise _wrong(line, at, ", or )")


def _read(line: str, at: int, written: str) -> Argument:
    if _WORD.fullmatch(written) and written not in ("True", "False", "None"):
        return written
    try:
        value = ast.literal_eval(written)
    except (ValueError, SyntaxError):
        raise _wrong(line, at, "a word, a number, a quoted string, True, False or None") from None
    if value is not None and not isinstance(value, str | int):
        raise _wrong(line, at, "a word, a number, a quoted string, True, False or None")
    return value


def _written(argument: Argument) -> str:
    if isinstance(argument, str) and _WORD.fullmatch(argument) and argument not in ("True", "False", "None"):
        return argument
    return repr(argument)


def _wrong(line: str, at: int, expected: str) -> ValueError:
    met = repr(line[at : at + 12]) if at < len(line) else "the end"
    return ValueError(f"column {at + 1} of the program {line!r}: expected {expected}, met {met}")
