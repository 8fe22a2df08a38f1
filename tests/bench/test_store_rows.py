"""The rows of the store: all of them run, on small sizes, and leave nothing changed behind."""

from __future__ import annotations

import os

from bench.measure import Options
from bench.rows import store as rows
from schedule_explorer.targets.original_store import snapshots
from store import writer


def test_every_row_of_the_contract_is_measured() -> None:
    before = os.rename, writer.write_snapshot, snapshots.write
    for table in rows.run(Options(quick=True)):
        assert not table.problems
        assert [line[0].split(" ")[0].rstrip(",") for line in table.lines] == [
            "save", "save", "load", "load", "load", "cleanup_all", "cleanup_request(X)", "has"
        ]  # fmt: skip
        # Small sizes reach what they reach; that something is asked of every row is what counts here.
        asked = [ratio for ratio in table.ratios if ratio.reached is not None]
        assert len(asked) == 10
        assert all(ratio.value > 0 for ratio in table.ratios)
    assert before == (os.rename, writer.write_snapshot, snapshots.write)
