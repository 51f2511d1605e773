"""Lens and sensor: noise as strong as stated, another for every frame, ends of the scale kept."""

from __future__ import annotations

import pytest
import torch

from simulator.camera import CAMERAS
from simulator.lens import Lens
from simulator.weather import PRESETS, Light


def expose(value: float, weather: str, frame: int, seed: int = 0) -> torch.Tensor:
    lens = Lens(CAMERAS["model"], [(seed, Light.of(PRESETS[weather]))])
    return lens(torch.full((1, 3, 256, 512), value), torch.tensor([0]), frame)


@pytest.mark.parametrize("weather", ["ClearNoon", "ClearNight"])
def test_noise_has_the_stated_strength_and_no_bias(weather: str) -> None:
    grey = expose(0.5, weather, 3)
    assert float(grey.std()) == pytest.approx(Light.of(PRESETS[weather]).noise, rel=0.05)
    assert float(grey.mean()) == pytest.approx(0.5, abs=1e-3)


def test_frames_and_scenes_differ_but_repeat() -> None:
    assert torch.equal(expose(0.5, "ClearNoon", 3), expose(0.5, "ClearNoon", 3))
    assert not torch.equal(expose(0.5, "ClearNoon", 3), expose(0.5, "ClearNoon", 4))
    assert not torch.equal(expose(0.5, "ClearNoon", 3), expose(0.5, "ClearNoon", 3, seed=1))


def test_scale_ends_at_black_and_white() -> None:
    assert float(expose(1.5, "ClearNoon", 0).min()) == 1.0
    assert float(expose(-0.5, "ClearNoon", 0).max()) == 0.0


def test_rain_leaves_streaks() -> None:
    dry, wet = expose(0.2, "CloudyNoon", 2), expose(0.2, "HardRainNoon", 2)
    assert float((wet - dry).max()) > 0.05
