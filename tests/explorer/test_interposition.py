"""Interposed calls behave as the real ones, and conflict where they should."""

from __future__ import annotations

import os
import threading

import pytest

from schedule_explorer import Verdict, explore, fresh_dir


def test_local_is_of_one_virtual_thread() -> None:
    def body() -> None:
        local = threading.local()
        local.value = "main"
        seen: list[bool] = []
        thread = threading.Thread(target=lambda: seen.append(hasattr(local, "value")))
        thread.start()
        thread.join()
        assert seen == [False] and local.value == "main"

    assert explore(body).verdict is Verdict.PROVED


@pytest.mark.parametrize("change", ["link", "symlink", "truncate"])
def test_change_against_a_look_is_seen_both_ways(change: str) -> None:
    seen = set()

    def body() -> None:
        base = fresh_dir()
        (base / "f").write_text("long")
        act = {
            "link": lambda: os.link(base / "f", base / "g"),
            "symlink": lambda: os.symlink("f", base / "g"),
            "truncate": lambda: os.truncate(base / "f", 0),
        }[change]
        thread = threading.Thread(target=act)
        thread.start()
        seen.add((os.path.lexists(base / "g"), os.stat(base / "f").st_size))
        thread.join()

    assert explore(body).verdict is Verdict.PROVED
    assert len(seen) == 2


def test_timer_runs() -> None:
    def body() -> None:
        ran: list[int] = []
        timer = threading.Timer(3600, lambda: ran.append(1))
        timer.start()
        timer.join()
        assert ran == [1]

    assert explore(body).verdict is Verdict.PROVED
