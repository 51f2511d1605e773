"""The sparse operator against the renderer: two independent ways to the same pixels."""

from __future__ import annotations

import pytest
import torch

from simulator.camera import Camera
from simulator.patch_operator import patch_operator
from simulator.renderer import Renderer
from simulator.roads.layout import LaneLayout, Paint, Strip
from simulator.roads.segments import Arc, Line, build_road
from simulator.scene import Scene
from simulator.surface.layer import SurfaceLayer
from simulator.surface.style import SurfaceStyle
from simulator.weather import PRESETS
from simulator.world import VehicleState

SMALL = Camera("small", 256, 128, 455.0, 455.0, 128.0, 23.8)


@pytest.mark.parametrize("weather", ["CloudyNoon", "ClearNight"])
def test_operator_is_what_the_renderer_does(weather: str, generator: torch.Generator) -> None:
    paint = Paint("solid")
    road = build_road("bend", [Line(40.0), Arc(150.0, 150.0)], LaneLayout((Strip(3.6),), (paint, paint), 0))
    style = SurfaceStyle(asphalt_brightness=0.3, mark_brightness=0.5)
    renderer = Renderer([Scene(road, style, PRESETS[weather])], SMALL, torch.float64, stretch=(-20.0, 200.0))
    cells = 0.05 * torch.rand(1, 1, 37, 13, dtype=torch.float64, generator=generator)
    layer = SurfaceLayer(cells, 36.0, 0.3, 18.5, 3.9)
    curve = road.curve()
    s_m = torch.tensor([25.0], dtype=torch.float64)
    x, y, heading, _ = (v[0] for v in curve.frame_at(s_m[None]))
    state = VehicleState.at(x, y + 0.2, heading + 0.01, torch.tensor([20.0], dtype=torch.float64))
    with torch.no_grad():
        clean, dirty = renderer(state, s_m, 0), renderer(state, s_m, 0, [layer])
    (operator,) = patch_operator(renderer, layer, state, s_m)
    gained = torch.from_numpy(operator @ cells.flatten().numpy()).reshape(3, SMALL.height, SMALL.width)
    seen = (dirty[0] > 0) & (dirty[0] < 1) & (clean[0] > 0)
    assert float(gained.max()) > 0.004
    assert float((dirty[0] - clean[0] - gained)[seen].abs().max()) < 1e-9


def test_layer_out_of_sight_gives_an_empty_operator() -> None:
    road = build_road("line", [Line(400.0)], LaneLayout((Strip(3.6),), (Paint("solid"), Paint("solid")), 0))
    renderer = Renderer([Scene(road)], SMALL, torch.float64, stretch=(-20.0, 300.0))
    layer = SurfaceLayer(torch.zeros(1, 1, 4, 4, dtype=torch.float64), 10.0, 0.0, 4.0, 3.0)
    state = VehicleState.at(*(torch.tensor([v], dtype=torch.float64) for v in (60.0, 0.0, 0.0, 20.0)))
    (operator,) = patch_operator(renderer, layer, state, torch.tensor([60.0], dtype=torch.float64))
    assert operator.shape == (3 * SMALL.height * SMALL.width, 16)
    assert operator.nnz == 0
