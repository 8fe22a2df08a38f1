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
    series: Mapping[str, Sequence[tuple[int, float | None]]], below: str, beside: str, limit: float
) -> str:
    """Plot one mark for each number of each series, on a logarithmic scale.

    Arguments:
        series: by its name, (place, number) pairs; a number that is None stands above the limit.
        below, beside: what the axes show.
        limit: a line is drawn there.

    Returns:
        SVG.
    """
    figure, axes = _figure(11, 4.5)
    step = 0.8 / max(1, len(series))
    for index, (name, pairs) in enumerate(series.items()):
        places = [place + (index - (len(series) - 1) / 2) * step for place, _ in pairs]
        numbers = [limit * 1.6 if number is None else number for _, number in pairs]
        axes.plot(places, numbers, _MARKERS[index % len(_MARKERS)], ms=4.5, label=name, alpha=0.85)
    axes.axhline(limit, color="grey", lw=0.8, ls="--")
    axes.set_yscale("log")
    every = sorted({place for pairs in series.values() for place, _ in pairs})
    axes.set_xticks(every)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_xlabel(below)
    axes.set_ylabel(beside)
    axes.legend(ncols=len(series), loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
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
