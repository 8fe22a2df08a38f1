"""A process of the soak as the one that began it sees it: what it tells, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any


class Process:
    """A running `stress.soak_worker`.

    Arguments:
        base, seed, stores: as the worker takes them.

    Attributes:
        last: the last sample that it told; empty before the first.
    """

    def __init__(self, base: Path, seed: int, stores: int) -> None:
        self.last: dict[str, Any] = {}
        self._errors: list[str] = []
        self._seed = seed
        self._process = subprocess.Popen(
            [sys.executable, "-m", "stress.soak_worker", str(base), str(seed), str(stores)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=Path(__file__).parents[1], start_new_session=True,  # Ctrl-C is for the one that began it
        )  # fmt: skip
        self._told: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, daemon=True), threading.Thread(target=self._hear, daemon=True)
        ]  # fmt: skip
        for reader in self._readers:
            reader.start()

    @property
    def operations(self) -> int:
        """Calls that it made, as it told last."""
        return int(self.last.get("operations", 0))

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                told = json.loads(line)
            except ValueError:
                continue  # it was killed while it wrote
            if "error" in told:
                self._errors.append(str(told["error"]))
            else:
                self.last = told

    def _hear(self) -> None:
        assert self._process.stderr is not None
        self._told += self._process.stderr.readlines()

    def wrong(self) -> list[str]:
        """Return what is wrong: an answer of a store, or that it has ended before it was asked to."""
        code = self._process.poll()
        if code is None:
            return []
        self._join()
        return self._errors or [f"process {self._seed} ended with {code}: {''.join(self._told)[-2000:]}"]

    def close(self) -> None:
        """Ask it to shut its stores down and end."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            try:
                self._process.stdin.close()
            except OSError:
                pass  # it has ended

    def end(self, seconds: float) -> list[str]:
        """Wait until it has ended, as it was asked to; return what is wrong."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return [f"process {self._seed} did not end in {seconds:g} s"]
        self._join()
        return self.wrong() if code or self._errors else []

    def kill(self) -> None:
        """Kill it, if it has not ended."""
        self._process.kill()
        self._process.wait()
        self._join()
        self.close()

    def _join(self) -> None:
        for reader in self._readers:
            reader.join()
