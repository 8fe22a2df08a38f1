"""Client programs: which threads make which calls, all of them up to a bound or drawn by Hypothesis.

A *program* is data: one tuple of calls for each client thread. A *target* says which calls there are, how
to make one on a real object, and what must hold. `client_body` turns both into a body for `explore`.

    alphabet ──> programs up to a bound ──┐
    Hypothesis ──> drawn programs ────────┴──> client_body(target, program) ──> explore()
"""

from schedule_explorer.programs.alphabet import Alphabet, Method
from schedule_explorer.programs.calls import Call, Program, parse, text
from schedule_explorer.programs.client import Tally, client_body
from schedule_explorer.programs.enumeration import canonical, programs, sizes
from schedule_explorer.programs.finding import UnknownTargetError, find, known
from schedule_explorer.programs.target import RealTarget, Target

__all__ = [
    "Alphabet",
    "Call",
    "Method",
    "Program",
    "RealTarget",
    "Tally",
    "Target",
    "UnknownTargetError",
    "canonical",
    "client_body",
    "find",
    "known",
    "parse",
    "programs",
    "sizes",
    "text",
]
