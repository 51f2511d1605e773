"""Intervals: known values, coverage, and what happens at the ends."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from scenarios.statistics import STATISTICS, Interval, bootstrap, clopper_pearson


@given(count=st.integers(1, 200), share=st.floats(0.0, 1.0), confidence=st.floats(0.5, 0.999))
def test_clopper_pearson_agrees_with_scipy(count: int, share: float, confidence: float) -> None:
    successes = round(share * count)
    interval = clopper_pearson(successes, count, confidence)
    expected = binomtest(successes, count).proportion_ci(confidence, method="exact")
    assert interval.low == pytest.approx(expected.low, abs=1e-9)
    assert interval.high == pytest.approx(expected.high, abs=1e-9)


def test_no_success_in_ten_still_allows_thirty_percent() -> None:
    assert clopper_pearson(0, 10).high == pytest.approx(0.3085, abs=1e-4)
    assert clopper_pearson(10, 10).low == pytest.approx(1 - 0.3085, abs=1e-4)


@pytest.mark.parametrize(
    ("successes", "count", "confidence"), [(-1, 3, 0.9), (4, 3, 0.9), (0, 0, 0.9), (1, 2, 1.0)]
)
def test_senseless_trials_are_refused(successes: int, count: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence"):
        clopper_pearson(successes, count, confidence)


def test_a_bootstrap_interval_covers_the_mean_as_often_as_it_says(rng: np.random.Generator) -> None:
    inside = 0
    for _ in range(200):
        interval = bootstrap(rng.normal(3.0, 1.0, 40).tolist(), "mean", rng, 0.9)
        inside += interval.low <= 3.0 <= interval.high
    assert 165 <= inside <= 195


@pytest.mark.parametrize("statistic", STATISTICS)
def test_the_same_figures_have_no_spread(rng: np.random.Generator, statistic: str) -> None:
    assert bootstrap([2.0] * 5, statistic, rng) == Interval(2.0, 2.0, 2.0, 5)


def test_what_never_happened_is_later_than_all(rng: np.random.Generator) -> None:
    interval = bootstrap([1.0, math.inf, math.inf], "median", rng)
    assert interval.value == interval.high == math.inf
    assert bootstrap([1.0, 2.0, math.inf], "mean", rng).value == math.inf
    assert bootstrap([math.inf, math.inf], "p95", rng).value == math.inf


def test_the_same_seed_gives_the_same_interval() -> None:
    first, second = (bootstrap([1.0, 2.0, 5.0], "mean", np.random.default_rng(1)) for _ in range(2))
    assert first == second
    assert str(first).startswith("2.67 [")


@pytest.mark.parametrize("values", [[], [1.0, math.nan]])
def test_no_figures_are_refused(rng: np.random.Generator, values: list[float]) -> None:
    with pytest.raises(ValueError, match="values"):
        bootstrap(values, "mean", rng)
