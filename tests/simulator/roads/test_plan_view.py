"""Piecewise cubics and every shape that a reference line may have."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simulator.roads.map_file import parse_map
from simulator.roads.plan_view import Cubics


def test_cubics_hold_from_their_start_on() -> None:
    cubics = Cubics(np.array([1.0, 3.0]), np.array([[2.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 2.0]]))

    value, slope, bend = cubics.at(np.array([0.5, 1.0, 2.0, 4.0]))

    np.testing.assert_allclose(value, [0.0, 2.0, 3.0, 3.0])
    np.testing.assert_allclose(slope, [0.0, 1.0, 1.0, 8.0])
    np.testing.assert_allclose(bend, [0.0, 0.0, 0.0, 14.0])


@pytest.mark.parametrize(
    "shape",
    [
        '<arc curvature="0.02"/>',
        '<spiral curvStart="0.02" curvEnd="0.02"/>',
        # u = R sin(p / R), v = R (1 - cos(p / R)) to the third order, over 5 m
        '<paramPoly3 pRange="arcLength" aU="0" bU="1" cU="0" dU="-6.6667e-5" aV="0" bV="0" cV="0.01" dV="0"/>',
        '<paramPoly3 pRange="normalized" aU="0" bU="5" cU="0" dU="-8.3333e-3" aV="0" bV="0" cV="0.25" dV="0"/>',
        '<poly3 a="0" b="0" c="0.01" d="0"/>',
    ],
)
def test_every_shape_can_be_an_arc(single_map: str, shape: str) -> None:
    text = (
        single_map.replace("<line/>", shape)
        .replace('length="100.0"', 'length="5"')
        .replace('sOffset="40"', 'sOffset="4"')
    )

    point, heading, curvature, _ = parse_map(text, "test")[1][1].plan.at(np.array([0.0, 2.5, 5.0]))

    expected = 50.0 * np.sin([0.0, 0.05, 0.1]) + 50j * (1 - np.cos([0.0, 0.05, 0.1]))
    np.testing.assert_allclose(point, expected, atol=1e-3)
    np.testing.assert_allclose(heading, [0.0, 0.05, 0.1], atol=6e-4)
    np.testing.assert_allclose(curvature, 0.02, rtol=0.03)


def test_a_parameter_in_the_arc_length_is_taken_as_it_is(single_map: str) -> None:
    """A straight paramPoly3 at twice the speed is twice as long, where it is said to be in metres already."""
    shape = '<paramPoly3 pRange="arcLength" aU="0" bU="2" cU="0" dU="0" aV="0" bV="0" cV="0" dV="0"/>'

    point = parse_map(single_map.replace("<line/>", shape), "test")[1][1].plan.at(np.array([10.0]))[0]

    assert point[0] == pytest.approx(20.0)
    assert math.isclose(point[0].imag, 0.0)
