"""README shows what the command prints, to the character, and states the figures of reports/.

`make readme` (or ``UPDATE_GOLDEN=1 python -m pytest tests/test_readme.py``) writes those blocks anew.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from evidence.page import REPORTS
from evidence.summary import summary
from schedule_explorer.targets.original_store.__main__ import main

pytest_plugins = ["pytester"]
README = Path(__file__).parents[1] / "README.md"
BEGIN = "<!-- what `make explore` prints; `make readme` writes it -->\n```text\n"
END = "```\n<!-- end of what `make explore` prints -->\n"
FIGURES = "<!-- figures of reports/; `make readme` writes them -->\n"
END_OF_FIGURES = "<!-- end of the figures of reports/ -->\n"


def split(text: str, opening: str = BEGIN, closing: str = END) -> tuple[str, str, str]:
    """Return what is before, in and after the block, of which there must be one."""
    before, begin, rest = text.partition(opening)
    block, end, after = rest.partition(closing)
    assert begin and end and opening not in rest, "README has lost the markers of its block"
    return before, block, after


def without_token(text: str) -> str:
    """Leave out the token, which depends on the version of Python."""
    return re.sub(r"^schedule1\.\S+$", "<token>", text, flags=re.MULTILINE)


def test_readme_shows_the_failing_schedule_as_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0
    printed = capsys.readouterr().out
    before, block, after = split(README.read_text())
    if os.environ.get("UPDATE_GOLDEN"):
        README.write_text(before + BEGIN + printed + END + after)
        _, block, _ = split(README.read_text())
    assert without_token(block) == without_token(printed)


def test_readme_states_the_figures_of_the_reports() -> None:
    before, block, after = split(README.read_text(), FIGURES, END_OF_FIGURES)
    stated = summary()
    if os.environ.get("UPDATE_GOLDEN"):
        README.write_text(before + FIGURES + stated + END_OF_FIGURES + after)
        _, block, _ = split(README.read_text(), FIGURES, END_OF_FIGURES)
    assert block == stated


def test_readme_links_every_page_and_plot_of_the_reports() -> None:
    text = README.read_text()
    for page in REPORTS.glob("*.md"):
        assert f"(reports/{page.name})" in text, page.name
        text += page.read_text()
    for plot in REPORTS.glob("*.svg"):
        assert f"({plot.name})" in text, plot.name


@pytest.mark.parametrize("heading", ["Your flaky test, made deterministic", "The store in ten lines"])
def test_readme_code_runs_as_written(
    heading: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    section = README.read_text().split(f"## {heading}\n", 1)[1]
    code = section.split("```python\n", 1)[1].split("```", 1)[0]
    exec(compile(code, str(README), "exec"), {"__name__": "readme"})


def test_readme_test_fails_as_told_and_replays(pytester: pytest.Pytester) -> None:
    section = README.read_text().split("## Under pytest\n", 1)[1]
    pytester.makepyfile(test_readme=section.split("```python\n", 1)[1].split("```", 1)[0])
    told = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    told.assert_outcomes(failed=1)
    [token] = set(re.findall(r"^pytest (--replay=\S+) test_readme.py::test_saved$", told.stdout.str(), re.M))
    for options in ((token, "test_readme.py::test_saved"), ("--explore", ".")):
        pytester.runpytest_inprocess("-p", "no:cacheprovider", *options).assert_outcomes(failed=1)
