"""The journal: one line a finished program, written as it finishes; a campaign is taken up again from it.

The first line says what was verified: target, bounds, and a fingerprint of the code. A journal about
something else is refused: its outcomes would not be true here. A last line that is torn, because the machine
or the process died while it was written, is dropped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from schedule_explorer.campaigns.outcome import Limits, Outcome
from schedule_explorer.results import Verdict


class JournalMismatchError(Exception):
    """The journal is about something else, or is no journal."""


class Journal:
    """Outcomes in a file; a context manager.

    Arguments:
        path: the file; made when it is not there, with the directory that it is in.
        head: what was verified; values that JSON holds. An existing file must have the same.
        limits: of one program. An outcome that is unfinished counts only when its limits were these.
        fresh: begin anew, whatever the file has.

    Attributes:
        known: outcomes that the file had, by the text of the program.

    Raises:
        JournalMismatchError: see there; the text says which values differ.
    """

    def __init__(
        self, path: Path, head: Mapping[str, Any], limits: Limits, *, fresh: bool = False
    ) -> None:
        self.path = path
        self.known: dict[str, Outcome] = {}
        self._limits = [limits.seconds, limits.executions]
        path.parent.mkdir(parents=True, exist_ok=True)
        length = 0 if fresh or not path.exists() else self._read(dict(head))
        self._file: IO[bytes] = open(path, "r+b" if length else "wb")
        self._file.truncate(length)
        self._file.seek(length)
        if not length:
            self._put({"journal": 1, **head})

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def write(self, outcome: Outcome) -> None:
        """Append one outcome. It survives the death of this process at once."""
        self._put({
            "outcome": outcome.as_json(), "limits": self._limits, "seconds": round(outcome.seconds, 3),
        })  # fmt: skip

    def _put(self, value: dict[str, Any]) -> None:
        self._file.write(json.dumps(value, separators=(",", ":")).encode() + b"\n")
        self._file.flush()

    def _read(self, head: dict[str, Any]) -> int:
        """Read the file; return the length of what is whole, 0 when not even the first line is."""
        length = 0
        with open(self.path, "rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    break  # torn
                try:
                    value = json.loads(line)
                    if number == 1:
                        self._compare(value, head)
                    else:
                        self._take(value)
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    raise JournalMismatchError(
                        f"line {number} of {self.path} is not one of a journal ({error!r}): "
                        "begin anew with another file"
                    ) from None
                length += len(line)
        return length

    def _compare(self, found: dict[str, Any], head: dict[str, Any]) -> None:
        if found.pop("journal") != 1:
            raise ValueError("another version of the journal")
        wanted = json.loads(json.dumps(head))
        different = [
            f"{name} {found.get(name)!r} there, {wanted.get(name)!r} here"
            for name in sorted({*found, *wanted})
            if found.get(name) != wanted.get(name)
        ]
        if different:
            raise JournalMismatchError(
                f"{self.path} is the journal of another campaign: {'; '.join(different)}. "
                "Begin anew, or give another file"
            )

    def _take(self, value: dict[str, Any]) -> None:
        outcome = Outcome.from_json(value["outcome"], float(value["seconds"]))
        if Verdict(outcome.verdict) is not Verdict.UNFINISHED or value["limits"] == self._limits:
            self.known[outcome.program] = outcome
