"""What must hold: of a history of calls, of files, of threads. Nothing in here knows a target.

Deadlocks and leaked threads are found by the runtime itself (`Result.deadlocks`, `LeakedThreadError`); an
oracle of this package looks at what a program did (`History`) or left (`at_quiescence`).
"""

from schedule_explorer.oracles.history import History, Recorded, orders
from schedule_explorer.oracles.linearizability import Specification, check, explanation
from schedule_explorer.oracles.quiescence import at_quiescence, unobserved

__all__ = [
    "History",
    "Recorded",
    "Specification",
    "at_quiescence",
    "check",
    "explanation",
    "orders",
    "unobserved",
]
