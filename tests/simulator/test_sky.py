"""The panorama turns with the car, closes round the horizon, and follows the light."""

from __future__ import annotations

import math

import pytest
import torch

from simulator.roads.layout import LaneLayout
from simulator.roads.segments import Line, build_road
from simulator.scene import Scene
from simulator.sky import SKYLINES, Panorama
from simulator.surface.style import SurfaceStyle
from simulator.weather import PRESETS

ROAD = build_road("line", [Line(50.0)], LaneLayout.one_way())


def directions(azimuth: list[float], elevation: float) -> tuple[torch.Tensor, torch.Tensor]:
    a = torch.tensor([azimuth], dtype=torch.float32)
    return a, torch.full_like(a, elevation)


@pytest.mark.parametrize("skyline", SKYLINES)
def test_horizon_closes_without_a_seam(skyline: str) -> None:
    panorama = Panorama.of(Scene(ROAD, SurfaceStyle(skyline=skyline), PRESETS["CloudyNoon"], seed=3))
    step = math.radians(0.15)
    around = panorama.sample(*directions([k * step for k in range(-40, 41)], math.radians(1.2)))[:, 0]
    jumps = (around[:, 1:] - around[:, :-1]).abs().amax(0)
    elsewhere = panorama.sample(*directions([1.0 + k * step for k in range(-400, 401)], math.radians(1.2)))[
        :, 0
    ]
    typical = (elsewhere[:, 1:] - elsewhere[:, :-1]).abs().amax(0)
    assert float(jumps[38:42].max()) <= float(typical.max()) + 0.05


def test_a_full_turn_shows_the_same() -> None:
    panorama = Panorama.of(Scene(ROAD))
    here = panorama.sample(*directions([0.3, 0.4], 0.02))
    assert torch.allclose(
        here, panorama.sample(*directions([0.3 + 2 * math.pi, 0.4 + 2 * math.pi], 0.02)), atol=1e-3
    )
    assert torch.allclose(
        here, panorama.sample(*directions([0.3 - 4 * math.pi, 0.4 - 4 * math.pi], 0.02)), atol=1e-3
    )


def test_day_is_bright_and_night_is_dark() -> None:
    high = directions([0.1, 2.0, 4.0], math.radians(15))
    day, night = (
        Panorama.of(Scene(ROAD, weather=PRESETS[name])).sample(*high) for name in ("ClearNoon", "ClearNight")
    )
    assert float(day.mean()) > 0.4
    assert float(night.mean()) < 0.1
    assert (day[2] > day[0]).all()


def test_seed_decides_the_skyline() -> None:
    low = directions([k * 0.05 for k in range(60)], math.radians(1.5))
    one, same, other = (Panorama.of(Scene(ROAD, seed=seed)).sample(*low) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
