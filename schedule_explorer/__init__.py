"""A deterministic schedule explorer for ordinary Python threads and real files."""

from schedule_explorer.exploration import Failure, Result, Verdict, explore, replay
from schedule_explorer.interposition.filesystem import fresh_dir
from schedule_explorer.shared import SharedVariable

__all__ = ["Failure", "Result", "SharedVariable", "Verdict", "explore", "fresh_dir", "replay"]
