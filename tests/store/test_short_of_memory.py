"""G1, G3, G8: one allocation that fails, wherever it is, leaves nothing behind and loses nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from store_support import LONG

pytest.importorskip("_testcapi")


def failures(*arguments: str) -> int:
    """Run `short_of_memory`, which has nothing to say but how many calls failed."""
    script = Path(__file__).with_name("short_of_memory.py")
    ran = subprocess.run(
        [sys.executable, script, *arguments], capture_output=True, text=True, timeout=3 * LONG
    )
    assert ran.returncode == 0, ran.stderr
    *wrong, count = ran.stdout.splitlines()
    assert not wrong
    return int(count)


@pytest.mark.parametrize("prepared", ["on disk", "failed", "queued"])
@pytest.mark.parametrize("call", ["new", "again", "cleanup_request", "cleanup_all", "shutdown"])
def test_in_a_call(call: str, prepared: str) -> None:
    assert failures(call, prepared) > 4


@pytest.mark.parametrize("prepared", ["written", "failed", "cancelled"])
def test_in_the_writer(prepared: str) -> None:
    assert failures("writer", prepared)
