"""The source lines that a page carries: those of its steps, and a few around each."""

from __future__ import annotations

import linecache
from typing import Any

from schedule_explorer.reporting.html.pages import printable
from schedule_explorer.runtime import Frames

#: lines before and after
AROUND = 4


class Sources:
    """Gathers the lines that are shown, file by file, each once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._files: list[dict[str, Any]] = []

    def frames(self, frames: Frames) -> list[list[Any]]:
        """Take in the lines of some frames; return [number of the file, line, function] for each."""
        return [[self._line(path, line), line, printable(function)] for path, line, function in frames]

    def as_data(self) -> list[dict[str, Any]]:
        """Return the files: the end of each one's path, and the text of its lines by number."""
        return self._files

    def _line(self, path: str, line: int) -> int:
        number = self._numbers.get(path)
        if number is None:
            number = self._numbers[path] = len(self._files)
            # The directory that it is in tells files of one name apart; more would tell of the machine.
            name = "/".join(path.replace("\\", "/").split("/")[-2:])
            self._files.append({"name": printable(name), "lines": {}})
        lines = self._files[number]["lines"]
        for near in range(max(1, line - AROUND), line + AROUND + 1):
            if str(near) not in lines:
                text = linecache.getline(path, near)
                if text:
                    lines[str(near)] = printable(text.rstrip("\r\n"))
        return number
