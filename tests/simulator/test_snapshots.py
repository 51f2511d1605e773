"""Pictures as bytes against the pictures that carry gradients: two ways to the same numbers."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from simulator.camera import Camera
from simulator.objects import Boxes
from simulator.renderer import Renderer, to_uint8
from simulator.roads.layout import LaneLayout, Paint, Strip
from simulator.roads.segments import Arc, Clothoid, Line, build_road
from simulator.scene import Scene
from simulator.surface.layer import SurfaceLayer
from simulator.weather import PRESETS
from simulator.world import VehicleState

SMALL = Camera("small", 256, 128, 455.0, 455.0, 128.0, 23.8)
PLACES = [("ClearNoon", 30.0, 0.3, 0.0), ("ClearNight", 60.0, -0.2, 0.02), ("HardRainNoon", 90.0, 0.5, 0.6)]
"""Weather, arc length, lateral position and heading error of each view; the last one looks far off the road."""


@pytest.fixture(name="views", scope="module")
def _views() -> tuple[Renderer, VehicleState, torch.Tensor]:
    mark = Paint("broken", width_m=0.15)
    road = build_road(
        "bend", [Line(30.0), Clothoid(30.0, 0.0, 1 / 80), Arc(120.0, 80.0)],
        LaneLayout((Strip(3.6),), (mark, mark), 0),
    )  # fmt: skip
    scenes = [Scene(road, weather=PRESETS[name], seed=k) for k, (name, *_) in enumerate(PLACES)]
    s, d, turn = torch.tensor([place[1:] for place in PLACES], dtype=torch.float64).unbind(1)
    x, y = (v[0] for v in road.curve().to_cartesian(s[None], d[None]))
    heading = road.curve().frame_at(s[None])[2][0]
    state = VehicleState.at(x, y, heading + turn, torch.full_like(x, 20.0))
    return Renderer(scenes, SMALL, stretch=(-30.0, 200.0)), state, s


def worst(views: tuple[Renderer, VehicleState, torch.Tensor], **options: object) -> int:
    renderer, state, s_m = views
    frames = torch.arange(len(s_m))
    with torch.no_grad():
        expected = to_uint8(renderer(state, s_m, frames, **options))
    found = renderer.photograph(state, s_m, frames, **options)
    assert found.shape == expected.shape
    assert found.is_contiguous()
    assert float(expected.float().std()) > 10
    return int((found.int() - expected.int()).abs().max())


@pytest.mark.parametrize("keep", [False, True])
def test_bytes_are_those_of_the_differentiable_picture(
    views: tuple[Renderer, VehicleState, torch.Tensor], keep: bool, generator: torch.Generator
) -> None:
    cells = 0.2 * torch.rand(1, 3 if keep else 1, 40, 12, generator=generator) - 0.1
    share = torch.rand(1, 1, 40, 12, generator=generator) if keep else None
    layer = SurfaceLayer(cells, torch.tensor([46.0, 70.0, 1e4]), 0.1, 20.0, 3.0, keep=share)
    ahead = 15.0
    _, state, _ = views
    x, y = state.x_m + ahead * torch.cos(state.yaw_rad), state.y_m + ahead * torch.sin(state.yaw_rad)
    boxes = Boxes.cars(x[:, None], y[:, None], state.yaw_rad[:, None])
    assert worst(views) <= 1
    assert worst(views, layers=[layer], boxes=boxes) <= 1


def test_bytes_are_exposed_likewise() -> None:
    scene = Scene(build_road("line", [Line(50.0)], LaneLayout.two_way()))
    renderer = Renderer([scene], dataclasses.replace(SMALL, exposure=1.4), stretch=(-10.0, 60.0))
    zero = torch.zeros(1, dtype=torch.float64)
    assert worst((renderer, VehicleState.at(zero, zero, zero, zero + 20.0), zero)) <= 1


@pytest.mark.parametrize("turns", [-2, 1])
def test_the_panorama_closes_in_every_direction(
    views: tuple[Renderer, VehicleState, torch.Tensor], turns: int
) -> None:
    renderer, state, s_m = views
    # looking along x, where the panorama begins and ends, and that several times around
    yaw = torch.tensor([-0.1, 0.0, 0.1], dtype=torch.float64) + 2 * math.pi * turns
    assert worst((renderer, state.replace(yaw_rad=yaw), s_m)) <= 1


def test_threads_and_company_change_no_byte(views: tuple[Renderer, VehicleState, torch.Tensor]) -> None:
    renderer, state, s_m = views
    frames = torch.arange(len(s_m))
    before = torch.get_num_threads()
    pictures = []
    for count in (1, 2):
        torch.set_num_threads(count)
        pictures.append(renderer.photograph(state, s_m, frames))
    torch.set_num_threads(before)
    assert torch.equal(*pictures)
    last = VehicleState(*(getattr(state, f.name)[-1:] for f in dataclasses.fields(VehicleState)))
    alone = Renderer([renderer.scenes[-1]], SMALL, stretch=(-30.0, 200.0))
    assert torch.equal(alone.photograph(last, s_m[-1:], int(frames[-1]))[0], pictures[0][-1])


def test_other_precisions_take_the_long_way(views: tuple[Renderer, VehicleState, torch.Tensor]) -> None:
    renderer, state, s_m = views
    double = Renderer(renderer.scenes, SMALL, torch.float64, stretch=(-30.0, 200.0))
    frames = torch.arange(len(s_m))
    with torch.no_grad():
        expected = to_uint8(double(state, s_m, frames))
    assert torch.equal(double.photograph(state, s_m, frames), expected)
