"""A process that saves without end, to be killed: ``python crashing.py DIRECTORY``."""

from __future__ import annotations

import sys

import mlx.core as mx
from store_support import extract

from store import BoundarySnapshotStore


def main() -> None:
    """Say when the first snapshot is on disk, then go on."""
    store = BoundarySnapshotStore(sys.argv[1])
    arrays = [mx.zeros((1 << 18,)) for _ in range(4)]
    number = 0
    said = False
    while True:
        store.save(f"request-{number % 5}", number, arrays, extract)
        if number % 7 == 6:
            store.cleanup_request(f"request-{number % 5}")
        if number % 40 == 39:
            store.cleanup_all()
        if not said and store.stats().written:
            print("on disk", flush=True)
            said = True
        number += 1


if __name__ == "__main__":
    main()
