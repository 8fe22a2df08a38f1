"""The rows of the table: which store, under what, and whether it is expected to fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: save, save, cleanup_all, shutdown: the flaky test that all this began with
RACE = "save(x, 0) save(x, 1) cleanup_all() shutdown(False)"
#: what showed the race most often of all that was tried
AMPLIFIED = ("yields", "slow-writer")
#: As in a server, snapshots are arrays: to compute them lets other threads run, and that is where it races.
ARRAYS = (("arrays", True),)


@dataclass(frozen=True)
class Row:
    """One loop.

    Arguments:
        target: its name.
        amplifiers: their names.
        program: the only one that is run; empty: all with two threads of two calls each.
        options: what the target is made with, besides those of the amplifiers.
        disk: the files are in the present directory, not on the fastest file system.
        fails: it is expected to.
    """

    target: str
    amplifiers: tuple[str, ...] = ()
    program: str = ""
    options: tuple[tuple[str, Any], ...] = ()
    disk: bool = False
    fails: bool = False

    @property
    def what(self) -> str:
        """Say what is run, in a word or two."""
        words = ["the race" if self.program else "all programs"]
        return ", ".join([*words, *(name for name, _ in self.options), *(["on disk"] if self.disk else [])])


ROWS: tuple[Row, ...] = (
    Row("original_store_before_fix", (), RACE, ARRAYS, fails=True),
    Row("original_store_before_fix", ("switch",), RACE, ARRAYS, fails=True),
    Row("original_store_before_fix", AMPLIFIED, RACE, ARRAYS, fails=True),
    Row("original_store_after_fix", (), RACE, ARRAYS),
    Row("original_store_after_fix", AMPLIFIED, RACE, ARRAYS),
    Row("original_store_after_fix", (*AMPLIFIED, "full-queue"), RACE, ARRAYS),
    Row("boundary_store", (), RACE, ARRAYS),
    Row("boundary_store", AMPLIFIED, RACE, ARRAYS),
    Row("boundary_store"),
    Row("boundary_store", disk=True),
    Row("boundary_store", ("switch", "yields")),
    Row("boundary_store", ("switch", "slow-writer", "gc")),
    Row("boundary_store", ("switch", "yields", "small-memory")),
    Row("boundary_store", ("switch", "gc"), options=ARRAYS),
    Row("boundary_store", ("switch", "hogs")),
)
