"""Roads of OpenDRIVE maps: round trip with what was written, both directions, junctions, real maps, refusals."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.roads.export import ROAD_ID, ego_lane_id, opendrive_of
from simulator.roads.layout import LaneLayout, Paint, Strip
from simulator.roads.opendrive import Network, load_opendrive, longest_stretch
from simulator.roads.road import LEAD_IN_M, Road
from simulator.roads.segments import Arc, Clothoid, Line, Segment, build_road
from simulator.world import InvalidInput

UNEVEN = LaneLayout(
    (Strip(2.0, "sidewalk", -1), Strip(3.1, direction=-1), Strip(2.9), Strip(3.7), Strip(1.2, "biking")),
    (
        Paint("curb", width_m=0.15),
        Paint("solid"),
        Paint("solid broken", "yellow", 0.12, 4.0, 8.0),
        Paint("broken", "white", 0.2, 1.5, 4.5),
        Paint("broken solid", "orange", 0.1, 2.0, 5.0),
        Paint("none"),
    ),
    ego=3,
)
LAYOUTS = {"two way": LaneLayout.two_way(3.2, 1.0), "motorway": LaneLayout.one_way(4, 2), "uneven": UNEVEN}

curvatures = st.floats(-1 / 90, 1 / 90)
lengths = st.floats(10.0, 120.0)
parts = st.lists(
    st.one_of(
        st.builds(Line, lengths),
        st.builds(Arc, lengths, st.sampled_from([90.0, -90.0, 400.0, -1000.0])),
        st.builds(Clothoid, lengths, curvatures, curvatures),
    ),
    min_size=1,
    max_size=4,
)


def assert_same(found: Road, expected: Road) -> None:
    """The road proper is the same; how it goes on beyond its end may differ."""
    ours = (expected.s_m > -1e-6) & (expected.s_m <= expected.length_m)
    np.testing.assert_allclose(found.x_m[: len(ours)][ours], expected.x_m[ours], atol=1e-3)
    np.testing.assert_allclose(found.y_m[: len(ours)][ours], expected.y_m[ours], atol=1e-3)
    np.testing.assert_allclose(found.heading_rad[: len(ours)][ours], expected.heading_rad[ours], atol=1e-5)
    assert [(lane.kind, lane.direction) for lane in found.lanes] == [
        (lane.kind, lane.direction) for lane in expected.lanes
    ]
    for lane, other in zip(found.lanes, expected.lanes, strict=True):
        np.testing.assert_allclose(lane.left_m, other.left_m[0])
        np.testing.assert_allclose(lane.right_m, other.right_m[0])
    for mark, other in zip(found.marks, expected.marks, strict=True):
        np.testing.assert_allclose(mark.offset_m, other.offset_m[0])
        assert replace(mark, offset_m=0) == replace(other, offset_m=0) or mark.kind == "solid" == other.kind


@pytest.mark.parametrize("name", LAYOUTS)
def test_what_was_written_is_read_back(name: str) -> None:
    layout = LAYOUTS[name]
    segments = [Line(30.0), Clothoid(60.0, 0.0, 1 / 120), Arc(90.0, 120.0), Clothoid(70.0, 1 / 120, -1 / 200)]
    built = build_road(name, segments, layout)
    text = opendrive_of(name, segments, layout)

    road = load_opendrive(text, ROAD_ID, ego_lane_id(layout), LEAD_IN_M, built.length_m)

    assert road.length_m == pytest.approx(built.length_m)
    assert len(road.x_m) == len(built.x_m)
    assert road.opendrive == text
    assert any(lane is road.ego_lane for lane in road.lanes)
    assert_same(road, built)
    np.testing.assert_allclose(road.curvature_per_m, built.curvature_per_m, atol=1e-9)


@settings(max_examples=10)
@given(parts)
def test_random_roads_are_read_back(segments: list[Segment]) -> None:
    built = build_road("random", segments, UNEVEN)

    text = opendrive_of("random", segments, UNEVEN)

    assert_same(load_opendrive(text, ROAD_ID, ego_lane_id(UNEVEN), LEAD_IN_M, built.length_m), built)


def test_the_oncoming_lane_is_the_road_turned_round() -> None:
    layout, segments = LAYOUTS["uneven"], [Line(50.0), Arc(80.0, 150.0), Clothoid(60.0, 1 / 150, -1 / 300)]
    text = opendrive_of("both", segments, layout)
    forth = load_opendrive(text, ROAD_ID, ego_lane_id(layout), LEAD_IN_M, 190.0)

    back = load_opendrive(text, ROAD_ID, 1, LEAD_IN_M + 190.0, 200.0)

    assert [(lane.kind, lane.direction) for lane in back.lanes] == [
        (lane.kind, -lane.direction) for lane in reversed(forth.lanes)
    ]
    assert [mark.color for mark in back.marks] == [mark.color for mark in reversed(forth.marks)]
    # a pair of strokes turned round: the left one is the right one
    assert [mark.kind for mark in back.marks] == ["solid broken", "broken", "broken solid", "solid", "curb"]
    # the same asphalt: the border between the two directions, as a curve in the plane
    divide_back = back.x_m + 1j * back.y_m + 1j * np.exp(1j * back.heading_rad) * back.ego_lane.left_m
    divide = forth.x_m + 1j * forth.y_m + 1j * np.exp(1j * forth.heading_rad) * forth.lanes[2].left_m
    ours = divide_back[(back.s_m >= 10) & (back.s_m <= 180)]
    curve = forth.curve()
    _, d = curve.to_frenet(
        torch.as_tensor(ours.real)[None],
        torch.as_tensor(ours.imag)[None],
        torch.as_tensor(forth.s_m[np.abs(divide[None] - ours[:, None]).argmin(1)])[None],
    )
    np.testing.assert_allclose(d[0], forth.lanes[2].left_m[0], atol=1e-3)


def test_a_lane_starts_anywhere(single_map: str) -> None:
    road = load_opendrive(single_map, 1, -1, 30.0)
    back = load_opendrive(single_map, 1, 1, 30.0)

    start = np.flatnonzero(road.s_m == 0.0)[0]
    assert (road.x_m[start], road.y_m[start]) == pytest.approx((30.0, -1.5))
    assert road.length_m == pytest.approx(70.0)
    assert (back.x_m[start], back.y_m[start]) == pytest.approx((30.0, 1.75))
    assert back.length_m == pytest.approx(30.0)
    assert abs(math.remainder(back.heading_rad[start] - math.pi, 2 * math.pi)) < 1e-9
    assert road.elevation_m[start] == pytest.approx(7.3)


def test_a_mark_changes_where_the_map_says(single_map: str) -> None:
    road = load_opendrive(single_map, 1, -1, 10.0)

    broken, solid = sorted(
        (mark for mark in road.marks if np.nanmax(mark.offset_m) < 0), key=lambda mark: mark.kind
    )
    assert (solid.kind, solid.width_m, broken.kind, broken.width_m) == ("solid", 0.3, "broken", 0.1)
    assert (broken.dash_m, broken.gap_m) == (2.0, 4.0)
    np.testing.assert_array_equal(np.isfinite(solid.offset_m), road.s_m < 30.0)
    np.testing.assert_array_equal(np.isfinite(broken.offset_m), road.s_m >= 30.0)


def test_a_lane_goes_on_into_the_next_road(chained_map: str) -> None:
    network = Network(chained_map)

    forth = load_opendrive(network, 1, -1, 20.0)
    back = load_opendrive(network, 2, 1, 50.0)

    assert forth.length_m == pytest.approx(80.0 + 50.0 * (1 + 1.5 / 80.0), abs=1e-3)
    assert back.length_m == pytest.approx(100.0 + 50.0 * (1 - 1.75 / 80.0), abs=1e-3)
    bend = forth.curvature_per_m[np.searchsorted(forth.s_m, 100.0)]
    assert bend == pytest.approx(1 / 81.5)
    assert back.curvature_per_m[np.searchsorted(back.s_m, 20.0)] == pytest.approx(-1 / 78.25)
    # what lies behind the start is the map's too
    assert load_opendrive(network, 2, -1, 10.0).x_m[0] == pytest.approx(
        100.0 - (60.0 - 10.0 * (1 + 1.5 / 80.0)), abs=1e-3
    )


def test_a_road_ends_at_a_junction_unless_told_to_go_on(crossing_map: str) -> None:
    network = Network(crossing_map)

    assert load_opendrive(network, 1, -1, 0.0).length_m == pytest.approx(100.0)
    through = load_opendrive(network, 1, -1, 0.0, through_junctions=True)
    # straight on, not left
    assert through.length_m == pytest.approx(220.0)
    np.testing.assert_allclose(through.y_m, -1.5)
    assert load_opendrive(network, 4, 1, 100.0, through_junctions=True).length_m == pytest.approx(220.0)


def test_only_the_stretch_asked_for_is_sampled() -> None:
    text = opendrive_of("far", [Line(50_000.0)], LaneLayout.two_way())
    network = Network(text)
    (piece,) = network.follow(1, -1, 1000.0, length_m=100.0)
    assert len(piece.s_m) < 500
    assert piece.length_m >= 100.0
    road = load_opendrive(network, 1, -1, 1000.0, length_m=100.0)
    assert road.length_m == 100.0
    assert road.x_m[0] == pytest.approx(load_opendrive(network, 1, -1, 1000.0).x_m[0])


def test_the_longest_stretch_ends_at_junctions_and_curves(crossing_map: str, chained_map: str) -> None:
    assert longest_stretch(crossing_map).length_m == pytest.approx(100.0)
    assert longest_stretch(chained_map).length_m == pytest.approx(150.9, abs=0.1)
    straight = longest_stretch(chained_map, 100.0)
    assert straight.road_id == 1
    assert straight.length_m == pytest.approx(100.0, abs=0.6)


REAL = [
    # file, smallest radius asked for, length found
    ("Town01", 20.0, 310.6),
    ("Town07", 60.0, 171.6),
    ("Town04", 60.0, 922.0),
    ("esmini_e6mini", 0.0, 1466.7),
    ("esmini_curve_r100", 0.0, 759.5),
]


@pytest.mark.parametrize(("name", "radius_m", "length_m"), REAL)
def test_real_maps_are_smooth_and_agree_with_the_client(
    data: Path, name: str, radius_m: float, length_m: float
) -> None:
    carla = pytest.importorskip("carla")
    path = data / "opendrive" / f"{name}.xodr"
    network = Network(path)
    best = longest_stretch(network, radius_m)
    assert best.length_m == pytest.approx(length_m, abs=0.1)

    road = load_opendrive(network, best.road_id, best.lane_id, best.s_m, best.length_m)

    ours = (road.s_m >= 0) & (road.s_m <= road.length_m)
    assert np.all(np.abs(road.curvature_per_m[ours]) * radius_m <= 1.0)
    step = np.diff(road.x_m) + 1j * np.diff(road.y_m)
    # the towns' own pieces miss one another by up to 1.7 mm and 0.3 mrad
    np.testing.assert_allclose(np.abs(step), 0.5, atol=2e-3)
    turn = np.diff(road.heading_rad)
    jump = np.abs(np.diff(road.curvature_per_m))
    bend = np.maximum(np.abs(road.curvature_per_m[1:]), np.abs(road.curvature_per_m[:-1]))
    assert np.all(np.abs(turn) <= 0.5 * bend + 4e-4)
    assert np.count_nonzero(jump > 1e-4) < 40
    client = carla.Map(name, path.read_text())
    for index in np.flatnonzero(ours)[5:-5:40]:
        place = carla.Location(
            float(road.x_m[index]), float(-road.y_m[index]), float(road.elevation_m[index])
        )
        waypoint = client.get_waypoint(place)
        found = waypoint.transform.location
        # the client's nearest place is off by some decimetres along the road, not across it
        off = ((found.x - place.x) - 1j * (found.y - place.y)) * np.exp(-1j * road.heading_rad[index])
        assert abs(off.real) < 1.0
        assert abs(off.imag) < 0.01
        assert abs(found.z - place.z) < 0.01
        width = road.ego_lane.left_m[index] - road.ego_lane.right_m[index]
        assert waypoint.lane_width == pytest.approx(width, abs=1e-6)
        heading = -math.radians(waypoint.transform.rotation.yaw)
        turned = abs(off.real * road.curvature_per_m[index]) + 1e-3
        assert abs(math.remainder(heading - road.heading_rad[index], 2 * math.pi)) < turned


def test_radius_100_is_radius_100(data: Path) -> None:
    road = load_opendrive(data / "opendrive" / "esmini_curve_r100.xodr", 0, -1)

    curve = road.curvature_per_m[(road.s_m > 501) & (road.s_m < 650)]
    # the right lane's centre runs 1.535 m outside of the reference line
    np.testing.assert_allclose(1 / curve, 101.535, rtol=1e-9)
    assert np.all(road.curvature_per_m[road.s_m < 499] == 0.0)


@pytest.mark.parametrize(
    ("road_id", "lane_id", "s_m", "length_m", "message"),
    [
        (7, -1, 0.0, None, "has no road 7; it has 1"),
        (1, -2, 0.0, None, "lane_id is -2, but the lanes to drive on at s=0 are -1, 1"),
        (1, 0, 0.0, None, "lane_id is 0"),
        (1, 2, 0.0, None, "lane_id is 2"),
        (1, -1, 100.5, None, "s_m is 100.5, but must be between 0 and 100.000"),
        (1, -1, -1.0, None, "s_m is -1.0"),
        (1, -1, math.nan, None, "s_m is nan"),
        (1, -1, 1e300, None, "s_m is 1e\\+300"),
        (1, -1, 97.0, None, "the road ends after 3.00 m"),
        (1, -1, 100.0, None, "the road ends after 0.00 m"),
        (1, 1, 0.0, None, "the road ends after 0.00 m"),
        (1, -1, 0.0, math.nan, "length_m is nan"),
        (1, -1, 0.0, -3.0, "length_m is -3.0"),
    ],
)
def test_bad_places_are_refused(
    single_map: str, road_id: int, lane_id: int, s_m: float, length_m: float | None, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        load_opendrive(single_map, road_id, lane_id, s_m, length_m)


def test_a_map_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"nowhere.xodr' does not exist"):
        load_opendrive(tmp_path / "nowhere.xodr", 1, -1)
    with pytest.raises(InvalidInput, match="no stretch without a curve sharper than 9000 m"):
        longest_stretch(
            opendrive_of("ring", [Arc(3000.0, 500.0)], UNEVEN).replace("<line", '<arc curvature="0.001"'),
            9000.0,
        )
