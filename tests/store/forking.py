"""A server that forks a child, which lives on; killed by `test_g11_crash`."""

from __future__ import annotations

import os
import sys
import time

from store_support import save, settled

from store import BoundarySnapshotStore

if __name__ == "__main__":
    store = BoundarySnapshotStore(sys.argv[1])
    save(store, "a")
    settled(store)
    if os.fork() == 0:
        # By itself, not by its parent: what `fork` leaves to the child to do is done by now.
        print(os.getpid(), flush=True)
        os.close(1)
        time.sleep(60)
        os._exit(0)
    time.sleep(60)
