"""The lane in a rendered frame is where the map says, for whoever sees its marks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from lkas.zoo.twinlitenet import TwinLiteNet
from scenarios.files import load, locate
from scenarios.results.gap_rendered import LIMITS_M, Sight, by_daylight, describe, look
from scenarios.schema import Scenario
from simulator.camera import CAMERAS

HORIZON_ROW = round(CAMERAS["wide"].cy)


class Threshold(TwinLiteNet):
    """Takes for a lane line what is nearly white and below the horizon."""

    def probabilities(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        mask = (frames.float().amin(-1) > 150).float()
        mask[:, : HORIZON_ROW + 8] = 0.0
        return mask, mask


@pytest.fixture(scope="module")
def straight() -> Scenario:
    (path,) = locate("benign/highway_straight")
    plain = ["surface={mark_wear: 0.0, verge: grass, stains: 0.0, cracks: 0.0, seams: 0.0}"]
    return load(path, plain)


def test_marks_are_where_the_map_says(straight: Scenario) -> None:
    sights = list(look(Threshold(), [straight], 2, seed=1))
    assert [sight.found for sight in sights] == [True, True]
    assert sights[0].s_m != sights[1].s_m
    assert sights[0].error_m.shape == (2, 2)


def test_the_same_seed_shows_the_same(straight: Scenario) -> None:
    one, other = (next(look(Threshold(), [straight], 1, seed=3)) for _ in range(2))
    np.testing.assert_array_equal(one.picture, other.picture)
    np.testing.assert_array_equal(one.error_m, other.error_m)


def test_who_sees_nothing_finds_nothing(straight: Scenario) -> None:
    class Blind(TwinLiteNet):
        def probabilities(self, frames: Tensor) -> tuple[Tensor, Tensor]:
            return (torch.zeros(frames.shape[:3]),) * 2

    (sight,) = look(Blind(), [straight], 1, seed=0)
    assert not sight.found
    assert np.isinf(sight.error_m).all()
    assert describe(sight).shape == sight.picture.shape


def test_found_is_what_is_within_the_limits() -> None:
    def sight(left_10_m: float, right_20_m: float) -> Sight:
        error = np.array([[left_10_m, 0.0], [0.0, right_20_m]])
        return Sight("name", 0.0, 0.0, 0.0, error, np.zeros((4, 4, 3), np.uint8))

    assert sight(LIMITS_M[0], LIMITS_M[1]).found
    assert not sight(0.26, 0.0).found
    assert not sight(0.0, 0.41).found
    assert sight(0.125, 0.0).worst == pytest.approx(0.5)


def test_nights_are_left_out() -> None:
    names = [s.name for s in by_daylight([load(path) for path in locate("benign/*")])]
    assert any("straight" in name for name in names)
    assert not any("night" in name or "dusk" in name for name in names)
