"""Where figures come from: the command, the versions, the machine's size, the commit."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
#: distributions that figures may depend on
_VERSIONS = ("schedule-explorer", "greenlet", "hypothesis", "pytest", "safetensors", "mlx")


@dataclass(frozen=True)
class Stamp:
    """What a reader needs to make a page again.

    Attributes:
        command: in the project's root.
        commit: of the tree that was run, with ``+changes`` where a file that is no evidence differed from it.
        python: the interpreter and its version.
        versions: of the libraries, by name.
        system: the operating system and the processor's kind.
        cores: that may be used.
        memory_gib: of the machine; 0 where it is not told.
        date: of the day on which it was run, UTC.
        load: average over the last minute as it began: figures of time need a machine at rest.
    """

    command: str
    commit: str
    python: str
    versions: dict[str, str]
    system: str
    cores: int
    memory_gib: float
    date: str
    load: float

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self)

    def markdown(self) -> str:
        """Return the last lines of a page."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return "\n".join([
            "---",
            "",
            f"Made by `{self.command}` at commit `{self.commit}` on {self.date}: {self.python}, {versions}; "
            f"{self.system}, {self.cores} cores, {self.memory_gib:g} GiB, load {self.load:g} as it began.",
        ])  # fmt: skip


def stamp(command: str) -> Stamp:
    """Look at this machine and tree.

    Arguments:
        command: that makes the page.
    """
    try:
        load = round(os.getloadavg()[0], 1)
    except OSError:
        load = 0.0
    return Stamp(
        command, _commit(), f"{platform.python_implementation()} {platform.python_version()}",
        {name: version for name in _VERSIONS if (version := _version(name))},
        f"{platform.system()} {platform.machine()}", _cores(), _memory(),
        datetime.now(UTC).date().isoformat(), load,
    )  # fmt: skip


def _commit() -> str:
    def git(*arguments: str) -> str:
        ended = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
        return ended.stdout.strip()

    try:
        commit = git("rev-parse", "--short=12", "HEAD")
        changed = git("status", "--porcelain", "--", ".", ":!reports")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("+changes" if changed else "")


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> float:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0.0
    return round(total / 2**30, 1)
