"""Rays end where plane geometry says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simulator.carla.actors import Actor
from simulator.carla.poses import ORIGIN
from simulator.carla.raycast import GROUND, SKY, Body, cast

CUBE = Actor(5, "cube", {}, ORIGIN, (1.0, 1.0, 1.0))


def _box(
    x: float, y: float = 0.0, yaw: float = 0.0, half: tuple[float, float, float] = (1.0, 1.0, 1.0)
) -> Body:
    return Body(CUBE, np.array([x, y, half[2]]), np.array(half), math.radians(yaw))


def test_ground_sky_and_box() -> None:
    rays = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 0.0, 1.0], [0.0, 1.0, -0.1]])

    hits = cast(np.array([0.0, 0.0, 1.0]), rays, [_box(10.0)], 0.0)

    assert hits.body.tolist() == [0, GROUND, SKY, GROUND]
    assert hits.distance_m[:2].tolist() == [9.0, 1.0]
    assert math.isinf(hits.distance_m[2])
    assert hits.distance_m[3] == pytest.approx(10.0)
    assert hits.cos_incidence[:3].tolist() == pytest.approx([1.0, 1.0, 0.0])


def test_the_nearer_box_hides_the_other_whatever_their_order() -> None:
    ray = np.array([[1.0, 0.0, 0.0]])
    for bodies in ([_box(10.0), _box(20.0)], [_box(20.0), _box(10.0)]):
        hits = cast(np.array([0.0, 0.0, 1.0]), ray, bodies, 0.0)
        assert hits.distance_m[0] == pytest.approx(9.0)


def test_a_turned_box_is_met_at_its_corner() -> None:
    hits = cast(np.array([0.0, 0.0, 1.0]), np.array([[1.0, 0.0, 0.0]]), [_box(10.0, yaw=45.0)], 0.0)

    assert hits.distance_m[0] == pytest.approx(10.0 - math.sqrt(2.0))
    assert hits.cos_incidence[0] == pytest.approx(math.sqrt(0.5))


def test_a_ray_passes_beside_and_over_a_box() -> None:
    rays = np.array([[10.0, 1.2, 0.0], [10.0, 0.0, 2.0]])

    hits = cast(np.array([0.0, 0.0, 1.0]), rays, [_box(10.0)], 0.0)

    assert hits.body.tolist() == [SKY, SKY]


def test_the_length_of_a_direction_only_scales_the_distance() -> None:
    origin = np.array([0.0, 0.0, 1.0])
    one = cast(origin, np.array([[1.0, 0.05, -0.01]]), [_box(10.0)], 0.0)
    two = cast(origin, np.array([[2.0, 0.10, -0.02]]), [_box(10.0)], 0.0)

    assert one.distance_m[0] == pytest.approx(2 * two.distance_m[0])
