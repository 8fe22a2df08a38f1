"""Names, attributes and directories: what a body sees of them, and in which orders."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from beside import beside, outcomes

from schedule_explorer import Verdict, explore, fresh_dir
from schedule_explorer.errors import UncontrolledCallError


def test_a_planted_symlink_is_seen_in_every_order() -> None:
    def body() -> Any:
        base = fresh_dir()
        for name in ("good", "bad", "way"):
            (base / name).mkdir()
        (base / "bad" / "f").write_text("bad")
        (base / "way" / "f").write_text("good")

        def plant() -> None:
            os.rename(base / "way", base / "gone")
            os.symlink("bad", base / "way")

        thread = beside(plant)
        try:
            found = (base / "way" / "f").read_text()
        except FileNotFoundError:
            found = "nothing"
        thread.join()
        return found

    assert outcomes(body) == {"good", "nothing", "bad"}


def test_a_directory_renamed_under_a_writer() -> None:
    def body() -> Any:
        base = fresh_dir()
        os.makedirs(base / "a" / "b")
        thread = beside(lambda: os.rename(base / "a", base / "c"))
        try:
            (base / "a" / "b" / "f").touch()
            made = True
        except FileNotFoundError:
            made = False
        thread.join()
        return made, (base / "c" / "b" / "f").exists()

    assert outcomes(body) == {(True, True), (False, False)}


def test_a_descriptor_outlives_the_name_of_its_directory() -> None:
    def body() -> Any:
        base = fresh_dir()
        (base / "a").mkdir()
        fd = os.open(base / "a", os.O_RDONLY)
        thread = beside(lambda: os.rmdir(base / "a"))
        try:
            os.mkdir("x", dir_fd=fd)
            made = True
        except FileNotFoundError:
            made = False
        except OSError:
            made = None
        thread.error = None  # type: ignore[attr-defined]
        thread.join()
        os.close(fd)
        return made, (base / "a").exists()

    seen: set[Any] = set()
    result = explore(lambda: seen.add(body()), stop_at_first_failure=False)
    assert result.failures and all("not empty" in str(f.error) for f in result.failures)
    assert (False, False) in seen


def test_an_inode_number_that_is_used_again_gets_a_new_name() -> None:
    def body() -> Any:
        base = fresh_dir()
        numbers = []
        for _ in range(5):
            (base / "f").write_text("x")
            numbers.append(os.stat(base / "f").st_ino)
            os.unlink(base / "f")
        return len(set(numbers)), max(numbers) - min(numbers) < 1000

    assert outcomes(body) == {(5, True)}


def test_inode_numbers_and_descriptors_do_not_depend_on_the_schedule() -> None:
    def body() -> Any:
        base = fresh_dir()
        found: dict[str, Any] = {}

        def make(name: str) -> None:
            fd = os.open(base / name, os.O_CREAT | os.O_WRONLY)
            found[name] = fd, os.fstat(fd).st_ino
            os.close(fd)

        threads = [beside(lambda name=name: make(name)) for name in "ab"]  # type: ignore[misc]
        for thread in threads:
            thread.join()
        entries = {e.name: e.inode() for e in os.scandir(base)}
        assert entries == {name: inode for name, (_, inode) in found.items()}
        return tuple(sorted(found.items()))

    seen: set[Any] = set()
    for seed in range(10):
        explore(lambda: seen.add(body()), "random", seed=seed, max_executions=5)
    assert len(seen) == 1


def test_times_are_those_of_the_virtual_clock() -> None:
    def body() -> Any:
        base = fresh_dir()
        (base / "f").write_text("x")
        time.sleep(3600)
        (base / "g").write_text("x")
        ages = [time.time() - os.stat(base / name).st_mtime for name in "fg"]
        os.utime(base / "g", (1.0, 2.0))
        return ages[0], ages[1], os.stat(base / "g").st_mtime

    assert outcomes(body) == {(3600.0, 0.0, 2.0)}


def test_the_working_directory_is_put_back() -> None:
    home = os.getcwd()

    def body() -> Any:
        base = fresh_dir()
        os.chdir(base)
        Path("f").write_text("here")
        return os.getcwd() == str(base), os.listdir()[0], (base / "f").read_text()

    assert outcomes(body) == {(True, "f", "here")}
    assert os.getcwd() == home


@pytest.mark.parametrize(
    "call",
    [
        lambda base: os.mkfifo(base / "pipe"),
        lambda base: subprocess.run(["true"]),
        lambda base: os.system("true"),
        lambda base: os.rename(base.parent, str(base.parent) + "-moved"),
        lambda base: _swallow(lambda: os.mkfifo(base / "pipe")),
    ],
)
def test_what_is_not_controlled_is_named(call: Callable[[Path], Any]) -> None:
    with pytest.raises(UncontrolledCallError, match=r"test_filesystem\.py:\d+"):
        explore(lambda: call(fresh_dir()))


def _swallow(call: Callable[[], Any]) -> None:
    try:
        call()
    except Exception:
        pass


def test_fresh_directories_are_empty_apart_and_removed() -> None:
    paths: set[Path] = set()

    def body() -> None:
        one, two = fresh_dir(), fresh_dir()
        assert one != two and not list(one.iterdir())
        os.makedirs(one / "a" / "b")
        os.chmod(one / "a", 0)
        paths.update((one, two))

    assert explore(body).verdict is Verdict.PROVED
    assert len(paths) == 2 and not any(path.parent.exists() for path in paths)
