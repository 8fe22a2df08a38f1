"""What the explorer itself costs: against bare generators, and as a program grows."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial

from bench import bare, programs
from bench.measure import (
    NOISE,
    NotMeasuredError,
    Options,
    Table,
    interleaved,
    milliseconds,
    progress,
    ratio,
    seconds,
)
from bench.watching import Watching
from schedule_explorer import Verdict, explore
from schedule_explorer.strategies.optimal_dpor import OptimalDPOR


def run(options: Options) -> list[Table]:
    """Return the table of the floor and the table of the growth."""
    return [_floor(options), _growth(options)]


def _prove(name: str, body: Callable[[], None], traces: int) -> float:
    """Explore all of a program and return the seconds.

    Raises:
        NotMeasuredError: it was not proved in one execution for each trace.
    """
    result = explore(body)
    if result.verdict is not Verdict.PROVED or result.executions != traces or result.blocked:
        raise NotMeasuredError(
            f"{name}: {result.verdict.value} in {result.executions} executions and {result.blocked} cut off, "
            f"expected proved in {traces} and 0: {result.reason}"
        )
    return result.seconds


def _floor(options: Options) -> Table:
    n, k = (7, 3) if options.quick else (10, 5)
    sizes = {3: 48, 5: 3840}
    table = Table(
        "Bookkeeping: an exhaustive exploration / bare generators, the same number of executions",
        ["program", "executions", "optimal-dpor", "of one", "bare", "of one"],
    )
    kinds: list[tuple[str, Callable[[], None], Callable[[], list[bare.Thread]], int]] = [
        (f"lastzero({n})", partial(programs.lastzero, n), partial(bare.lastzero, n), (n + 3) * 2 ** (n - 2)),
        (f"Mpat({k})", partial(programs.mpat, k), partial(bare.mpat, k), sizes[k]),
    ]
    for name, body, threads, traces in kinds:
        progress(f"{name}: {traces} executions, explored and bare, in turn")
        taken = interleaved(
            {
                "explored": partial(_prove, name, body, traces),
                "bare": partial(seconds, partial(bare.repeat, threads, traces)),
            },
            min(options.repetitions, 3),
        )
        explored, floor = taken["explored"], taken["bare"]
        table.lines.append([
            name, f"{traces:,}", f"{statistics.median(explored):.2f} s",
            milliseconds([t / traces for t in explored]), f"{statistics.median(floor):.3f} s",
            milliseconds([t / traces for t in floor]),
        ])
        table.ratios.append(ratio(f"{name}: optimal-dpor / bare", explored, floor))
    table.notes.append("bare: random choices of what can run, no trace and no reduction: a floor, not a peer")
    return table


def _growth(options: Options) -> Table:
    sizes = range(5, 8 if options.quick else 12)
    table = Table(
        "Bookkeeping: the cost of one execution of lastzero(n), for each event and thread",
        ["n", "executions", "events in one", "threads", "of one", "of an event", "by threads"],
    )
    taken: dict[int, list[float]] = {n: [] for n in sizes}
    events: dict[int, float] = {}
    repetitions = 2
    for turn in range(repetitions):
        for n in sizes:
            progress(f"lastzero({n}), turn {turn + 1} of {repetitions}")
            times = []
            # Small programs are explored again and again: a single time would be noise.
            for _ in range(max(1, 800 // 2**n)):
                watching = Watching(OptimalDPOR())
                result = explore(partial(programs.lastzero, n), watching)
                if result.verdict is not Verdict.PROVED:
                    raise NotMeasuredError(f"lastzero({n}): {result.verdict.value}: {result.reason}")
                times.append((watching.ended - watching.started) / watching.executions)
                events[n] = watching.events / watching.executions
            taken[n].append(statistics.median(times))
    for n in sizes:
        one, threads = statistics.median(taken[n]), n + 2
        table.lines.append([
            str(n), f"{(n + 3) * 2 ** (n - 2):,}", f"{events[n]:.1f}", str(threads), f"{one * 1e6:.0f} us",
            f"{one / events[n] * 1e6:.2f} us", f"{one / events[n] / threads * 1e9:.0f} ns",
        ])
    least, most = sizes[0], sizes[-1]
    scaled = {n: [t / events[n] / (n + 2) for t in taken[n]] for n in (least, most)}
    table.ratios.append(
        ratio(f"for each event and thread: n = {most} / n = {least}", scaled[most], scaled[least],
              at_most=1 + NOISE)
    )
    table.notes.append(
        f"it must not grow; {NOISE:.0%} is allowed for noise. Setting an exploration up is not counted; the "
        "first schedule, which is run twice, is counted as one execution"
    )
    return table
