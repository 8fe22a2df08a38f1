"""A scan of a directory is two steps, and a file object whose descriptor was closed spoils a proof."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schedule_explorer import Verdict, explore, fresh_dir

pytestmark = pytest.mark.usefixtures("interposed_once")


@pytest.mark.parametrize("names", (
    lambda path: [name for _, _, files in os.walk(path) for name in files],
    lambda path: [entry.name for entry in os.scandir(path)],
), ids=("walk", "scandir"))  # fmt: skip
def test_a_directory_is_renamed_between_its_opening_and_its_reading(names: Callable[[Path], Any]) -> None:
    def body() -> None:
        root = fresh_dir()
        (root / "in").mkdir()
        (root / "in" / "old").touch()

        def publish() -> None:
            os.rename(root / "in", root / "out")
            (root / "out" / "new").touch()

        thread = threading.Thread(target=publish)
        thread.start()
        try:
            seen = names(root / "in")
        except FileNotFoundError:
            seen = []
        thread.join()
        assert "new" not in seen

    assert explore(body).verdict is Verdict.FAILED


def test_what_the_scan_of_a_real_directory_reads_after_a_rename(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    scan = os.scandir(tmp_path / "in")
    os.rename(tmp_path / "in", tmp_path / "out")
    (tmp_path / "out" / "new").touch()
    assert [entry.name for entry in scan] == ["new"]


def _closed(file: Any) -> None:
    file.close()


def _dropped(file: Any) -> None:
    del file


def _read(file: Any) -> None:
    file.read()


@pytest.mark.parametrize("use", (_closed, _dropped, _read), ids=lambda use: use.__name__[1:])
def test_a_file_object_goes_down_to_a_descriptor_that_is_closed(use: Callable[[Any], None]) -> None:
    def body() -> None:
        root = fresh_dir()
        (root / "a").write_text("a")
        held = [open(root / "a")]
        os.close(held[0].fileno())

        def write() -> None:
            with open(root / "b", "w") as file:
                file.write("data")

        thread = threading.Thread(target=write)
        thread.start()
        try:
            use(held.pop())
        except OSError:
            pass
        thread.join()

    result = explore(body)
    assert result.verdict is Verdict.UNFINISHED and "descriptor that is closed is used at" in result.reason
    assert __file__ in result.reason
