"""What touches is pushed apart, and momentum is neither made nor lost along a common heading."""

from __future__ import annotations

import pytest

from simulator.carla.actors import Actor, Car, Walker
from simulator.carla.contacts import resolve, touching
from simulator.carla.physics import Physics
from simulator.carla.poses import Pose

HALF = (2.4, 1.0, 0.75)


def _car(
    number: int, x: float, y: float = 0.0, yaw: float = 0.0, speed: float = 0.0, mass: float = 1500.0
) -> Car:
    pose: Pose = (x, y, 0.0, 0.0, yaw, 0.0)
    physics = Physics.of_size(HALF, "car", 4)
    car = Car(number, "vehicle.x", {}, pose, HALF, (0.0, 0.0, 0.75), solid=True, physics=physics)
    object.__setattr__(car.physics, "mass_kg", mass)
    car.place_rolling()
    car.rolling.speed_mps = speed
    car.take_speed_of((speed, 0.0, 0.0))
    return car


def test_cars_that_overlap_end_up_touching() -> None:
    one, other = _car(1, 0.0), _car(2, 4.0)

    (contact,) = resolve([one, other])

    assert {contact.one.number, contact.other.number} == {1, 2}
    assert other.pose[0] - one.pose[0] == pytest.approx(4.8)
    assert one.pose[0] == pytest.approx(-0.4)
    assert not touching(one, [other])


def test_a_collision_keeps_momentum_and_takes_the_closing_speed() -> None:
    fast, slow = _car(1, 0.0, speed=10.0, mass=1000.0), _car(2, 4.7, speed=4.0, mass=2000.0)

    (contact,) = resolve([fast, slow])

    assert fast.rolling.speed_mps == pytest.approx(6.0)
    assert slow.rolling.speed_mps == pytest.approx(6.0)
    assert abs(contact.impulse_ns[0]) == pytest.approx(4000.0)


def test_cars_that_part_are_left_their_speeds() -> None:
    behind, ahead = _car(1, 0.0, speed=3.0), _car(2, 4.7, speed=8.0)

    resolve([behind, ahead])

    assert (behind.rolling.speed_mps, ahead.rolling.speed_mps) == (3.0, 8.0)


def test_props_do_not_give_way() -> None:
    car = _car(1, 0.0, speed=10.0)
    prop = Actor(
        2, "static.prop.box", {}, (3.0, 0.0, 0.0, 0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0, 0, 1.0), solid=True
    )

    (contact,) = resolve([car, prop])

    assert prop.pose[0] == 3.0
    assert car.pose[0] == pytest.approx(3.0 - 1.0 - 2.4)
    assert car.rolling.speed_mps == pytest.approx(0.0)
    assert contact.impulse_ns[0] * (1 if contact.one is car else -1) == pytest.approx(-15000.0)


def test_a_walker_is_pushed_aside_by_a_car() -> None:
    car = _car(1, 0.0, speed=10.0)
    walker = Walker(2, "walker", {}, (2.4, 0.0, 0.93, 0.0, 0.0, 0.0), (0.2, 0.2, 0.93), solid=True)

    resolve([car, walker])

    assert walker.pose[0] > 2.5
    assert car.rolling.speed_mps > 9.0


def test_what_lies_apart_or_above_is_left_alone() -> None:
    turned = _car(2, 4.0, yaw=90.0)
    high = _car(3, 0.0)
    high.move_to((0.0, 0.0, 5.0, 0.0, 0.0, 0.0))

    assert resolve([_car(1, 0.0), turned, high]) == []


def test_the_order_of_actors_does_not_matter() -> None:
    def ends(order: list[int]) -> list[Pose]:
        cars = [_car(1, 0.0, speed=5.0), _car(2, 4.5, 0.3), _car(3, 9.0, -0.2, yaw=10.0)]
        resolve([cars[index] for index in order])
        return [car.pose for car in cars]

    assert ends([0, 1, 2]) == ends([2, 0, 1])
