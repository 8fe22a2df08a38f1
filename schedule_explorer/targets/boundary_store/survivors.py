"""Why verification does not see a mutant, and which test of ``tests/store`` does; see `mutants`."""

from __future__ import annotations

#: name -> (why it survives, the test that fails on it; empty where it is equivalent)
SURVIVORS: dict[str, tuple[str, str]] = {
    "refusal: what a newer save frees is counted all the same": (
        "the specification does not say when a save may be refused",
        "test_g08_bounded_memory.py::test_a_save_that_replaces_is_charged_for_what_it_adds",
    ),
    "take: the newest first": (
        "equivalent: the order in which keys get on disk is not promised",
        "",
    ),
    "dropped: the payload is kept until it is let go": (
        "equivalent but for a few system calls more: `let_go` releases it",
        "",
    ),
    "died: saves are accepted all the same": (
        "needs a writer that dies",
        "test_g13_supervision.py::test_saves_are_refused_with_the_reason",
    ),
    "drop: the one in hand is released at once": (
        "bytes that are counted too little",
        "test_g08_bounded_memory.py::test_queued_in_hand_failed_and_cancelled_are_counted",
    ),
    "write: published before it is closed": (
        "equivalent: when the close fails, what was published is removed before anybody can load it",
        "",
    ),
    "write: goes on when it is not wanted": (
        "needs more than one system call",
        "test_g02_deferred_removal.py::test_the_writer_is_told_between_two_system_calls",
    ),
    "wake: signals a thread that is busy too": (
        "equivalent: the thread looks once more",
        "",
    ),
    "end: told before the session is removed": (
        "needs the end of a thread that another shutdown waits for",
        "test_g10_shutdown.py::test_a_shutdown_waits_for_a_writer_that_removes_the_session",
    ),
    "loop: the session of a shutdown that gave up stays": (
        "needs a writer that returns after the last call",
        "test_g10_shutdown.py::test_a_stuck_writer_and_cleanup",
    ),
    "loop: an abandoned session stays": (
        "needs the end of a thread that nobody refers to",
        "test_g10_shutdown.py::test_dropped_without_shutdown",
    ),
    "after a write: no repair": (
        "needs somebody else who removes directories",
        "test_g03_accepted_means_loadable.py::test_directories_that_somebody_removed_are_made_anew",
    ),
    "load: a file that is gone is not forgotten": (
        "needs somebody else who removes the file",
        "test_g03_accepted_means_loadable.py::test_a_file_that_vanished_is_none_and_said",
    ),
    "shutdown: what is queued is kept": (
        "needs a writer that stays stuck",
        "test_g10_shutdown.py::test_a_stuck_writer_bounds_it",
    ),
    "shutdown: the session goes under a stuck writer": (
        "equivalent: the writer then finds its directories gone, and removes what it made",
        "",
    ),
    "discard: the part is left": (
        "needs a cleanup that gives up during a removal",
        "test_g02_deferred_removal.py::test_giving_up_while_the_writer_is_removing",
    ),
    "discard: the stolen directory is used again": (
        "a late removal is at stake",
        "test_g02_deferred_removal.py::test_the_writer_removes_it",
    ),
    "save: a cleanup does not find one that has begun": (
        "linearizable all the same: a save that has not returned may come after the cleanup",
        "test_g01_no_orphan.py::test_a_save_that_had_begun_leaves_nothing",
    ),
    "accept: one that a cleanup covers is kept": (
        "linearizable all the same: a save that has not returned may come after the cleanup",
        "test_g01_no_orphan.py::test_a_save_that_had_begun_leaves_nothing",
    ),
    "save: stays among those that have begun": (
        "equivalent but for the memory",
        "test_g01_no_orphan.py::test_a_save_that_had_begun_leaves_nothing",
    ),
    "create: an old file is taken": (
        "equivalent where nobody else writes there: a name is used once",
        "",
    ),
    "hold: a directory that has lost its name": (
        "needs a store that begins while another one sweeps",
        "test_g11_crash.py::test_a_sweep_that_takes_a_session_in_the_making",
    ),
    "write: what one call did not write is skipped": (
        "needs a call that writes less",
        "test_g09_bit_exact.py::test_a_write_in_pieces_is_whole",
    ),
}
