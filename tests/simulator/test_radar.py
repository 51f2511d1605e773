"""The radar sees what stands in the car's way, and how fast it comes nearer."""

from __future__ import annotations

import math

import pytest
import torch

from simulator.objects import OTHER_CAR_LENGTH_M, Boxes
from simulator.radar import CLOSING, GAP, look
from simulator.vehicle import VehicleParameters
from simulator.world import VehicleState

OWN = VehicleParameters()
FRONT_M = OWN.length_m - OWN.rear_overhang_m


def number(value: float) -> torch.Tensor:
    return torch.tensor([value], dtype=torch.float64)


def seen(
    ahead_m: float, left_m: float, yaw_rad: float = 0.0, speed_mps: float = 0.0, own_yaw_rad: float = 0.0,
    yaw_rate_radps: float = 0.0, present: bool = True,
) -> tuple[float, float]:  # fmt: skip
    car = VehicleState.at(number(0.0), number(0.0), number(own_yaw_rad), number(20.0))
    car = car.replace(yaw_rate_radps=number(yaw_rate_radps))
    boxes = Boxes.cars(number(ahead_m)[None], number(left_m)[None], number(yaw_rad)[None])
    boxes.present.fill_(present)
    found = look(car, OWN, boxes, number(speed_mps)[None])
    return float(found[GAP]), float(found[CLOSING])


def test_a_car_that_stands_ahead() -> None:
    assert seen(40.0, 0.0) == pytest.approx((40.0 - 0.5 * OTHER_CAR_LENGTH_M - FRONT_M, 20.0))


def test_an_oncoming_car_comes_with_both_speeds() -> None:
    gap, closing = seen(60.0, 0.5, math.pi, 15.0)
    assert gap == pytest.approx(60.0 - 0.5 * OTHER_CAR_LENGTH_M - FRONT_M)
    assert closing == pytest.approx(35.0)


@pytest.mark.parametrize(("ahead_m", "left_m"), [(40.0, 3.0), (40.0, -3.0), (-20.0, 0.0), (400.0, 0.0)])
def test_what_is_beside_behind_or_far_away_is_not_in_the_way(ahead_m: float, left_m: float) -> None:
    assert seen(ahead_m, left_m) == (math.inf, 0.0)


def test_what_is_not_there_is_not_seen() -> None:
    assert seen(40.0, 0.0, present=False) == (math.inf, 0.0)


def test_the_way_turns_with_the_car() -> None:
    """3 m to the left and 40 m ahead: in the way of a car that looks there, or that turns there."""
    assert seen(40.0, 3.0, own_yaw_rad=math.atan2(3.0, 40.0))[0] < 40.0
    assert seen(40.0, 3.0, yaw_rate_radps=20.0 * 2 * 3.0 / 40.0**2)[0] < 40.0
