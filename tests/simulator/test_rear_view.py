"""Cameras that look backwards, or higher than the panorama goes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from simulator.camera import Camera
from simulator.renderer import Renderer, to_uint8
from simulator.roads.layout import LaneLayout
from simulator.roads.segments import Line, build_road
from simulator.scene import Scene
from simulator.weather import PRESETS
from simulator.world import VehicleState


def _look(weather: str, yaw_rad: float, photographed: bool) -> Tensor:
    """``(H, W, 3)`` of a camera with a wide view."""
    road = build_road("straight", [Line(120.0)], LaneLayout.two_way())
    scene = Scene(road, weather=PRESETS[weather], seed=3)
    camera = Camera.from_fov("wide", 160, 120, 90.0).with_mount(x_m=0.0, z_m=1.5, yaw_rad=yaw_rad)
    place = [torch.tensor([value], dtype=torch.float64) for value in (60.0, 0.0, 0.0, 0.0)]
    renderer, s = Renderer([scene], camera, stretch=(0.0, 120.0)), torch.tensor([60.0])
    with torch.no_grad():
        look = renderer.photograph if photographed else renderer
        picture = look(VehicleState.at(*place), s, 0)
    return (picture if photographed else to_uint8(picture))[0].float()


@pytest.mark.parametrize("photographed", [True, False])
def test_haze_lies_over_the_horizon_behind_as_over_that_ahead(photographed: bool) -> None:
    ahead, behind = (_look("HardRainNoon", yaw, photographed) for yaw in (0.0, math.pi))

    far = slice(60, 64)
    assert float(behind[far].mean()) == pytest.approx(float(ahead[far].mean()), rel=0.1)


@pytest.mark.parametrize("photographed", [True, False])
def test_the_sky_behind_is_as_smooth_as_the_sky_ahead(photographed: bool) -> None:
    ahead, behind = (_look("ClearNoon", yaw, photographed)[35:50, 76:84] for yaw in (0.0, math.pi))

    steps = [(part[:, 1:] - part[:, :-1]).abs().mean() for part in (ahead, behind)]
    assert steps[1] < 2 * steps[0] + 2


def test_there_are_no_stripes_above_the_clouds() -> None:
    top = _look("CloudyNoon", 0.0, True)[:20]

    # 20 rows of noise leave less than this of a column's mean
    assert top.mean(0).std(0).max() < 3
