"""Looking ahead: known geometry, invariances, what happens where a road turns away."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from simulator.roads.ahead import Lines, lane_marks, look_ahead
from simulator.roads.layout import BROKEN_WHITE, NO_PAINT, SOLID_WHITE, LaneLayout, Strip
from simulator.roads.place import stack_curves
from simulator.roads.road import LaneMark, Road
from simulator.roads.segments import Arc, Clothoid, Line, build_road
from simulator.world import DISTANCES_M

LAYOUT = LaneLayout.two_way(3.6)
RADIUS = 80.0
OFFSETS = {0: 0.0, 1: 5.4, 2: 1.8, 3: -1.8}
"""Lateral position of each line; on the far right there is none."""


def road_of(*segments: Line | Arc | Clothoid) -> Road:
    return build_road("road", segments, LAYOUT)


def lines_of(*roads: Road) -> Lines:
    return Lines.around(roads, stack_curves(roads))


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


STRAIGHT = lines_of(road_of(Line(300.0)))
CIRCLE = lines_of(road_of(Arc(400.0, RADIUS)))


@given(st.floats(-0.5, 0.5), st.floats(-3.0, 3.0), st.floats(0.0, 90.0))
def test_straight_lines_are_straight_from_any_pose(yaw: float, y: float, x: float) -> None:
    seen = look_ahead(STRAIGHT, column(x), column(x), column(y), column(yaw), DISTANCES_M)
    assert bool(seen.in_view.all())
    for line, offset in OFFSETS.items():
        expected = (offset - y) / math.cos(yaw) - DISTANCES_M * math.tan(yaw)
        assert torch.allclose(seen.y_m[0, line], expected, atol=1e-9)


@given(st.floats(-0.3, 0.3), st.floats(-1.5, 1.5), st.floats(20.0, 200.0), st.sampled_from(sorted(OFFSETS)))
def test_circles_are_met_where_they_are(yaw: float, d: float, s: float, line: int) -> None:
    angle = s / RADIUS
    x, y = (RADIUS - d) * math.sin(angle), RADIUS - (RADIUS - d) * math.cos(angle)
    seen = look_ahead(CIRCLE, column(s), column(x), column(y), column(angle + yaw), DISTANCES_M)
    radius = RADIUS - OFFSETS[line]
    # the centre of the circle in the car's frame
    centre_x, centre_y = (RADIUS - d) * math.sin(yaw), (RADIUS - d) * math.cos(yaw)
    for index in torch.nonzero(seen.in_view[0, line]).flatten().tolist():
        dx = float(DISTANCES_M[index]) - centre_x
        expected = centre_y - math.sqrt(radius**2 - dx**2)
        assert float(seen.y_m[0, line, index]) == pytest.approx(expected, abs=1e-6)
    # the road has turned by 80 degrees at R sin(80 deg - yaw) - and is seen until then
    last = float(DISTANCES_M[seen.in_view[0, 0]].max())
    assert last < centre_x + RADIUS
    assert last > centre_x + RADIUS * math.sin(math.radians(75)) - 12


def test_view_is_held_where_the_road_turns_away() -> None:
    seen = look_ahead(CIRCLE, column(50.0), *(column(v) for v in _on_circle(50.0)), DISTANCES_M)
    hidden = ~seen.in_view[0, 0]
    assert bool(hidden[-1])
    assert len(seen.y_m[0, 0][hidden].unique()) == 1
    assert bool(torch.isfinite(seen.y_m).all())


def _on_circle(s: float) -> tuple[float, float, float]:
    return RADIUS * math.sin(s / RADIUS), RADIUS - RADIUS * math.cos(s / RADIUS), s / RADIUS


def test_clothoid_agrees_with_points_of_the_curve() -> None:
    road = road_of(Line(20.0), Clothoid(100.0, 0.0, 0.02), Arc(60.0, 50.0))
    curve, lines = road.curve(), lines_of(road)
    seen = look_ahead(lines, column(10.0), column(10.0), column(0.0), column(0.0), DISTANCES_M)
    s = torch.arange(10.0, 130.0, 0.001, dtype=torch.float64)[None]
    x, y = curve.to_cartesian(s, torch.zeros_like(s))
    expected = np.interp(DISTANCES_M[:22].numpy() + 10.0, x[0].numpy(), y[0].numpy())
    assert np.allclose(seen.y_m[0, 0, :22].numpy(), expected, atol=2e-5)


def test_lines_that_taper_are_followed() -> None:
    road = road_of(Line(300.0))
    offset = np.interp(road.s_m, [20.0, 120.0], [2.0, 6.0])
    lines = Lines.along(road.curve(), torch.from_numpy(offset)[None, None])
    seen = look_ahead(lines, column(0.0), column(0.0), column(0.0), column(0.0), DISTANCES_M)
    expected = np.interp(DISTANCES_M.numpy(), [20.0, 120.0], [2.0, 6.0])
    assert np.allclose(seen.y_m[0, 0].numpy(), expected, atol=5e-3)


def test_roads_of_other_lengths_do_not_matter() -> None:
    short, long = road_of(Line(30.0), Arc(40.0, 100.0)), road_of(Line(500.0))
    alone = look_ahead(lines_of(short), column(20.0), column(20.0), column(0.3), column(0.02), DISTANCES_M)
    both = look_ahead(
        lines_of(short, long),
        column(20.0, 400.0),
        column(20.0, 400.0),
        column(0.3, 0.0),
        column(0.02, 0.0),
        DISTANCES_M,
    )
    assert torch.allclose(both.y_m[0], alone.y_m[0], atol=1e-12)
    assert torch.equal(both.in_view[0], alone.in_view[0])


def test_one_road_serves_many_cars() -> None:
    many = look_ahead(
        STRAIGHT, column(5.0, 50.0), column(5.0, 50.0), column(0.5, -0.5), column(0.0, 0.0), DISTANCES_M
    )
    assert torch.allclose(many.y_m[:, 0, 0], column(-0.5, 0.5))


def test_end_of_the_arrays_is_out_of_view() -> None:
    s = 300.0 + 200.0
    seen = look_ahead(STRAIGHT, column(s), column(s), column(0.0), column(0.0), DISTANCES_M)
    assert torch.equal(seen.in_view[0, 0], DISTANCES_M < 60.5)
    assert bool((seen.y_m[0, 0].abs() < 1e-9).all())


def test_marks_around_the_ego_lane_are_told_apart() -> None:
    strips = (Strip(3.5, direction=-1), Strip(3.0), Strip(3.25), Strip(2.0, "shoulder"))
    road = build_road(
        "r", [Line(50.0)], LaneLayout(strips, (SOLID_WHITE, NO_PAINT, BROKEN_WHITE, SOLID_WHITE, NO_PAINT), 1)
    )
    far_left, left, right, far_right = lane_marks(road)[:, 0]
    assert far_left == pytest.approx(5.0)
    assert math.isnan(left)
    assert right == pytest.approx(-1.5)
    assert far_right == pytest.approx(-4.75)


def test_a_mark_exists_only_where_it_is_painted() -> None:
    road = road_of(Line(200.0))
    faded = np.where(road.s_m < 100.0, 1.8, np.nan)
    road = replace(road, marks=(LaneMark(faded, "solid"), LaneMark(np.full_like(faded, -1.8), "curb")))
    seen = look_ahead(lines_of(road), column(70.0), column(70.0), column(0.0), column(0.0), DISTANCES_M)
    assert torch.equal(seen.exists[0, 2], DISTANCES_M < 29.7)
    assert not bool(seen.exists[0, 3].any())


def test_gradients_in_the_pose() -> None:
    road = road_of(Line(20.0), Clothoid(100.0, 0.0, 0.02), Arc(60.0, 50.0))
    lines = lines_of(road)

    def look(x: torch.Tensor, y: torch.Tensor, yaw: torch.Tensor) -> torch.Tensor:
        return look_ahead(lines, column(10.0), x, y, yaw, DISTANCES_M[:20]).y_m

    pose = tuple(column(v).requires_grad_() for v in (10.03, 0.2, 0.05))
    assert torch.autograd.gradcheck(look, pose)
