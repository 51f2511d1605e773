"""Looking up where a car is: against points put there by the curve itself."""

import numpy as np
import pytest
import torch

from simulator.roads.layout import LaneLayout
from simulator.roads.place import EgoLanes, stack_curves
from simulator.roads.road import STEP_M, Road
from simulator.roads.segments import Arc, Clothoid, Line, build_road


@pytest.fixture(scope="module")
def roads() -> list[Road]:
    layout = LaneLayout.two_way(3.4)
    short = build_road("short", [Line(40.0), Arc(60.0, 30.0)], layout)
    long = build_road(
        "long", [Line(30.0), Clothoid(60.0, 0.0, 0.02), Arc(80.0, 50.0), Clothoid(80.0, 0.02, -0.01)], layout
    )
    return [short, long]


@pytest.mark.parametrize("miss_m", [0.0, 0.2, -0.2])
def test_locate_inverts_the_curve(roads: list[Road], miss_m: float) -> None:
    lanes = EgoLanes.of(roads)
    for s in np.linspace(3.0, 95.0, 30):
        for d in (-1.5, 0.0, 1.0):
            where = torch.tensor([s, 2 * s], dtype=torch.float64), torch.full((2,), d).double()
            x, y = lanes.curve.to_cartesian(*where)
            heading = lanes.curve.frame_at(where[0])[2]
            place = lanes.locate(x, y, heading + 0.1 + 2 * torch.pi, where[0] + miss_m)
            # a clothoid is an arc only from sample to sample
            assert torch.allclose(place.s_m, where[0], atol=3e-5)
            assert torch.allclose(place.d_m, where[1], atol=3e-5)
            assert torch.allclose(place.heading_error_rad, torch.full((2,), 0.1).double(), atol=3e-4)
            assert torch.allclose(place.left_m, torch.full((2,), 1.7).double())
            assert torch.allclose(place.right_m, torch.full((2,), -1.7).double())


def test_shorter_roads_go_on_straight_in_a_batch(roads: list[Road]) -> None:
    curve = stack_curves(roads)
    short = roads[0]
    beyond = torch.tensor([short.s_m[-1] + 7.3, 50.0], dtype=torch.float64)
    x, y, heading, curvature = curve.frame_at(beyond)
    assert float(heading[0]) == pytest.approx(short.heading_rad[-1])
    assert float(curvature[0]) == 0
    assert float(x[0]) == pytest.approx(short.x_m[-1] + 7.3 * np.cos(short.heading_rad[-1]))
    assert float(y[0]) == pytest.approx(short.y_m[-1] + 7.3 * np.sin(short.heading_rad[-1]))


def test_gradients(roads: list[Road]) -> None:
    lanes = EgoLanes.of(roads)
    s = torch.tensor([70.1, 66.2], dtype=torch.float64)
    x, y = lanes.curve.to_cartesian(s, torch.tensor([0.6, -0.9], dtype=torch.float64))
    yaw = lanes.curve.frame_at(s)[2]

    def find(x: torch.Tensor, y: torch.Tensor, yaw: torch.Tensor) -> tuple[torch.Tensor, ...]:
        place = lanes.locate(x, y, yaw, s)
        return place.s_m, place.d_m, place.heading_error_rad

    assert torch.autograd.gradcheck(find, tuple(t.detach().requires_grad_() for t in (x, y, yaw)))
    assert lanes.curve.step_m == STEP_M
