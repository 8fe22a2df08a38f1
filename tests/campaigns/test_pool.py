"""Processes of a pool."""

from __future__ import annotations

import os
import signal

from schedule_explorer.campaigns.pool import _Spawning


def test_a_worker_that_is_still_starting_leaves_ctrl_c_to_its_parent() -> None:
    process = _Spawning().Process(target=int)
    process.start()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGINT)
    process.join()
    assert process.exitcode == 0
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
