"""The smallest body with a race: two threads load a counter, then store it."""

from __future__ import annotations

import threading

from schedule_explorer import SharedVariable


def lost_update() -> None:
    counter = SharedVariable(0)

    def add() -> None:
        counter.store(counter.load() + 1)

    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.load() == 2, "an update was lost"
