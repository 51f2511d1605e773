"""Cruise: curves are met at the speed they allow, cars ahead at the gap."""

import math

import pytest
import torch

from simulator.cruise import Cruise, CruiseParameters
from simulator.world import DISTANCES_M


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def arc(radius: float, begins_m: float = 0.0) -> torch.Tensor:
    """``(1, 33)`` a straight path that turns into an arc."""
    x = (DISTANCES_M - begins_m).clamp(0, 0.95 * radius)
    return (radius - torch.sqrt(radius**2 - x**2))[None]


@pytest.mark.parametrize("radius", [40.0, 100.0, 300.0])
def test_speed_of_an_arc_is_that_of_its_lateral_acceleration(radius: float) -> None:
    allowed = float(Cruise().curve_speed(arc(radius), column(5.0)))
    assert allowed == pytest.approx(math.sqrt(2.5 * radius), rel=0.03)


def test_straight_road_allows_any_speed() -> None:
    assert float(Cruise().curve_speed(torch.zeros(1, 33).double(), column(40.0))) > 100


def test_far_curve_allows_what_braking_takes_off() -> None:
    parameters = CruiseParameters()
    allowed = float(Cruise().curve_speed(arc(50.0, 80.0), column(20.0)))
    braked = math.sqrt(2.5 * 50 + 2 * parameters.curve_braking_mps2 * (80 - 20 * parameters.curve_margin_s))
    assert allowed == pytest.approx(braked, rel=0.12)


def test_acceleration_brings_the_set_speed() -> None:
    speed, cruise = 10.0, Cruise()
    for _ in range(600):
        speed += 0.05 * float(cruise.acceleration(column(speed), column(22.0)))
    assert speed == pytest.approx(22.0, abs=0.01)


def test_follower_settles_behind_the_lead_at_the_headway() -> None:
    parameters, cruise = CruiseParameters(), Cruise()
    speed, gap, lead = 25.0, 60.0, 15.0
    smallest = gap
    for _ in range(2400):
        acceleration = float(cruise.acceleration(column(speed), column(25.0), column(gap), column(lead)))
        assert -parameters.max_braking_mps2 <= acceleration <= parameters.max_acceleration_mps2
        speed = max(0.0, speed + 0.05 * acceleration)
        gap += 0.05 * (lead - speed)
        smallest = min(smallest, gap)
    assert speed == pytest.approx(15.0, abs=0.05)
    assert gap == pytest.approx(parameters.standstill_gap_m + 15 * parameters.headway_s, rel=0.02)
    assert smallest > 10


def test_no_lead_is_a_lead_at_infinity() -> None:
    cruise, speed, wanted = Cruise(), column(10.0, 30.0), column(25.0, 20.0)
    far = cruise.acceleration(speed, wanted, column(math.inf, math.inf), column(0.0, 0.0))
    assert torch.equal(far, cruise.acceleration(speed, wanted))


def test_gradients() -> None:
    cruise = Cruise()
    path = arc(60.0, 20.0).requires_grad_()
    speed = column(18.0).requires_grad_()
    gap = column(40.0).requires_grad_()

    def ask(speed: torch.Tensor, gap: torch.Tensor, path: torch.Tensor) -> torch.Tensor:
        return cruise.curve_speed(path, speed) + cruise.acceleration(speed, speed + 1, gap, speed - 3)

    assert torch.autograd.gradcheck(ask, (speed, gap, path))
