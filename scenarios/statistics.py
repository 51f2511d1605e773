"""How sure one can be of a figure that was measured a few times: exact and bootstrap confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

RESAMPLES = 2000

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def _last_axis(function: Callable[..., NDArray[np.float64]], *arguments: float) -> Statistic:
    return lambda values: function(values, *arguments, axis=-1)


STATISTICS: dict[str, Statistic] = {
    "mean": _last_axis(np.mean),
    "median": _last_axis(np.median),
    "p95": _last_axis(np.percentile, 95.0),
    "p99": _last_axis(np.percentile, 99.0),
    "min": _last_axis(np.min),
    "max": _last_axis(np.max),
}
"""What many figures can be summed up by, each over the last axis of ``(..., N)``."""

EXTREMES = ("min", "max")
"""Statistics of which resampling says nothing: no resample goes beyond what was seen."""


@dataclass(frozen=True)
class Interval:
    """An estimate and the two-sided confidence interval around it.

    Attributes:
        value: the estimate.
        low: lower end; equal to ``value`` where no interval can be given.
        high: upper end.
        count: from how many figures.
    """

    value: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "unknown"
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


def clopper_pearson(successes: int, count: int, confidence: float = 0.95) -> Interval:
    """Share of successes with the exact (conservative) interval of Clopper and Pearson, Biometrika 26 (1934).

    Args:
        successes: 0 to ``count``.
        count: trials, at least 1.
        confidence: that the true share lies within, in (0, 1).

    Raises:
        ValueError: an argument is outside its range.
    """
    if not 0 <= successes <= count or count < 1 or not 0.0 < confidence < 1.0:
        raise ValueError(f"{successes} of {count} at confidence {confidence}")
    tail = 0.5 * (1.0 - confidence)
    low = float(betaincinv(successes, count - successes + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, count - successes, 1.0 - tail)) if successes < count else 1.0
    return Interval(successes / count, low, high, count)


def bootstrap(
    values: Sequence[float], statistic: str, generator: np.random.Generator, confidence: float = 0.95
) -> Interval:
    """A statistic of some figures with its percentile bootstrap interval (Efron, Annals of Statistics 7, 1979).

    Args:
        values: at least one; infinite ones (times of what never happened) are allowed.
        statistic: a name of ``STATISTICS``; for one of ``EXTREMES`` the interval is the value alone.
        generator: draws the resamples.
        confidence: that the true value lies within, in (0, 1).

    Raises:
        ValueError: there are no values, one is NaN, or the confidence is outside its range.
    """
    array = np.asarray(values, np.float64)
    if not array.size or np.isnan(array).any() or not 0.0 < confidence < 1.0:
        raise ValueError(f"{array.size} values at confidence {confidence}")
    function = STATISTICS[statistic]
    with np.errstate(invalid="ignore"):  # an interpolation between two infinities
        value = _settled(function(array), array)
        if statistic in EXTREMES or array.size == 1:
            return Interval(value, value, value, array.size)
        drawn = array[generator.integers(array.size, size=(RESAMPLES, array.size))]
        spread = np.sort(np.nan_to_num(function(drawn), nan=math.inf, posinf=math.inf, neginf=-math.inf))
    tail = 0.5 * (1.0 - confidence)
    low, high = (spread[round(share * (RESAMPLES - 1))] for share in (tail, 1.0 - tail))
    return Interval(value, float(low), float(high), array.size)


def _settled(value: NDArray[np.float64], array: NDArray[np.float64]) -> float:
    """Between infinite figures numpy interpolates to NaN; what lies between two of them is as infinite."""
    return float(np.max(array)) if np.isnan(value) else float(value)
