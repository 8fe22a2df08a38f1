"""How sure is a rate of failures that was counted?"""

from __future__ import annotations

import math

#: of the normal distribution, the point with 2.5 % above it
_Z = 1.959963984540054


def interval(failures: int, runs: int) -> tuple[float, float]:
    """Return the bounds between which the true rate lies with a confidence of 95 %.

    The score interval of E. B. Wilson, "Probable inference, the law of succession, and statistical
    inference", J. Am. Stat. Assoc. 22 (1927). Where nothing failed, from 0 to 3/n: the rule of three of
    Hanley and Lippman-Hand, "If nothing goes wrong, is everything all right?", JAMA 249 (1983).

    Arguments:
        failures: runs that failed.
        runs: runs in all; of none nothing is known, and the rate lies between 0 and 1.

    Raises:
        ValueError: there are more failures than runs, or fewer than none.
    """
    if not 0 <= failures <= runs:
        raise ValueError(f"{failures} failures of {runs} runs: give 0 or more, and no more than runs")
    if runs == 0:
        return 0.0, 1.0
    if failures == 0:
        return 0.0, min(1.0, 3 / runs)
    rate, square = failures / runs, _Z * _Z
    middle = rate + square / (2 * runs)
    half = _Z * math.sqrt(rate * (1 - rate) / runs + square / (4 * runs * runs))
    scale = 1 + square / runs
    return (middle - half) / scale, min(1.0, (middle + half) / scale)


def percent(rate: float) -> str:
    """Write a rate as people read it: ``0.0028 %``, ``0.52 %``, ``12 %``."""
    return f"{100 * rate:.2g} %" if rate < 0.1 else f"{100 * rate:.0f} %"
