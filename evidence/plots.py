"""Plots as SVG text: the same figures give the same text, for nothing in it is drawn by chance or dated."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

_MARKERS = "osD^vPX"


def _figure(width: float, height: float) -> tuple[Any, Any]:
    try:
        import matplotlib
    except ModuleNotFoundError:
        raise RuntimeError("plots need matplotlib: pip install 'schedule-explorer[reports]'") from None
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "evidence"
    matplotlib.rcParams["svg.fonttype"] = "none"
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    return figure, axes


def _text(figure: Any) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    # matplotlib leaves blanks at the ends of lines
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def dots(
    series: Mapping[str, Sequence[tuple[int, float | None]]], below: str, beside: str, limit: float,
    bounds: Mapping[str, Sequence[tuple[int, float]]] | None = None,
) -> str:
    """Plot one mark for each number of each series, on a logarithmic scale.

    Arguments:
        series: by its name, (place, number) pairs; a number that is None stands above the limit.
        below, beside: what the axes show.
        limit: a line is drawn there.
        bounds: by the name of a series, what a number that is None is known to lie above: a hollow mark is
            drawn there instead.

    Returns:
        SVG.
    """
    figure, axes = _figure(11, 4.5)
    step = 0.8 / max(1, len(series))
    for index, (name, pairs) in enumerate(series.items()):
        aside = (index - (len(series) - 1) / 2) * step
        least = dict((bounds or {}).get(name, ()))
        full = [
            (place + aside, limit * 1.6 if number is None else number)
            for place, number in pairs if number is not None or place not in least
        ]  # fmt: skip
        hollow = [(place + aside, number) for place, number in least.items()]
        marker = _MARKERS[index % len(_MARKERS)]
        [line] = axes.plot(*_columns(full), marker, ms=4.5, label=name, alpha=0.85)
        axes.plot(*_columns(hollow), marker, ms=4.5, color=line.get_color(), fillstyle="none")
    axes.axhline(limit, color="grey", lw=0.8, ls="--")
    axes.set_yscale("log")
    every = sorted({place for pairs in series.values() for place, _ in pairs})
    axes.set_xticks(every)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_xlabel(below)
    axes.set_ylabel(beside)
    axes.legend(ncols=len(series), loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    return _text(figure)


def _columns(pairs: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [first for first, _ in pairs], [second for _, second in pairs]


def chances(
    counts: Mapping[str, Sequence[int | None]], known: Mapping[str, float], below: str, beside: str
) -> str:
    """Plot how the chance to have met something grows with the number of trials, on a logarithmic scale.

    Arguments:
        counts: by name, the trials that each of several runs took; None: that run was given up.
        known: by name, the chance of one trial, above 0, where trials do not depend on one another.
        below, beside: what the axes show.

    Returns:
        SVG.
    """
    figure, axes = _figure(9, 4.5)
    most = max(
        [count for found in counts.values() for count in found if count is not None]
        + [4 / chance for chance in known.values()] + [10]
    )  # fmt: skip
    for name, found in counts.items():
        met = sorted(count for count in found if count is not None)
        places = [1, *met, most]
        shares = [0.0, *((index + 1) / len(found) for index in range(len(met))), len(met) / len(found)]
        axes.step(places, shares, where="post", label=name)
    trials = [most ** (index / 200) for index in range(201)]
    for name, chance in known.items():
        axes.plot(trials, [1 - (1 - chance) ** trial for trial in trials], "--", label=name)
    axes.set_xscale("log")
    axes.set_ylim(0, 1.02)
    axes.set_xlabel(below)
    axes.set_ylabel(beside)
    axes.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    return _text(figure)


def rates(rows: Sequence[tuple[str, float, tuple[float, float]]]) -> str:
    """Plot rates with their intervals, a row each, on a logarithmic scale; a rate of 0 has its bound alone.

    Arguments:
        rows: what it is the rate of, the rate, and its interval, shares of 1.

    Returns:
        SVG.
    """
    figure, axes = _figure(10, 0.9 + 0.32 * len(rows))
    floor = min((low for _, _, (low, _) in rows if low > 0), default=1e-5) / 3
    for place, (_, rate, (low, high)) in enumerate(reversed(rows)):
        colour = "tab:red" if rate else "tab:blue"
        axes.plot([max(low, floor), high], [place, place], color=colour, lw=2, alpha=0.5)
        axes.plot([rate or high], [place], "o" if rate else "<", color=colour, ms=5)
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), [name for name, *_ in reversed(rows)], fontsize=8)
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel("share of runs that fail, 95 % interval (left-pointing: none failed, the upper bound)")
    return _text(figure)
