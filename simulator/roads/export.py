"""Roads built from segments, written as OpenDRIVE, so that the same road can be handed to CARLA.

The plan view is the centre line of the ego lane, in the same coordinates as the ``Road``; a constant lane offset puts
OpenDRIVE's lane 0 between the two directions of traffic. Lead-in and lead-out are written too: the road's own s = 0
lies at ``LEAD_IN_M`` of OpenDRIVE's s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from simulator.roads.layout import LaneLayout, Paint, Strip
from simulator.roads.road import PAIR_GAP_M
from simulator.roads.segments import Arc, Clothoid, Line, Segment, chain_segments
from simulator.world import InvalidInput

if TYPE_CHECKING:
    from scenariogeneration import xodr

ROAD_ID = 1
"""Id of the only road of a written file."""

WRITTEN_ON = "2000-01-01T00:00:00"
"""The date in the header: the same road gives the same bytes."""


def ego_lane_id(layout: LaneLayout) -> int:
    """OpenDRIVE's id of the ego lane in the file that ``opendrive_of`` writes; negative, right of lane 0."""
    return _oncoming(layout) - layout.ego - 1


def opendrive_of(name: str, segments: Sequence[Segment], layout: LaneLayout) -> str:
    """Write a road as OpenDRIVE 1.5; slow, since the writer takes a second or two to import.

    Args:
        name: name of the road and of the file's header.
        segments: as for ``build_road``.
        layout: as for ``build_road``; lanes of direction -1 must lie left of those of direction +1.

    Raises:
        InvalidInput: as ``build_road``, or if the layout is not one of right-hand traffic.
    """
    from scenariogeneration import xodr

    chain = chain_segments(segments)
    plan = xodr.PlanView()
    for segment, point, heading in zip(chain.segments, chain.point, chain.heading_rad, strict=True):
        plan.add_fixed_geometry(_geometry(segment), float(point.real), float(point.imag), float(heading))

    oncoming, borders = _oncoming(layout), layout.borders_m
    centre = xodr.Lane(lane_type=xodr.LaneType.none)
    centre.add_roadmark(_mark(layout.paint[oncoming], left_first=True))
    section = xodr.LaneSection(0, centre)
    for index in reversed(range(oncoming)):
        section.add_left_lane(_lane(layout.strips[index], layout.paint[index], left_first=False))
    for index in range(oncoming, len(layout.strips)):
        section.add_right_lane(_lane(layout.strips[index], layout.paint[index + 1], left_first=True))
    lanes = xodr.Lanes()
    lanes.add_lanesection(section)
    lanes.add_laneoffset(xodr.LaneOffset(0, borders[oncoming]))

    file = xodr.OpenDrive(name, geo_reference="+proj=tmerc +lat_0=0 +lon_0=0")
    file.add_road(xodr.Road(ROAD_ID, plan, lanes, name=name))
    root = file.get_element()
    for header in root.iter("header"):
        header.set("date", WRITTEN_ON)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


def _oncoming(layout: LaneLayout) -> int:
    """How many strips, from the left, have oncoming traffic."""
    directions = [strip.direction for strip in layout.strips]
    if directions != sorted(directions):
        raise InvalidInput(
            f"lanes: directions from left to right are {directions}, but OpenDRIVE is written for right-hand traffic: "
            "lanes of direction -1 must all lie left of those of direction 1"
        )
    return directions.count(-1)


def _geometry(segment: Segment) -> xodr.Line | xodr.Arc | xodr.Spiral:
    from scenariogeneration import xodr

    match segment:
        case Line(length_m):
            return xodr.Line(length_m)
        case Arc(length_m):
            return xodr.Arc(segment.start_per_m, length=length_m)
        case Clothoid(length_m, start, end):
            return xodr.Spiral(start, end, length=length_m)


def _lane(strip: Strip, paint: Paint, left_first: bool) -> xodr.Lane:
    from scenariogeneration import xodr

    lane = xodr.Lane(lane_type=getattr(xodr.LaneType, strip.kind), a=strip.width_m)
    lane.add_roadmark(_mark(paint, left_first))
    return lane


def _mark(paint: Paint, left_first: bool) -> xodr.RoadMark:
    """A road mark with one line for every stroke, which is where OpenDRIVE keeps the dash pattern.

    OpenDRIVE names a pair from the inside of the road to the outside, so that left of lane 0 the right stroke is first.
    """
    from scenariogeneration import xodr

    strokes = [paint.kind] if paint.kind == "botts dots" else paint.kind.split()
    kind = getattr(xodr.RoadMarkType, "_".join(strokes if left_first else strokes[::-1]).replace(" ", "_"))
    mark = xodr.RoadMark(kind, width=paint.width_m, color=getattr(xodr.RoadMarkColor, paint.color))
    if paint.kind in ("none", "curb", "grass"):
        return mark
    for index, stroke in enumerate(strokes):
        offset = 0.5 * (paint.width_m + PAIR_GAP_M) * (len(strokes) - 1 - 2 * index)
        gap = 0.0 if stroke == "solid" else paint.gap_m
        mark.add_specific_road_line(xodr.RoadLine(paint.width_m, paint.dash_m, gap, offset))
    return mark
