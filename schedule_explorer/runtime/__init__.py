"""One execution: virtual threads, the virtual clock, the step loop, divergence detection."""

from schedule_explorer.runtime.choices import Choice, Chooser
from schedule_explorer.runtime.execution import Execution, current_execution
from schedule_explorer.runtime.threads import ThreadEnd, VirtualThread
from schedule_explorer.runtime.trace import (
    Blocked,
    Compound,
    Event,
    Frames,
    Part,
    Trace,
    site_text,
    user_frames,
    without_ends,
)

__all__ = [
    "Blocked",
    "Choice",
    "Chooser",
    "Compound",
    "Event",
    "Execution",
    "Frames",
    "Part",
    "ThreadEnd",
    "Trace",
    "VirtualThread",
    "current_execution",
    "site_text",
    "user_frames",
    "without_ends",
]
