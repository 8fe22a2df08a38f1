"""One process of the soak: some stores on the common directory, a thread each, checked against a table.

    python -m stress.soak_worker BASE SEED STORES

Each second it writes a line of JSON to stdout: ``rss`` (bytes), ``fds``, ``threads``, and since it began
``operations`` and ``failed``, writes for which there was no room; and when something is wrong ``error``,
after which it ends with exit code 3. It ends in order when stdin is closed, which also happens when the
process that began it is killed.

The disk is full now and then: for a while no file may have more than a few bytes (``RLIMIT_FSIZE``), so that
the write of a snapshot fails half way. Everything that was accepted must be served all the same.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import threading
import time
from pathlib import Path
from random import Random
from typing import Any

import mlx.core as mx

from store import BoundarySnapshotStore

_IDS, _KEYS = 8, 4
#: bytes that one store may keep in memory
_PENDING = 8 << 20
#: elements of a snapshot at most, of four bytes each
_ELEMENTS = 32 << 10
#: seconds without room on the disk, and with
_FULL, _ROOM = 2.0, 8.0
#: bytes of a file while the disk is full
_SMALL = 4096
#: seconds that a shutdown may take
_PATIENCE = 60.0


class WrongError(Exception):
    """The store answered what it must not."""


class Client:
    """One store after the other, and a table of what each must answer.

    Arguments:
        base: the common directory.
        seed: draws the calls.
    """

    def __init__(self, base: Path, seed: str) -> None:
        self._base = base
        self._random = Random(seed)
        self._table: dict[tuple[str, int], int] = {}
        self._store = self._make()
        self._failed = 0
        self.operations = 0

    def _make(self) -> BoundarySnapshotStore:
        return BoundarySnapshotStore(self._base, max_pending_bytes=_PENDING)

    @property
    def failed(self) -> int:
        """Writes that failed, of all its stores."""
        return self._failed + self._store.stats().failed_writes

    def step(self) -> None:
        """Make one call, and check its answer.

        Raises:
            WrongError: it is wrong.
        """
        random = self._random
        request, key = f"request-{random.randrange(_IDS)}", random.randrange(_KEYS)
        drawn = random.random()
        self.operations += 1
        if drawn < 0.45:
            value, size = random.randrange(1 << 30), random.randrange(1, _ELEMENTS)
            if self._store.save(request, key, [value, size], _states):
                self._table[request, key] = value
        elif drawn < 0.80:
            self._check(request, key)
        elif drawn < 0.88:
            expected = (request, key) in self._table
            if self._store.has(request, key) is not expected:
                raise WrongError(f"has({request}, {key}) is not {expected}")
        elif drawn < 0.97:
            self._store.cleanup_request(request)
            self._table = {entry: value for entry, value in self._table.items() if entry[0] != request}
        elif drawn < 0.995:
            self._store.cleanup_all()
            self._table.clear()
        else:
            self._next()

    def _check(self, request: str, key: int) -> None:
        layers = self._store.load(request, key)
        expected = self._table.get((request, key))
        if layers is None:
            if expected is not None:
                raise WrongError(f"load({request}, {key}) is None, and {expected} was accepted")
            return
        array: Any = layers[0]["state"][0]
        if expected is None or not bool(mx.all(array == expected)):
            raise WrongError(f"load({request}, {key}) is {array}, and not {expected}")

    def _next(self) -> None:
        """Go on with another store; the old one is shut down, or dropped without a word."""
        self._failed = self.failed
        if self._random.random() < 0.5:
            self.close()
        self._table.clear()
        self._store = self._make()

    def close(self) -> None:
        """Shut down.

        Raises:
            WrongError: something is left.
        """
        if not self._store.shutdown(cleanup=True, timeout=_PATIENCE):
            left = [name for _, _, files in os.walk(self._store._layout.session) for name in files]
            raise WrongError(f"shutdown(cleanup=True) left {', '.join(sorted(left)) or 'directories'}")


def _states(snapshot: list[Any]) -> tuple[list[dict[str, Any]], None]:
    value, size = snapshot
    array = mx.full(size, value, dtype=mx.int32)
    return [{"state": (array,), "meta_state": "", "class_name": "KVCache", "cache_type": "kv"}], None


def _rss() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def _threads() -> int:
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return threading.active_count()


class Worker:
    """The clients, a thread each, and what ends them.

    Arguments:
        base: the common directory.
        seed: draws the calls.
        stores: how many.
    """

    def __init__(self, base: Path, seed: int, stores: int) -> None:
        self._base = base
        self._seed = seed
        self._stop = threading.Event()
        self._clients = [Client(base, f"{seed}-{number}") for number in range(stores)]
        self.errors: list[str] = []

    def run(self) -> int:
        """Work until stdin is closed or something is wrong; return the exit code."""
        threading.Thread(target=self._await_end, daemon=True).start()
        threads = [threading.Thread(target=self._work, args=(client,)) for client in self._clients]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        self._set_room(False)
        while not self._stop.wait(1.0):
            self._set_room((time.monotonic() - began) % (_FULL + _ROOM) >= _FULL)
            self._tell()
        self._set_room(True)
        for thread in threads:
            thread.join()
        for error in self.errors:
            print(json.dumps({"error": error}), flush=True)
        return 3 if self.errors else 0

    def _await_end(self) -> None:
        sys.stdin.read()
        self._stop.set()

    def _work(self, client: Client) -> None:
        try:
            while not self._stop.is_set():
                client.step()
            client.close()
        except Exception as error:
            self.errors.append(f"{type(error).__name__}: {error}")
            self._stop.set()

    def _set_room(self, room: bool) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard if room else _SMALL, hard))

    def _tell(self) -> None:
        sample = {
            "rss": _rss(), "fds": len(os.listdir("/dev/fd")), "threads": _threads(),
            "operations": sum(client.operations for client in self._clients),
            "failed": sum(client.failed for client in self._clients),
        }  # fmt: skip
        print(json.dumps(sample), flush=True)


def main(arguments: list[str]) -> int:
    """Run the worker; see the module."""
    base, seed, stores = arguments
    logging.disable(logging.CRITICAL)
    return Worker(Path(base), int(seed), int(stores)).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
