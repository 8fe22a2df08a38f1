"""The code blocks of the documents, and how each kind of them is run or checked.

=============  ===========================================================================================
block          what is done with it
=============  ===========================================================================================
``python``     executed; or, below a comment ``<!-- file: NAME -->``, written to that file, for what follows
``console``    each ``$ command`` is run where those files are, and what it prints is compared; a line
               ``...`` stands for any lines; ``TOKEN`` in a command is the last token that was printed
``sh``         not run, but each command exists, with its options and targets
``yaml``       parsed; the commands of its ``run:`` keys are checked like those of ``sh``
``toml``       parsed
``text``       drawings and formats; what README shows of a command is compared by test_readme
=============  ===========================================================================================

Times and tokens differ from run to run and are left out of every comparison.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from schedule_explorer.cli import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
KINDS = ("python", "console", "sh", "yaml", "toml", "text")
_FENCE = re.compile(r"(?:<!-- file: (\S+) -->\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TOKEN = re.compile(r"schedule1\.[\w-]+\.[\w-]+")
_VOLATILE = (
    (re.compile(r"schedule1\.\S+"), "<token>"),
    (re.compile(r"\b\d+\.\d+ ?s\b"), "<time>"),
    (re.compile(r"={3,}|-{3,}|_{3,}"), "<rule>"),
)


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, the file it is to be written to, and its line."""

    kind: str
    text: str
    file: str
    line: int


def blocks(document: Path) -> list[Block]:
    """Return the fenced blocks of a document, in order."""
    text = document.read_text()
    return [
        Block(found[2], found[3], found[1] or "", text[: found.start()].count("\n") + 1)
        for found in _FENCE.finditer(text)
    ]


def stable(text: str) -> str:
    """Leave out what differs from run to run."""
    lines = [line.rstrip() for line in text.strip().splitlines()]
    for pattern, name in _VOLATILE:
        lines = [pattern.sub(name, line) for line in lines]
    return "\n".join(lines)


def last_token(printed: str) -> str:
    """Return the last token in a text; empty where there is none."""
    return (_TOKEN.findall(printed) or [""])[-1]


def sessions(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block with what it is said to print."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def matches(shown: str, printed: str) -> bool:
    """Say whether `printed` is what a document shows; ``...`` on a line of its own is any number of lines."""
    lines = (
        r"(?:.*\n)*?" if line.strip() == "..." else re.escape(line) + r"\n"
        for line in stable(shown).splitlines()
    )
    return re.fullmatch("".join(lines), stable(printed) + "\n") is not None


# -- commands that are not run -------------------------------------------------------------------------------


def wrong_with(line: str, parser: Any) -> str:
    """Say what is wrong with a command; empty: nothing that can be known without running it.

    Arguments:
        line: as in a shell.
        parser: pytest's, with the options of its plugins.
    """
    words = shlex.split(line, comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        name = words.pop(0).partition("=")[0]
        readers = [ROOT / "Makefile", *(ROOT / "tests").glob("*/test_*.py")]
        if not any(name in path.read_text() for path in readers):
            return f"nothing looks at {name}"
    if not words:
        return ""
    command, *rest = words
    command = command.removeprefix(".venv/bin/")
    if command in ("python", "python3") and rest[:1] == ["-m"]:
        command, *rest = rest[1:]
    checks = {"make": _make, "schedule-explorer": _explorer, "pip": _pip}
    if command == "pytest":
        return _pytest(rest, parser)
    if command in checks:
        return checks[command](rest)
    if command in ("ruff", "mypy", "lint-imports"):
        return "" if shutil.which(command, path=str(Path(sys.executable).parent)) else "it is not installed"
    return "no such command is known: teach it to tests/documents.py"


def _make(words: list[str]) -> str:
    makefile = (ROOT / "Makefile").read_text()
    for word in words:
        name, assigned, _ = word.partition("=")
        if assigned and not re.search(rf"\$\(({name})\)", makefile):
            return f"the Makefile has no variable {name}"
        if not assigned and not re.search(rf"^{re.escape(word)}:", makefile, re.MULTILINE):
            return f"the Makefile has no target {word}"
    return ""


def _explorer(words: list[str]) -> str:
    command = app.commands.get(words[0]) if words else None
    if command is None:
        return f"schedule-explorer has no command {words[:1]}"
    try:
        command.make_context(words[0], words[1:]).close()
    except click.ClickException as error:
        told = error.format_message()
        # a file of the reader's
        return "" if told.endswith("does not exist.") else told
    return ""


def _pip(words: list[str]) -> str:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for word in words[1:]:
        for extra in re.findall(r"\w+", "".join(re.findall(r"\[(.*)\]", word))):
            if extra not in extras:
                return f"there is no extra {extra}"
    return "" if words[:1] == ["install"] else "only pip install is known"


def _pytest(words: list[str], parser: Any) -> str:
    try:
        parsed, unknown = parser.parse_known_and_unknown_args(words)
    except (pytest.UsageError, SystemExit) as error:
        return str(error)
    if unknown:
        return f"pytest has no {unknown}"
    missing = [path for path in parsed.file_or_dir if not (ROOT / path.partition("::")[0]).exists()]
    examples = ("tests/test_cache.py", "path")
    missing = [path for path in missing if path.partition("::")[0] not in examples]
    return f"there is no {missing}" if missing else ""


def commands_of(block: Block) -> list[str]:
    """Return the commands of a block of the kinds ``sh`` and ``yaml``."""
    text = block.text if block.kind == "sh" else "\n".join(_runs(yaml.safe_load(block.text)))
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def _runs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "run":
                yield str(inner)
            else:
                yield from _runs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _runs(inner)
