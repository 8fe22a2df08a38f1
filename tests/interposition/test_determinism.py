"""What is drawn in a body is the same in every execution, and the real generators are left alone."""

from __future__ import annotations

import os
import random
import secrets
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable
from random import randrange
from typing import Any

import pytest

from schedule_explorer import Verdict, explore, fresh_dir

DRAWS: dict[str, Callable[[], Any]] = {
    "random": lambda: random.random(),
    "bound early": lambda: randrange(10**9),
    "by module": lambda: random.sample(range(10**6), 3),
    "unseeded": lambda: random.Random().getrandbits(64),
    "reseeded": lambda: (random.seed(), random.getrandbits(64)),
    "system": lambda: random.SystemRandom().getrandbits(64),
    "urandom": lambda: os.urandom(16),
    "uuid1": lambda: str(uuid.uuid1()),
    "uuid4": lambda: str(uuid.uuid4()),
    "secrets": lambda: (secrets.token_hex(), secrets.randbelow(10**9), secrets.choice(range(10**9))),
}


def drawn(draw: Callable[[], Any]) -> list[tuple[Any, ...]]:
    """Draw twice in each of two threads that contend for a lock; return what each execution drew."""
    runs: list[tuple[Any, ...]] = []

    def body() -> None:
        lock = threading.Lock()
        values: dict[int, Any] = {}

        def work(index: int) -> None:
            one = draw()
            with lock:
                two = draw()
            values[index] = (one, two)

        threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        runs.append((values[0], values[1]))

    result = explore(body, "optimal-dpor")
    assert result.verdict is Verdict.PROVED, result.reason
    assert result.executions == 2
    assert len(runs) >= 2
    return runs


@pytest.mark.parametrize("name", DRAWS)
def test_every_execution_draws_the_same(name: str) -> None:
    runs = drawn(DRAWS[name])
    assert len({repr(run) for run in runs}) == 1
    first, second = runs[0]
    # Neither thread repeats itself or the other.
    assert len({repr(value) for value in (*first, *second)}) == 4
    assert drawn(DRAWS[name])[0] == runs[0]


def test_temporary_names_are_the_same() -> None:
    def name() -> str:
        with tempfile.NamedTemporaryFile(dir=fresh_dir()) as file:
            return os.path.basename(file.name)

    runs: list[str] = []
    for _ in range(2):
        result = explore(lambda: runs.append(name()), "optimal-dpor")
        assert result.verdict is Verdict.PROVED, result.reason
    assert len(runs) >= 2
    assert len(set(runs)) == 1


def test_the_seed_of_a_thread_is_its_own() -> None:
    seen: list[Any] = []

    def body() -> None:
        random.seed(7)
        seen.append(random.random())
        seen.append(random.Random(7).random())

    explore(body, "optimal-dpor")
    assert set(seen) == {random.Random(7).random()}


def test_the_process_number_is_fixed_and_nobody() -> None:
    seen: list[int] = []
    explore(lambda: seen.append(os.getpid()), "optimal-dpor")
    assert len(set(seen)) == 1
    assert seen[0] != os.getpid()
    with pytest.raises(ProcessLookupError):
        os.kill(seen[0], 0)


def test_another_process_draws_the_same() -> None:
    program = (
        "import os, random, uuid\nfrom schedule_explorer import explore\n"
        "explore(lambda: print(random.random(), uuid.uuid1(), os.urandom(4), os.getpid()), 'optimal-dpor')\n"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": seed}, check=True,
            capture_output=True, text=True, timeout=60,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
    assert "0." in printed.pop()


@pytest.mark.parametrize("fails", [False, True])
def test_the_real_things_are_put_back(fails: bool) -> None:
    before = random.getstate()
    names: list[tuple[Any, str]] = [
        *((random, name) for name in (*random.__all__, "_urandom")), (random.Random, "seed"),
        (os, "urandom"), (os, "getpid"), (uuid, "uuid1"), (uuid, "uuid4"), (uuid, "getnode"),
    ]
    held = [vars(owner)[name] for owner, name in names]

    def body() -> None:
        random.seed(1)
        random.random()
        uuid.uuid4()
        if fails:
            raise ValueError("on purpose")

    result = explore(body, "optimal-dpor")
    assert result.verdict is (Verdict.FAILED if fails else Verdict.PROVED)
    assert random.getstate() == before
    assert all(vars(owner)[name] is value for (owner, name), value in zip(names, held, strict=True))
    assert os.urandom(16) != os.urandom(16)


def test_what_is_left_in_the_temporary_directory_is_gone_in_the_next_execution() -> None:
    names: list[tuple[str, ...]] = []

    def body() -> None:
        made = tempfile.mkdtemp()
        found: dict[int, str] = {}
        with open(f"{made}/kept", "w") as file:
            file.write("left behind")

        def work(index: int) -> None:
            descriptor, found[index] = tempfile.mkstemp()
            os.close(descriptor)

        threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(os.listdir(tempfile.gettempdir())) == sorted(
            os.path.basename(path) for path in (made, *found.values())
        )
        names.append((made, found[0], found[1]))

    before = set(os.listdir(tempfile.gettempdir()))
    result = explore(body, "sleep-set-dfs")
    assert result.verdict is Verdict.PROVED, result.reason
    assert len(names) >= 2 and len(set(names)) == 1
    assert not any(os.path.exists(path) for path in names[0])
    assert {os.path.basename(path) for path in names[0]}.isdisjoint(
        set(os.listdir(tempfile.gettempdir())) - before
    )
