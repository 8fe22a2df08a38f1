"""The race that the project began with, in a store written as a stranger would write it."""

from __future__ import annotations

import os
import queue
import shutil
import threading
from pathlib import Path

import pytest

from schedule_explorer import Verdict, explore, fresh_dir, replay


class StrangersStore:
    """Writes items from a background thread; `cleanup_all` empties the queue and removes the directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.busy = threading.Lock()
        self.items: queue.Queue[tuple[str, bytes] | None] = queue.Queue()
        self.writer = threading.Thread(target=self._run, name="writer", daemon=True)
        self.writer.start()

    def save(self, name: str, data: bytes) -> None:
        self.items.put((name, data))

    def _run(self) -> None:
        while True:
            try:
                item = self.items.get(timeout=1.0)
            except queue.Empty:
                continue
            if item is None:
                return
            name, data = item
            try:
                os.makedirs(self.root, exist_ok=True)
                with open(self.root / (name + ".tmp"), "wb") as file:
                    file.write(data)
                os.rename(self.root / (name + ".tmp"), self.root / name)
            except OSError:
                continue  # the directory went away meanwhile

    def cleanup_all(self) -> None:
        while True:
            try:
                self.items.get_nowait()
            except queue.Empty:
                break
        shutil.rmtree(self.root, ignore_errors=True)


def body() -> None:
    store = StrangersStore(fresh_dir() / "cache")
    store.save("a", b"data")
    store.cleanup_all()
    store.items.put(None)
    store.writer.join()
    assert not list(store.root.rglob("*")), "a file survived its cleanup"


@pytest.mark.parametrize("strategy", ["sleep-set-dfs", *[f"random-{seed}" for seed in range(10)]])
def test_orphan_is_found_in_unmodified_code_and_replays(strategy: str) -> None:
    name, _, seed = strategy.partition("-") if strategy.startswith("random") else (strategy, "", "0")
    result = explore(body, name, seed=int(seed), max_executions=2000)
    assert result.verdict is Verdict.FAILED
    assert result.failure is not None and "survived" in str(result.failure.error)
    for _ in range(10):
        assert replay(body, result.failure.schedule).verdict is Verdict.FAILED


def two_writers(count: int) -> None:
    base = fresh_dir()

    def write(name: str) -> None:
        directory = base / name
        os.mkdir(directory)
        with open(directory / "t", "w") as file:
            file.write(name)
        os.rename(directory / "t", directory / "f")

    threads = [threading.Thread(target=write, args=(str(i),)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("count", [2, 3])
def test_writers_in_directories_of_their_own_are_independent(count: int) -> None:
    result = explore(lambda: two_writers(count))
    assert (result.verdict, result.executions) == (Verdict.PROVED, 1), result.reason


def test_create_against_listing_is_seen_both_ways() -> None:
    seen = set()

    def look() -> None:
        base = fresh_dir()
        thread = threading.Thread(target=lambda: (base / "f").write_text("x"))
        thread.start()
        seen.add(len(os.listdir(base)))
        thread.join()

    assert explore(look).verdict is Verdict.PROVED
    assert seen == {0, 1}


def test_nothing_is_left_on_disk_or_open() -> None:
    before = sorted(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else []
    paths: set[Path] = set()

    def leave() -> None:
        directory = fresh_dir()
        paths.add(directory)
        os.open(directory / "kept", os.O_CREAT | os.O_WRONLY)

    explore(leave)
    assert not any(path.exists() for path in paths)
    after = sorted(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else []
    assert len(after) == len(before)
