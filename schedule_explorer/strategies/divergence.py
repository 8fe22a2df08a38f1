"""The errors for a body that does something else after the same choices: a search that backtracks fails."""

from __future__ import annotations

from schedule_explorer.errors import DivergenceError
from schedule_explorer.runtime import Choice


def other_options(depth: int, options: list[int], choice: Choice) -> DivergenceError:
    """Return the error for a choice at which the threads that could run last time were `options`."""
    return DivergenceError(
        f"choice {depth}: the threads that could run were {options} and are now {choice.options} after the "
        "same choices: the body behaves differently when it is run again (state kept between runs, or "
        "something uncontrolled such as a real clock)"
    )


def other_kind(depth: int, kind: str, tid: int, choice: Choice) -> DivergenceError:
    """Return the error for a choice of thread `tid`, whose operation was of another kind last time."""
    pending = choice.execution.by_tid[tid].pending
    return DivergenceError(
        f"choice {depth}: thread {tid} was at {kind} and is now at {pending} after the same choices: the "
        "body behaves differently when it is run again"
    )
