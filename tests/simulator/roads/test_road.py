"""Roads: a shorter road is the beginning of the longer one."""

from __future__ import annotations

import numpy as np

from simulator.roads.layout import LaneLayout
from simulator.roads.road import LEAD_IN_M, LEAD_OUT_M, STEP_M
from simulator.roads.segments import Clothoid, Line, build_road


def test_a_part_of_a_road_is_the_same_road_until_there_and_a_little_beyond() -> None:
    road = build_road("road", [Line(100.0), Clothoid(400.0, 0.0, 0.01)], LaneLayout.two_way())
    part = road.until(120.0)
    assert part.length_m == 120.0
    count = len(part.x_m)
    assert LEAD_IN_M + 120.0 + LEAD_OUT_M <= (count - 1) * STEP_M < LEAD_IN_M + 121.0 + LEAD_OUT_M
    for name in ("x_m", "y_m", "heading_rad", "curvature_per_m", "elevation_m", "s_m"):
        np.testing.assert_array_equal(getattr(part, name), getattr(road, name)[:count])
    assert all(len(lane.left_m) == len(lane.right_m) == count for lane in part.lanes)
    assert all(len(mark.offset_m) == count for mark in part.marks)
    assert sum(lane is part.ego_lane for lane in part.lanes) == 1


def test_a_road_does_not_grow() -> None:
    road = build_road("road", [Line(100.0)], LaneLayout.two_way())
    assert road.until(100.0) is road.until(500.0) is road
