"""Every code block of the documents does what is said of it; see `documents` for how.

``UPDATE_GOLDEN=1 python -m pytest tests/test_docs.py`` writes what the commands print into the console
blocks that show nothing yet.
"""

from __future__ import annotations

import inspect
import linecache
import os
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

sys.path.insert(0, os.path.dirname(__file__))

from documents import DOCUMENTS, KINDS, ROOT, blocks, commands_of, last_token, matches, sessions, wrong_with

# In-process runs forget the modules that they import.
import schedule_explorer.plugin.running
from schedule_explorer import Verdict, explore
from schedule_explorer.cli import app, main
from schedule_explorer.cli_options import CODES, USAGE
from schedule_explorer.interposition.install import METHODS, PATCHES
from schedule_explorer.plugin import settings

pytest_plugins = ["pytester"]
PLAIN = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:xdist", "-p", "no:timeout",
         "-p", "no:repeat")
#: README's own blocks are run by test_readme
GUIDES = [document for document in DOCUMENTS if document.name != "README.md"]
REFERENCE = ROOT / "docs" / "reference.md"
named = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
assert schedule_explorer.plugin.running


@pytest.mark.parametrize("document", GUIDES, ids=lambda document: document.name)
def test_blocks_run_and_print_what_is_shown(
    document: Path, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    # What a reader of the document sees, wherever this runs: pytest shortens less where CI is set.
    for name in ("CI", "BUILD_NUMBER", "PYTEST_ADDOPTS", "FORCE_COLOR", "PY_COLORS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.syspath_prepend(pytester.path)
    token = ""
    for block in blocks(document):
        where = f"{document.name}:{block.line}"
        if block.file:
            (pytester.path / block.file).write_text(block.text)
        elif block.kind == "python":
            linecache.clearcache()
            code = compile("\n" * block.line + block.text, str(document), "exec")
            exec(code, {"__name__": "document"})
            capsys.readouterr()
        elif block.kind == "console":
            for command, shown in sessions(block.text):
                linecache.clearcache()
                capsys.readouterr()
                printed = run(command.replace("TOKEN", token), pytester, capsys)
                token = last_token(printed) or token
                if os.environ.get("UPDATE_GOLDEN") and not shown.strip():
                    fill(document, command, printed)
                else:
                    assert matches(shown, printed), f"{where}: $ {command} prints\n{printed}"


def run(command: str, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command in this process, where the files of the document are; return what it prints."""
    program, *words = shlex.split(command)
    if program == "pytest":
        printed = pytester.runpytest_inprocess(*PLAIN, *words).stdout.str()
        capsys.readouterr()
        return printed
    if program == "schedule-explorer":
        main(words)
        found = capsys.readouterr()
        return found.out
    assert command == "echo $?", f"{command} cannot be run here"
    return ""


def fill(document: Path, command: str, printed: str) -> None:
    shown = re.sub(r"(schedule1\.\w{8})\.[\w-]+", r"\1.…", printed.strip())
    text = document.read_text()
    document.write_text(text.replace(f"$ {command}\n```", f"$ {command}\n{shown}\n```", 1))


@named
def test_every_block_is_of_a_known_kind(document: Path) -> None:
    found = blocks(document)
    assert found
    assert [(block.line, block.kind) for block in found if block.kind not in KINDS] == []
    assert document.read_text().count("\n```") == 2 * len(found)
    for block in found:
        if block.kind == "yaml":
            assert yaml.safe_load(block.text)
        elif block.kind == "toml":
            assert tomllib.loads(block.text)


@named
def test_commands_that_are_not_run_exist(document: Path, request: pytest.FixtureRequest) -> None:
    wrong = []
    for block in blocks(document):
        if block.kind in ("sh", "yaml"):
            for line in commands_of(block):
                told = wrong_with(line, request.config._parser)
                if told:
                    wrong.append(f"{document.name}:{block.line}: {line}: {told}")
    assert wrong == []


@pytest.mark.parametrize(
    "line",
    ["make nothing", "make explore NOTHING=1", "schedule-explorer nothing",
     "schedule-explorer verify x --nothing", "schedule-explorer verify x --threads many",
     "pytest --explore-nothing", "pytest tests/test_nothing.py",
     "pip install '.[nothing]'", "nothing", "NOTHING_AT_ALL=1 make test"],
)  # fmt: skip
def test_a_wrong_command_is_told(line: str, request: pytest.FixtureRequest) -> None:
    assert wrong_with(line, request.config._parser)


def test_what_is_compared() -> None:
    assert matches("a\n...\nd 1.5 s\n", "a\nb\nc\nd 20.0 s")
    assert matches("schedule1.12345678.…", "schedule1.87654321.abc-d_e")
    assert not matches("a\n...\nd", "a\nb\nc")
    assert not matches("a", "a\nb")


@named
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text())
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (document.parent / link).exists()] == []


@named
def test_paths_that_are_named_exist(document: Path) -> None:
    found = set(re.findall(r"`((?:tests|schedule_explorer|docs)/[\w/.]+)`", document.read_text()))
    assert [path for path in found if not (ROOT / path).exists()] == []


def test_design_has_every_room_and_no_other() -> None:
    rooms = (ROOT / "docs" / "design.md").read_text().partition("```text\n")[2].partition("```")[0]
    told = set(re.findall(r"^  ([\w.]+)", rooms, re.MULTILINE))
    package = ROOT / "schedule_explorer"
    assert [name for name in told if not (package / name).exists()] == []
    there = {path.name for path in package.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert there - told == set()


def test_every_python_block_of_readme_is_one_that_test_readme_runs() -> None:
    assert [block.kind for block in blocks(DOCUMENTS[0])].count("python") == 3


def test_readme_links_every_document() -> None:
    text = (ROOT / "README.md").read_text()
    for document in GUIDES:
        assert f"]({document.relative_to(ROOT)})" in text


# -- the reference is complete, and names nothing that is not there ----------------------------------------


def options(request: pytest.FixtureRequest) -> Iterator[str]:
    """Yield every option of the command and of the pytest plugin."""
    for command in app.commands.values():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                yield from parameter.opts
    group = request.config._parser.getgroup("explore")
    for option in group.options:
        yield from option.names()


def test_reference_has_every_option_and_no_other(request: pytest.FixtureRequest) -> None:
    text = REFERENCE.read_text()
    known = {option for option in options(request) if option.startswith("--")}
    known |= {"--help", "--version"}
    told = set(re.findall(r"`(--[\w-]+(?:=(?:optimal-dpor|sleep-set-dfs|random|pct|pos)\b)?)", text))
    assert told == known


def test_reference_has_every_argument() -> None:
    text = REFERENCE.read_text()
    for name in (*inspect.signature(explore).parameters, *settings._ARGUMENTS):
        assert f"`{name}`" in text, name


def test_reference_has_every_interposed_function() -> None:
    text = REFERENCE.read_text()
    owners = ("os", "time", "fcntl", "threading", "queue", "uuid", "safetensors", "mlx.core", "mmap")
    for owner, name, _ in [*PATCHES, *METHODS]:
        shown = owner.__name__
        if name.startswith(("_", "supports_")):
            continue
        if shown in owners:
            assert re.search(rf"\b{name}\b", text), f"{shown}.{name}"
        elif isinstance(owner, type) and owner.__module__ in ("threading", "queue"):
            assert re.search(rf"\b{shown}\b", text), shown


def test_reference_has_verdicts_and_exit_codes() -> None:
    text = REFERENCE.read_text()
    for verdict in Verdict:
        assert f"| {CODES[verdict]} | `{verdict.value}`" in text
    assert f"| {USAGE} | wrong usage" in text


def test_reasons_are_those_of_the_code() -> None:
    section = REFERENCE.read_text().partition("### Reasons\n")[2].partition("\n#")[0]
    reasons = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
    assert len(reasons) >= 8
    source = "\n".join(path.read_text() for path in (ROOT / "schedule_explorer").rglob("*.py"))
    source = re.sub(r'"\s*\n\s*f?"', "", source)
    for reason in reasons:
        for part in re.split(r"N|…", reason):
            assert part.strip() in source, reason
