"""What the commands share: exit codes, options, the console, and how a target is found."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from schedule_explorer.programs import UnknownTargetError, find, parse
from schedule_explorer.programs.calls import Argument
from schedule_explorer.results import Verdict

PROVED, FAILED, UNFINISHED, USAGE = 0, 1, 2, 64
CODES = {Verdict.PROVED: PROVED, Verdict.FAILED: FAILED, Verdict.UNFINISHED: UNFINISHED}
#: where journals, and files about failures, go when nobody says
JOURNALS = Path(".schedule_explorer")
#: columns of a table where there is no terminal
PLAIN_WIDTH = 100


class Values(click.ParamType):  # type: ignore[type-arg] # older releases have no argument
    """Values of a domain, with commas: words are strings, digits numbers."""

    name = "VALUE,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Argument, ...]:
        """Read them as arguments of a call are read."""
        try:
            ((call,),) = parse(f"values({value})")
        except ValueError:
            self.fail(f"{value!r} is no list of words or numbers with commas", param, ctx)
        if not call.arguments:
            self.fail("give one value or more", param, ctx)
        return call.arguments


POSITIVE = click.IntRange(min=1)
SECONDS = click.FloatRange(min=0, min_open=True)
ids_option = click.option(
    "--ids", type=Values(), help="Ids of the calls, such as x,y, if the target takes them."
)
keys_option = click.option("--keys", type=Values(), help="Keys of the calls, such as 0,1, if it takes them.")
bug_option = click.option(
    "--bug", help="The target with this bug, by number or name, if the target has a choice."
)
json_option = click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the result there too."
)


def output(*, stderr: bool = False) -> Console:
    """Return a console for a terminal, or for plain lines of a fixed width elsewhere. Heeds NO_COLOR."""
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=PLAIN_WIDTH)


def options_of(
    ids: tuple[Argument, ...] | None, keys: tuple[Argument, ...] | None, bug: str | None = None
) -> dict[str, Any]:
    given = (("ids", ids), ("keys", keys), ("bug", bug))
    return {name: value for name, value in given if value is not None}


def as_given(program: str | None, options: dict[str, Any]) -> list[str]:
    """Return the options of a program on a target, as the command line takes them."""
    written = [] if program is None else ["--program", program]
    for name, value in options.items():
        written += [f"--{name}", value if isinstance(value, str) else ",".join(map(str, value))]
    return written


def target_of(name: str, options: dict[str, Any]) -> Any:
    try:
        return find(name, **options)
    except (UnknownTargetError, ValueError) as error:
        raise click.UsageError(str(error)) from None


def write_json(file: Path | None, value: dict[str, Any]) -> None:
    """Write JSON; the file is whole or is not there."""
    if file is None:
        return
    part = file.with_name(f"{file.name}.part")
    try:
        part.write_text(json.dumps(value, indent=2) + "\n")
        os.replace(part, file)
    except OSError as error:
        raise click.UsageError(f"{file} cannot be written: {error}") from None
