"""What a physics control says about a car, and what changing it does."""

from __future__ import annotations

import math

import pytest

from simulator.carla.physics import Physics, curve_at
from simulator.carla.poses import Pose
from simulator.vehicle import PRESETS

POSE: Pose = (100.0, 50.0, 0.0, 0.0, 90.0, 0.0)


def test_wheels_stand_where_the_axles_are() -> None:
    physics = Physics.of_preset(PRESETS["openpilot_0_6"])

    wheels = physics.message(POSE)[15]

    # heading along y: the rear axle is 1.3 m before the middle, the front one 2.65 m beyond it
    assert wheels[2][9][1] / 100 == pytest.approx(50.0 - 1.3)
    assert (wheels[0][9][1] - wheels[2][9][1]) / 100 == pytest.approx(2.65)
    assert wheels[0][9][0] > wheels[1][9][0]


def test_full_steer_of_a_preset_is_its_limit_at_every_speed() -> None:
    car = PRESETS["openpilot_0_6"]
    physics = Physics.of_preset(car)

    assert physics.steering_rad(1.0, 0.0) == pytest.approx(car.steering_limit_rad)
    assert physics.steering_rad(-0.5, 40.0) == pytest.approx(-0.5 * car.steering_limit_rad)


def test_a_steering_curve_takes_away_at_speed() -> None:
    physics = Physics.of_size((2.4, 1.0, 0.7), "car", 4)

    assert math.degrees(physics.steering_rad(1.0, 0.0)) == pytest.approx(70.0)
    assert math.degrees(physics.steering_rad(1.0, 60 / 3.6)) == pytest.approx(56.0)


def test_a_changed_control_is_given_back_and_acts() -> None:
    physics = Physics.of_size((2.4, 1.0, 0.7), "car", 4)
    message = physics.message(POSE)
    message[11], message[12] = 2222.0, 0.7
    message[14] = [[0.0, 1.0], [100.0, 0.5]]
    for wheel in message[15][:2]:
        wheel[0], wheel[2] = 1.75, 40.0

    changed = physics.changed_by(message)

    assert changed.message(POSE)[11:15] == [2222.0, 0.7, [0.0, 0.0, 0.0], [[0.0, 1.0], [100.0, 0.5]]]
    assert changed.max_steer_deg == 40.0
    assert changed.car.max_lateral_acceleration_mps2 == pytest.approx(4.0)
    assert changed.message(POSE)[15][0][0] == pytest.approx(1.75)


@pytest.mark.parametrize(("field", "value"), [(11, 0.0), (11, math.nan), (15, [])])
def test_nonsense_is_refused(field: int, value: object) -> None:
    physics = Physics()
    message = physics.message(POSE)
    message[field] = value

    with pytest.raises((ValueError, IndexError)):
        physics.changed_by(message)


def test_a_curve_is_held_beyond_its_ends() -> None:
    points = ((0.0, 1.0), (10.0, 3.0))

    assert [curve_at(points, x) for x in (-5.0, 0.0, 5.0, 10.0, 99.0)] == [1.0, 1.0, 2.0, 3.0, 3.0]
