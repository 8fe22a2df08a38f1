"""README shows what the command prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from schedule_explorer.targets.original_store.__main__ import main


def test_readme_shows_the_failing_schedule_as_printed(capsys: pytest.CaptureFixture[str]) -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    assert main() == 0
    printed = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("schedule1.")]
    missing = [line for line in printed if line not in readme.splitlines()]
    assert missing == []
