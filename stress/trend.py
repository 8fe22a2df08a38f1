"""Does a series of samples grow?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Allowance:
    """How much a quantity may grow over the samples that are looked at, and still be flat.

    Arguments:
        least: in its unit; samples jump about so much anyway.
        share: of the median; the greater of both counts.
    """

    least: float
    share: float = 0.0


@dataclass(frozen=True)
class Trend:
    """What was found.

    Attributes:
        slope: units a second.
        growth: units over the whole time that was looked at, by the slope.
        middle: the median.
        allowed: the growth that is still flat.
    """

    slope: float
    growth: float
    middle: float
    allowed: float

    @property
    def flat(self) -> bool:
        """Whether it grows by no more than is allowed. That it shrinks is no harm."""
        return self.growth <= self.allowed


def trend(times: Sequence[float], values: Sequence[float], allowance: Allowance) -> Trend:
    """Look at the last two thirds of the time: before that, caches fill.

    The slope is the median of those of all pairs: a few outliers do not move it (H. Theil, "A rank-invariant
    method of linear and polynomial regression analysis", 1950; P. K. Sen, J. Am. Stat. Assoc. 63, 1968).

    Arguments:
        times: seconds, ascending.
        values: one for each time.

    Raises:
        ValueError: fewer than three samples are in the last two thirds, or a time has no value.
    """
    if len(times) != len(values):
        raise ValueError(f"{len(times)} times have {len(values)} values")
    begin = times[0] + (times[-1] - times[0]) / 3 if times else 0.0
    late = [(at, value) for at, value in zip(times, values, strict=True) if at >= begin]
    slopes = [
        (later[1] - sample[1]) / (later[0] - sample[0])
        for number, sample in enumerate(late) for later in late[number + 1 :] if later[0] > sample[0]
    ]  # fmt: skip
    if len(late) < 3 or not slopes:
        raise ValueError(f"{len(late)} samples are too few to see a trend: give it more time")
    slope, middle = median(slopes), median(value for _, value in late)
    allowed = max(allowance.least, allowance.share * middle)
    return Trend(slope, slope * (late[-1][0] - late[0][0]), middle, allowed)
