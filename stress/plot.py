"""A picture of what the soak has sampled."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

_UNITS = {"memory": ("MiB of the largest process", 1 << 20), "disk": ("MiB on disk", 1 << 20)}


def check_plot() -> str:
    """Say what is missing to make a picture; empty for nothing."""
    if importlib.util.find_spec("matplotlib") is None:
        return "--plot needs matplotlib: pip install 'schedule-explorer[reports]'"
    return ""


def plot(result: dict[str, Any], path: Path) -> None:
    """Draw the series of a soak, each with its median, and with the line of its trend where there is one.

    Arguments:
        result: as `stress.soak.judged` returns it.
        path: its ending says which format.

    Raises:
        ValueError: matplotlib knows no such format.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    series = dict(result["samples"])
    at = [second / 60 for second in series.pop("at")]
    figure = Figure(figsize=(9, 2 * len(series)), layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subplots(len(series), 1, sharex=True)
    for axes, (name, values) in zip(rows, series.items(), strict=True):
        label, unit = _UNITS.get(name, (name, 1))
        axes.plot(at, [value / unit for value in values], linewidth=0.8)
        if found := result["trends"].get(name):
            first = at[-1] / 3
            half = found["growth"] / 2 / unit
            middle = found["median"] / unit
            sense = "flat" if found["flat"] else "rises"
            ends = [middle - half, middle + half]
            axes.plot([first, at[-1]], ends, linestyle="--", label=f"trend: {sense}")
            axes.legend(loc="lower right")
        axes.set_ylim(bottom=0)
        axes.set_ylabel(label)
    rows[-1].set_xlabel("minutes")
    figure.suptitle(
        f"{result['verdict']}: {result['operations']} calls, {result['kills']} kills", fontsize="medium"
    )
    figure.savefig(path)
