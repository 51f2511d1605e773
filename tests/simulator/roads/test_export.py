"""The written OpenDRIVE, read by the CARLA client, is the road that was built."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import numpy as np
import pytest

from simulator.roads.export import ROAD_ID, ego_lane_id, opendrive_of
from simulator.roads.layout import BROKEN_WHITE, NO_PAINT, SOLID_WHITE, LaneLayout, Paint, Strip
from simulator.roads.road import LEAD_IN_M
from simulator.roads.segments import Arc, Clothoid, Line, build_road
from simulator.surface.marks import strokes
from simulator.world import InvalidInput

carla = pytest.importorskip("carla")

SEGMENTS = [
    Line(80.0),
    Clothoid(60.0, 0.0, 1 / 120),
    Arc(90.0, 120.0),
    Clothoid(70.0, 1 / 120, -1 / 200),
    Arc(100.0, -200.0),
]
LAYOUTS = {
    "two way": LaneLayout.two_way(3.2, 1.0),
    "motorway": LaneLayout.one_way(4, 2),
    "uneven": LaneLayout(
        (Strip(2.0, "sidewalk", -1), Strip(3.1, direction=-1), Strip(2.9), Strip(3.7), Strip(1.2, "biking")),
        (
            Paint("curb"),
            NO_PAINT,
            Paint("solid broken", "yellow", 0.12, 4.0, 8.0),
            BROKEN_WHITE,
            Paint("broken broken", "white", 0.1, 2.0, 5.0),
            NO_PAINT,
        ),
        ego=3,
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_client_sees_the_same_line_and_widths(name: str) -> None:
    layout = LAYOUTS[name]
    road = build_road(name, SEGMENTS, layout)
    client = carla.Map(name, opendrive_of(name, SEGMENTS, layout))

    for index in range(1, len(road.s_m) - 1, 9):
        waypoint = client.get_waypoint_xodr(ROAD_ID, ego_lane_id(layout), LEAD_IN_M + road.s_m[index])
        place, turn = waypoint.transform.location, -math.radians(waypoint.transform.rotation.yaw)
        # left-handed: y of the other sign
        assert math.hypot(place.x - road.x_m[index], -place.y - road.y_m[index]) < 0.01
        assert abs(math.remainder(turn - road.heading_rad[index], 2 * math.pi)) < 1e-4
        assert waypoint.lane_width == pytest.approx(layout.strips[layout.ego].width_m)


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_client_finds_the_same_neighbours(name: str) -> None:
    layout = LAYOUTS[name]
    client = carla.Map(name, opendrive_of(name, SEGMENTS, layout))
    ego = client.get_waypoint_xodr(ROAD_ID, ego_lane_id(layout), 200.0)

    found = [ego]
    while (lane := found[-1].get_right_lane()) is not None:
        found.append(lane)

    expected = layout.strips[layout.ego :]
    assert [str(lane.lane_type).lower() for lane in found] == [strip.kind for strip in expected]
    assert [lane.lane_width for lane in found] == pytest.approx([strip.width_m for strip in expected])
    left = ego.get_left_lane()
    assert left.lane_width == pytest.approx(layout.strips[layout.ego - 1].width_m)
    assert (left.lane_id > 0) == (layout.strips[layout.ego - 1].direction == -1)


@pytest.mark.parametrize(
    ("kind", "client_kind"),
    [
        ("solid", "Solid"),
        ("broken", "Broken"),
        ("solid solid", "SolidSolid"),
        ("solid broken", "SolidBroken"),
        ("broken solid", "BrokenSolid"),
        ("broken broken", "BrokenBroken"),
        ("botts dots", "BottsDots"),
        ("curb", "Curb"),
        ("grass", "Grass"),
    ],
)
def test_the_client_sees_the_same_marks(kind: str, client_kind: str) -> None:
    paint = Paint(kind, "yellow", 0.2, 2.5, 7.5)
    layout = LaneLayout((Strip(), Strip()), (SOLID_WHITE, SOLID_WHITE, paint), ego=1)

    text = opendrive_of("marks", [Line(30.0)], layout)

    waypoint = carla.Map("marks", text).get_waypoint_xodr(ROAD_ID, ego_lane_id(layout), 70.0)
    mark = waypoint.right_lane_marking
    assert (str(mark.type), str(mark.color), mark.width) == (client_kind, "Yellow", pytest.approx(0.2))
    written = [
        item for item in ElementTree.fromstring(text).iter("roadMark") if item.get("color") == "yellow"
    ]
    strokes = [(line.get("length"), line.get("space")) for item in written for line in item.iter("line")]
    assert len(strokes) == (
        0 if kind in ("curb", "grass") else kind.replace("botts dots", "dots").count(" ") + 1
    )
    if "broken" in kind:
        assert ("2.5", "7.5") in strokes


def test_the_same_road_gives_the_same_bytes() -> None:
    first, second = (opendrive_of("twice", SEGMENTS, LAYOUTS["uneven"]) for _ in range(2))

    assert first == second


def test_it_names_no_left_hand_traffic() -> None:
    layout = LaneLayout((Strip(), Strip(direction=-1)), (SOLID_WHITE,) * 3, ego=0)

    with pytest.raises(InvalidInput, match="directions from left to right are \\[1, -1\\]"):
        opendrive_of("left-hand", SEGMENTS, layout)


def test_the_plan_view_is_the_reference_line() -> None:
    """OpenDRIVE's s is the road's own, ``LEAD_IN_M`` later, and its plan view begins where the arrays do."""
    road = build_road("plan", SEGMENTS, LAYOUTS["motorway"])

    root = ElementTree.fromstring(opendrive_of("plan", SEGMENTS, LAYOUTS["motorway"]))

    pieces = root.findall("road/planView/geometry")
    starts = [float(piece.get("s", "nan")) - LEAD_IN_M for piece in pieces]
    assert starts == pytest.approx([-60.0, 0.0, 80.0, 140.0, 230.0, 300.0, 400.0])
    assert [float(piece.get("x", "nan")) for piece in pieces] == pytest.approx(
        np.interp(starts, road.s_m, road.x_m), abs=1e-3
    )


def test_the_strokes_of_a_pair_are_as_far_apart_as_they_are_painted() -> None:
    pair = Paint("solid broken", "yellow", width_m=0.12)
    layout = LaneLayout((Strip(3.5, direction=-1), Strip(3.5)), (NO_PAINT, pair, NO_PAINT), 1)
    text = opendrive_of("pair", [Line(50.0)], layout)
    lines = ElementTree.fromstring(text).findall("road/lanes/laneSection/center//type/line")
    (mark,) = layout.marks(1)
    assert [float(line.attrib["tOffset"]) for line in lines] == pytest.approx([d for d, _ in strokes(mark)])
