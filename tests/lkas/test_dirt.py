"""Dirt stays within what its name promises."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lkas.dirt import CELL_M, TRAINING_FAMILIES, sample_dirt


@pytest.mark.parametrize("family", TRAINING_FAMILIES.values(), ids=TRAINING_FAMILIES.keys())
def test_families_change_something_by_at_most_one(family: Callable[..., np.ndarray]) -> None:
    strongest = []
    for seed in range(12):
        cells = family(150, 50, np.random.default_rng(seed))
        assert cells.shape == (150, 50)
        assert cells.dtype == np.float32
        assert np.abs(cells).max() <= 1 + 1e-6
        strongest.append(np.abs(cells).max())
    assert max(strongest) > 0.2


@given(st.floats(3, 60), st.floats(1, 9), st.sampled_from([0.0, 0.1, 0.2, 0.55]), st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_amplitude_is_the_largest_change(
    length_m: float, width_m: float, amplitude: float, seed: int
) -> None:
    cells = sample_dirt(length_m, width_m, amplitude, np.random.default_rng(seed))
    assert cells.shape == (np.ceil(length_m / CELL_M), np.ceil(width_m / CELL_M))
    assert cells.dtype == np.float32
    assert np.abs(cells).max() <= amplitude * (1 + 1e-6)


def test_same_seed_same_dirt_and_darker_rather_than_brighter() -> None:
    def draw(seed: int) -> np.ndarray:
        return sample_dirt(20, 5, 0.2, np.random.default_rng(seed))

    assert np.array_equal(draw(3), draw(3))
    assert not np.array_equal(draw(3), draw(4))
    assert np.mean([draw(seed).mean() for seed in range(30)]) < 0
