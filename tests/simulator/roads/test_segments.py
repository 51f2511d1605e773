"""Roads from segments: known places, consistency of position, heading and curvature, mirror symmetry, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import fresnel

from simulator.roads.layout import LaneLayout
from simulator.roads.road import LEAD_IN_M, LEAD_OUT_M, STEP_M, Road
from simulator.roads.segments import Arc, Clothoid, Line, Segment, build_road, clothoid_chord
from simulator.world import InvalidInput

LAYOUT = LaneLayout.two_way()

curvatures = st.floats(-1 / 60, 1 / 60)
lengths = st.floats(5.0, 150.0)
segments = st.one_of(
    st.builds(Line, lengths),
    st.builds(Arc, lengths, st.floats(60.0, 2000.0) | st.floats(-2000.0, -60.0)),
    st.builds(Clothoid, lengths, curvatures, curvatures),
)
roads = st.lists(segments, min_size=1, max_size=6)


def at(road: Road, s_m: float) -> tuple[float, float, float]:
    """Position and heading between samples."""
    x, y, heading, _ = road.curve().frame_at(torch.tensor([[s_m]], dtype=torch.float64))
    return float(x), float(y), float(heading)


def mirrored(segment: Segment) -> Segment:
    match segment:
        case Line():
            return segment
        case Arc(length_m, radius_m):
            return Arc(length_m, -radius_m)
        case Clothoid(length_m, start, end):
            return Clothoid(length_m, -start, -end)


def test_quarter_circle_ends_beside_its_centre() -> None:
    road = build_road("arc", [Line(50.0), Arc(100.0 * math.pi / 2, 100.0), Line(20.0)], LAYOUT)

    assert at(road, 50.0 + 50.0 * math.pi) == pytest.approx((150.0, 100.0, math.pi / 2), abs=2e-3)
    assert at(road, road.length_m) == pytest.approx((150.0, 120.0, math.pi / 2), abs=2e-3)
    assert road.length_m == pytest.approx(70.0 + 50.0 * math.pi)
    inside = (road.s_m >= 50.0) & (road.s_m < 50.0 + 50.0 * math.pi)
    np.testing.assert_array_equal(road.curvature_per_m, np.where(inside, 0.01, 0.0))


@pytest.mark.parametrize("end_per_m", [1 / 50, -1 / 300])
def test_clothoid_follows_fresnels_integrals(end_per_m: float) -> None:
    length_m = 80.0
    scale = math.sqrt(math.pi * length_m / abs(end_per_m))
    sine, cosine = fresnel(length_m / scale)

    road = build_road("clothoid", [Clothoid(length_m, 0.0, end_per_m)], LAYOUT)

    x, y, heading = at(road, length_m)
    assert x == pytest.approx(scale * cosine, abs=1e-5)
    assert y == pytest.approx(math.copysign(scale * sine, end_per_m), abs=1e-5)
    assert heading == pytest.approx(0.5 * length_m * end_per_m)


def test_chord_of_a_full_circle_closes() -> None:
    chord = clothoid_chord(np.array([2 * math.pi / 100.0]), np.array([0.0]), np.array([100.0]))

    assert abs(chord[0]) < 1e-6


def test_lead_in_and_lead_out_are_straight() -> None:
    road = build_road("curve", [Arc(101.3, -80.0)], LAYOUT)

    before, beyond = road.s_m < 0, road.s_m >= road.length_m
    np.testing.assert_allclose(road.x_m[before], road.s_m[before], atol=1e-9)
    np.testing.assert_allclose(road.y_m[before], 0.0, atol=1e-9)
    np.testing.assert_allclose(road.heading_rad[beyond], -101.3 / 80.0)
    assert np.all(road.curvature_per_m[before | beyond] == 0.0)
    assert road.s_m[0] == -LEAD_IN_M
    assert road.length_m + LEAD_OUT_M <= road.s_m[-1] < road.length_m + LEAD_OUT_M + STEP_M


@settings(max_examples=20)
@given(roads)
def test_position_heading_and_curvature_agree(parts: list[Segment]) -> None:
    road = build_road("random", parts, LAYOUT)

    step = np.diff(road.x_m) + 1j * np.diff(road.y_m)
    turn = np.diff(road.heading_rad)
    # a chord is a little shorter than its arc, and lies half way between the headings at its ends,
    # but for a jump of the curvature in between, to which the steps before and after add its rate
    np.testing.assert_allclose(np.abs(step), STEP_M, rtol=1e-5)
    between = np.angle(step * np.exp(-0.5j * (road.heading_rad[1:] + road.heading_rad[:-1])))
    jump = np.convolve(np.abs(np.diff(road.curvature_per_m)), np.ones(3), mode="same")
    assert np.all(np.abs(between) <= 0.125 * STEP_M * jump + 1e-9)
    mean = 0.5 * (road.curvature_per_m[1:] + road.curvature_per_m[:-1])
    assert np.all(np.abs(turn / STEP_M - mean) <= 0.5 * jump + 1e-9)


@settings(max_examples=20)
@given(roads)
def test_a_mirrored_road_is_the_mirror_image(parts: list[Segment]) -> None:
    road = build_road("left", parts, LAYOUT)
    image = build_road("right", [mirrored(part) for part in parts], LAYOUT)

    np.testing.assert_allclose(image.x_m, road.x_m, atol=1e-9)
    np.testing.assert_allclose(image.y_m, -road.y_m, atol=1e-9)
    np.testing.assert_allclose(image.heading_rad, -road.heading_rad, atol=1e-12)
    np.testing.assert_allclose(image.curvature_per_m, -road.curvature_per_m, atol=1e-15)


def test_cutting_a_segment_changes_nothing() -> None:
    whole = build_road("whole", [Clothoid(90.0, 0.0, 0.012), Arc(60.0, 150.0)], LAYOUT)
    cut = build_road(
        "cut",
        [Clothoid(30.0, 0.0, 0.004), Clothoid(60.0, 0.004, 0.012), Arc(25.0, 150.0), Arc(35.0, 150.0)],
        LAYOUT,
    )

    np.testing.assert_allclose(cut.x_m, whole.x_m, atol=1e-7)
    np.testing.assert_allclose(cut.y_m, whole.y_m, atol=1e-7)


def test_lanes_and_marks_span_the_road() -> None:
    road = build_road("lanes", [Line(33.3)], LAYOUT)

    assert road.ego_lane is road.lanes[2]
    assert {len(lane.left_m) for lane in road.lanes} == {len(road.s_m)}
    assert {len(mark.offset_m) for mark in road.marks} == {len(road.s_m)}
    assert road.opendrive is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Line(math.nan), "line: length_m is nan"),
        (lambda: Line(-5.0), "line: length_m is -5.0"),
        (lambda: Line(1e12), "line: length_m is 1000000000000.0"),
        (lambda: Arc(10.0, 0.0), "arc: \\|radius_m\\| is 0.0"),
        (lambda: Arc(10.0, math.nan), "arc: \\|radius_m\\| is nan"),
        (lambda: Arc(1000.0, 20.0), "turns by 2865 degrees"),
        (lambda: Clothoid(10.0, 0.0, 3.0), "clothoid: end_per_m is 3.0"),
        (lambda: Clothoid(1000.0, 0.0, 0.1), "turns by 2865 degrees"),
        (lambda: build_road("none", [], LAYOUT), "segments is empty"),
        (lambda: build_road("long", [Line(60_000.0)] * 2, LAYOUT), "length of all segments is 120000"),
        (lambda: build_road("short", [Line(0.1)], LAYOUT), "length of all segments is 0.1"),
    ],
)
def test_bad_segments_are_refused(make, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        make()


@pytest.mark.parametrize("start_m", [0.0, 37.3, 90.0])
def test_a_road_that_starts_later_is_the_same_road(start_m: float) -> None:
    parts = [Line(40.0), Clothoid(60.0, 0.0, 1 / 80), Arc(50.0, 80.0)]
    whole, late = build_road("whole", parts, LAYOUT), build_road("late", parts, LAYOUT, start_m)
    assert late.length_m == pytest.approx(whole.length_m - start_m)
    # behind its start, too
    for s_m in (-20.0, 0.0, 25.0, late.length_m):
        assert at(late, s_m) == pytest.approx(at(whole, s_m + start_m), abs=1e-3)


@pytest.mark.parametrize("start_m", [-1.0, 100.0, math.nan])
def test_a_road_has_to_start_on_its_segments(start_m: float) -> None:
    with pytest.raises(InvalidInput, match="s_m is"):
        build_road("late", [Line(100.0)], LAYOUT, start_m)
