"""Other cars: where they are at any time, and which one leads."""

from __future__ import annotations

import math

import pytest
import torch

from simulator.objects import OTHER_CAR_LENGTH_M
from simulator.roads.layout import LaneLayout
from simulator.roads.place import stack_curves
from simulator.roads.segments import Arc, Line, build_road
from simulator.traffic import OtherCar, Traffic

ROAD = build_road("bend", [Line(50.0), Arc(150.0, 100.0)], LaneLayout.two_way())
HALF_M = 0.5 * OTHER_CAR_LENGTH_M


def traffic(*cars: OtherCar) -> Traffic:
    """Cars before a front bumper at 10 m, and another world without any."""
    found = Traffic.of([(10.0, cars), (10.0, ())], stack_curves([ROAD, ROAD]))
    assert found is not None
    return found


def at(time_s: float) -> torch.Tensor:
    return torch.full((2,), time_s, dtype=torch.float64)


def test_no_cars_are_no_traffic() -> None:
    assert Traffic.of([(0.0, ()), (0.0, ())], stack_curves([ROAD, ROAD])) is None


@pytest.mark.parametrize(
    ("time_s", "moved_m", "speed_mps"),
    [(0.0, 0.0, 20.0), (2.0, 40.0, 20.0), (4.0, 60.0 + 17.5, 15.0), (9.0, 60.0 + 40.0, 0.0)],
)
def test_a_car_brakes_to_a_stand(time_s: float, moved_m: float, speed_mps: float) -> None:
    car = OtherCar(gap_m=5.0, speed_mps=20.0, braking_time_s=3.0, braking_mps2=5.0)
    s, speed = traffic(car).motion(at(time_s))
    assert float(s[0, 0]) == pytest.approx(15.0 + HALF_M + moved_m)
    assert float(speed[0, 0]) == pytest.approx(speed_mps)


def test_cars_keep_beside_the_lane_in_a_bend_and_face_where_they_go() -> None:
    boxes = traffic(OtherCar(45.0, 0.0, d_m=3.5), OtherCar(45.0, -10.0, d_m=-3.5)).boxes(at(0.0))
    assert boxes.present.tolist() == [[True, True], [False, False]]
    turned = (55.0 + HALF_M - 50.0) / 100.0
    left = 50.0 + 96.5 * math.sin(turned), 100.0 - 96.5 * math.cos(turned), turned
    assert [float(v[0, 0]) for v in (boxes.x_m, boxes.y_m, boxes.yaw_rad)] == pytest.approx(left, abs=1e-3)
    assert float(boxes.yaw_rad[0, 1] - boxes.yaw_rad[0, 0]) == pytest.approx(math.pi)


def test_the_lead_is_the_nearest_ahead_in_the_lane() -> None:
    cars = (
        OtherCar(60.0, 9.0),
        OtherCar(30.0, 8.0, d_m=0.5),
        OtherCar(20.0, 7.0, d_m=3.5),
        OtherCar(-30.0, 6.0),
    )
    s_m, front_m = torch.tensor([6.0, 6.0], dtype=torch.float64), 4.0
    gap, speed = traffic(*cars).lead(at(0.0), s_m, front_m)
    assert (gap.tolist(), speed.tolist()) == (pytest.approx([30.0, math.inf]), [8.0, 0.0])
