"""One execution: virtual threads, the virtual clock, the step loop, divergence detection."""

from schedule_explorer.runtime.execution import (
    Choice,
    Chooser,
    Event,
    Execution,
    Trace,
    current_execution,
)
from schedule_explorer.runtime.threads import ThreadEnd, VirtualThread

__all__ = [
    "Choice",
    "Chooser",
    "Event",
    "Execution",
    "ThreadEnd",
    "Trace",
    "VirtualThread",
    "current_execution",
]
