"""Which series is flat."""

from __future__ import annotations

from random import Random

import pytest

from stress.trend import Allowance, trend

TIMES = [float(second) for second in range(0, 300, 5)]


def test_a_line_is_found_in_spite_of_outliers() -> None:
    values = [100 + 0.5 * at for at in TIMES]
    values[25] = values[40] = 10_000
    found = trend(TIMES, values, Allowance(10))
    assert found.slope == pytest.approx(0.5) and not found.flat
    assert found.growth == pytest.approx(0.5 * (295 - 100))
    assert trend(TIMES, values, Allowance(98)).flat


def test_noise_is_flat_and_a_leak_in_it_is_not() -> None:
    random = Random(1)
    noise = [1000 + random.gauss(0, 30) for _ in TIMES]
    assert trend(TIMES, noise, Allowance(0, 0.05)).flat
    leak = [value + 0.5 * at for value, at in zip(noise, TIMES, strict=True)]
    assert not trend(TIMES, leak, Allowance(0, 0.05)).flat


def test_the_first_third_is_not_looked_at() -> None:
    values = [10 * min(at, 95.0) for at in TIMES]
    found = trend(TIMES, values, Allowance(0))
    assert found.growth == 0 and found.flat and found.middle == 950


def test_to_shrink_is_no_harm() -> None:
    assert trend(TIMES, [1000 - at for at in TIMES], Allowance(0)).flat


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_too_few_samples_say_nothing(count: int) -> None:
    with pytest.raises(ValueError, match="too few"):
        trend(TIMES[:count], TIMES[:count], Allowance(1))
