"""Campaigns: every program of a scope, every schedule of each, over several processes, in one report.

    programs(alphabet, threads, calls) ──chunks──> Executor ──outcomes──> journal (as they come)
                                                                └───────> report (in the order of programs)

The report does not depend on how many processes there are, on which of them was faster, nor on whether the
campaign was cut off and taken up again: outcomes enter it in the order of the programs, and what is a matter
of time is kept apart.
"""

from schedule_explorer.campaigns.campaign import Scope, verify
from schedule_explorer.campaigns.journal import Journal, JournalMismatchError
from schedule_explorer.campaigns.outcome import Limits, Outcome
from schedule_explorer.campaigns.pool import InProcess, ProcessPool
from schedule_explorer.campaigns.report import Report

__all__ = [
    "InProcess",
    "Journal",
    "JournalMismatchError",
    "Limits",
    "Outcome",
    "ProcessPool",
    "Report",
    "Scope",
    "verify",
]
