"""LaneLayout: borders, lanes and marks from left to right, and what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simulator.roads.layout import BROKEN_YELLOW, NO_PAINT, SOLID_WHITE, LaneLayout, Paint, Strip
from simulator.world import InvalidInput


def test_two_way_has_the_oncoming_lane_on_the_left() -> None:
    layout = LaneLayout.two_way(lane_width_m=3.0, shoulder_m=1.0)

    lanes, marks = layout.lanes(4), layout.marks(4)

    assert [(lane.kind, lane.direction) for lane in lanes] == [
        ("shoulder", -1),
        ("driving", -1),
        ("driving", 1),
        ("shoulder", 1),
    ]
    assert layout.borders_m == pytest.approx((5.5, 4.5, 1.5, -1.5, -2.5))
    np.testing.assert_allclose([lane.left_m for lane in lanes], np.outer([5.5, 4.5, 1.5, -1.5], np.ones(4)))
    np.testing.assert_allclose([lane.right_m for lane in lanes], np.outer([4.5, 1.5, -1.5, -2.5], np.ones(4)))
    assert [(mark.kind, mark.color, mark.offset_m[0]) for mark in marks] == [
        ("solid", "white", 4.5),
        ("broken", "yellow", 1.5),
        ("solid", "white", -1.5),
    ]


@pytest.mark.parametrize("ego_lane", range(4))
def test_one_way_counts_lanes_from_the_left(ego_lane: int) -> None:
    layout = LaneLayout.one_way(lane_count=4, ego_lane=ego_lane, lane_width_m=3.5, shoulder_m=2.0)

    borders = layout.borders_m

    assert borders[0] == pytest.approx(2.0 + 3.5 * ego_lane + 1.75)
    assert borders[-1] == pytest.approx(borders[0] - 4.0 - 14.0)
    assert borders[layout.ego] == pytest.approx(1.75)
    assert borders[layout.ego + 1] == pytest.approx(-1.75)
    assert [paint.kind for paint in layout.paint] == ["none", "solid", *["broken"] * 3, "solid", "none"]


def test_a_mark_keeps_its_paint() -> None:
    paint = Paint("solid broken", "orange", width_m=0.2, dash_m=4.0, gap_m=6.0)

    (mark,) = LaneLayout((Strip(),), (paint, NO_PAINT), ego=0).marks(2)

    assert (mark.kind, mark.color, mark.width_m, mark.dash_m, mark.gap_m) == (
        "solid broken",
        "orange",
        0.2,
        4.0,
        6.0,
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Strip(width_m=math.nan), "width_m is nan"),
        (lambda: Strip(width_m=-3.0), "width_m is -3.0"),
        (lambda: Strip(width_m=1e30), "width_m is 1e\\+30"),
        (lambda: Strip(kind="canal"), "kind is 'canal'.*driving"),
        (lambda: Strip(direction=0), "direction is 0"),
        (lambda: Paint(kind="dotted"), "kind is 'dotted'.*broken"),
        (lambda: Paint(color="pink"), "color is 'pink'.*yellow"),
        (lambda: Paint(dash_m=0.0), "dash_m is 0.0"),
        (lambda: Paint(gap_m=math.inf), "gap_m is inf"),
        (
            lambda: LaneLayout((Strip(),), (SOLID_WHITE, SOLID_WHITE), ego=1),
            "ego is 1, but there are 1 lanes",
        ),
        (lambda: LaneLayout((Strip(),), (SOLID_WHITE,), ego=0), "1 marks for 1 lanes.*2"),
        (lambda: LaneLayout((Strip(direction=-1),), (SOLID_WHITE, BROKEN_YELLOW), ego=0), "direction -1"),
        (lambda: LaneLayout((Strip(kind="parking"),), (SOLID_WHITE, NO_PAINT), ego=0), "'parking'"),
        (lambda: LaneLayout.one_way(lane_count=0), "lane_count is 0"),
        (lambda: LaneLayout.one_way(lane_count=2, ego_lane=2), "ego_lane is 2"),
    ],
)
def test_bad_layouts_are_refused(make, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        make()
