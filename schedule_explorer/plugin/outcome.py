"""What became of one test, in plain values: it travels with pytest's report, from other processes too."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import pytest

PROVED, FAILED, UNFINISHED, ONCE, SKIPPED, EXPECTED, ERROR, LEFT, REPLAYED = (
    "proved", "failed", "unfinished", "once", "skipped", "expected", "error", "left", "replayed"
)


@dataclass
class Outcome:
    """What became of one test.

    Attributes:
        verdict: ``"proved"``, ``"failed"``, ``"unfinished"``; ``"once"``: it has no threads and was run
            once; ``"skipped"``: in every execution; ``"expected"``: failed, as its ``xfail`` mark says;
            ``"error"``: something uncontrolled was met; ``"left"``: left to pytest; ``"replayed"``.
        reason: why it is not proved, or why it was left to pytest.
        executions, blocked: as in `Result`.
        seconds: real time.
        token: the schedule of the failure.
        path: of the file with the failure's explanation.
        page: of the same as a page.
        command: a line for the shell that replays the failure.
        story: the explanation.
    """

    verdict: str
    reason: str = ""
    executions: int = 0
    blocked: int = 0
    seconds: float = 0.0
    token: str = ""
    path: str = ""
    page: str = ""
    command: str = ""
    story: str = ""

    def plain(self) -> dict[str, Any]:
        """Return the attributes but for the story, which the report shows itself."""
        return {name: value for name, value in asdict(self).items() if name != "story"}


#: where a test keeps its outcome until its report is made
OUTCOME: pytest.StashKey[Outcome] = pytest.StashKey()
