"""A corridor beyond its ends: the map's as far as there is one and it bends gently, then straight on."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.roads.opendrive import load_opendrive
from simulator.roads.road import LEAD_IN_M, LEAD_OUT_M


def test_it_goes_straight_on_where_the_map_ends(chained_map: str) -> None:
    road = load_opendrive(chained_map, 1, -1, 20.0)

    beyond = road.s_m > road.length_m + 0.5
    before = road.s_m < -20.0
    assert beyond.sum() >= (LEAD_OUT_M - 1) / 0.5
    assert before.sum() == (LEAD_IN_M - 20.0) / 0.5
    assert np.all(road.curvature_per_m[beyond | before] == 0.0)
    assert np.ptp(road.heading_rad[beyond]) == 0.0
    np.testing.assert_allclose(np.hypot(np.diff(road.x_m), np.diff(road.y_m)), 0.5, rtol=1e-5)
    for lane in road.lanes:
        assert np.all(np.isfinite(lane.left_m))


def test_it_shows_the_map_beyond_its_end_but_no_sharp_curve(chained_map: str, crossing_map: str) -> None:
    gentle = load_opendrive(chained_map, 1, -1, 0.0, 60.0)
    sharp = load_opendrive(chained_map.replace("0.0125", "0.05"), 1, -1, 0.0, 60.0)

    assert gentle.length_m == sharp.length_m == 60.0
    assert gentle.curvature_per_m[np.searchsorted(gentle.s_m, 120.0)] == pytest.approx(1 / 81.5)
    assert np.all(sharp.curvature_per_m == 0.0)
    np.testing.assert_allclose(sharp.y_m, -1.5)
    # within the road proper every curve is kept
    assert np.max(load_opendrive(chained_map.replace("0.0125", "0.05"), 1, -1, 0.0).curvature_per_m) > 0.04


def test_a_shifting_lane_bends_as_its_positions_do(single_map: str) -> None:
    """The reference line is straight; the lane's centre follows half of a cubic that widens it."""
    text = single_map.replace('a="3" b="0" c="0" d="0"', 'a="3" b="0" c="0.002" d="-0.0000133333"')

    road = load_opendrive(text, 1, -1, 0.0)

    ours = (road.s_m >= 0) & (road.s_m <= road.length_m)
    x, y, heading = road.x_m[ours], road.y_m[ours], road.heading_rad[ours]
    np.testing.assert_allclose(y, -0.5 * (3 + 0.002 * x**2 - 0.0000133333 * x**3), atol=1e-6)
    np.testing.assert_allclose(np.gradient(y, x)[1:-1], np.tan(heading)[1:-1], atol=1e-4)
    np.testing.assert_allclose(np.gradient(heading, 0.5)[1:-1], road.curvature_per_m[ours][1:-1], atol=1e-4)
    np.testing.assert_allclose(np.hypot(np.diff(x), np.diff(y)), 0.5, rtol=1e-5)
    assert road.length_m > 100.0


def test_lanes_without_width_are_not_there(single_map: str) -> None:
    text = single_map.replace('a="1.5" b="0"', 'a="0" b="0.02"')

    road = load_opendrive(text, 1, -1, 0.0)

    shoulder = next(lane for lane in road.lanes if lane.kind == "shoulder")
    there = np.isfinite(shoulder.left_m)
    np.testing.assert_array_equal(there, np.isfinite(shoulder.right_m))
    np.testing.assert_array_equal(there[road.s_m >= 0], road.s_m[road.s_m >= 0] > 1.0)
    assert any(lane is road.ego_lane for lane in road.lanes)


def test_oncoming_lanes_go_on_across_a_junction(crossing_map: str) -> None:
    """The path across has only the lanes of its own direction, of which its neighbours make no part."""
    own = '<lane id="1" type="driving"><link><predecessor id="1"/><successor id="1"/></link>'
    text = crossing_map.replace(own, own.replace("driving", "none"))
    assert text != crossing_map

    road = load_opendrive(text, 1, -1, 0.0, through_junctions=True)

    oncoming = next(lane for lane in road.lanes if lane.kind == "driving" and lane.direction == -1)
    np.testing.assert_allclose(oncoming.left_m, 5.0)
    np.testing.assert_allclose(oncoming.right_m, 1.5)
