"""Where a scenario is driven: along a road that its file describes, or the one that a recorded place brings."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from scenarios import road_schema as schema
from scenarios.registry import plugin
from scenarios.schema import Scenario
from scenarios.store import file_hash
from simulator.roads.export import opendrive_of
from simulator.roads.layout import LaneLayout, Paint, Strip
from simulator.roads.opendrive import load_opendrive
from simulator.roads.road import LEAD_IN_M, STEP_M, Road
from simulator.roads.segments import Arc, Clothoid, Line, Segment, build_road
from simulator.surface.bake import as_far_as
from simulator.world import InvalidInput

SPARE = 1.5
"""So much more road than a car needs is kept: it may be driven faster than the scenario wants."""

KEPT_ROADS = 16
"""So many roads are kept, so that checking a scenario and driving it build its road once."""

NARROWEST_LANE_M, WIDEST_LANE_M = 1.8, 8.0
"""A lane that is driven in is no narrower than a car and no wider than two lanes."""


@dataclass(frozen=True)
class Course:
    """A road and how it is driven.

    Attributes:
        road: as far as it may be driven.
        speed_mps: at the start.
        driven_m: from a time to how far the car has come by then if nothing disturbs it.
    """

    road: Road
    speed_mps: float
    driven_m: Callable[[float], float]


def course_of(scenario: Scenario) -> Course:
    """Where and how fast a scenario is driven.

    Raises:
        InvalidInput: the map or the place in it, or what was recorded, cannot be used.
    """
    bring = plugin("worlds", scenario.world.type).load_course()
    if bring is not None:
        course: Course = bring(scenario.world, scenario.ego)
        return course
    spec, speed_mps = scenario.road, scenario.ego.speed_mps
    assert spec is not None  # the schema has seen to it
    assert speed_mps is not None
    try:
        return Course(_road(spec, scenario.name), speed_mps, lambda time_s: speed_mps * time_s)
    except InvalidInput as error:
        raise InvalidInput(f"road: {error}") from error


def road_of(scenario: Scenario) -> Road:
    """The road of a scenario, long enough for it; of a much longer one, what is beyond is left out.

    Raises:
        InvalidInput: it cannot be had, or ends before the time is over.
    """
    course = course_of(scenario)
    needed_m = course.driven_m(scenario.duration_s)
    if scenario.on_road_end == "refuse" and course.road.length_m < needed_m:
        if scenario.recorded:
            raise InvalidInput(
                f"duration_s: {scenario.duration_s:g} s take {needed_m:.1f} m, but of the recorded road "
                f"{course.road.length_m:.1f} m are to be trusted; make it shorter, or set on_road_end: stop"
            )
        raise InvalidInput(
            f"road: it ends after {course.road.length_m:.1f} m, but duration_s ({scenario.duration_s:g}) at "
            f"ego.speed_mps ({course.speed_mps:g}) takes {needed_m:.1f} m; make it longer, or set "
            "on_road_end: stop"
        )
    if not scenario.recorded:  # of a recorded road nobody may know how wide it is
        _check_lane(course.road, needed_m)
    return as_far_as(course.road, SPARE * needed_m)


def _check_lane(road: Road, needed_m: float) -> None:
    """Refuse a lane that no car drives in.

    Raises:
        InvalidInput: the ego lane is too narrow or too wide somewhere on the way.
    """
    end = 2 + int((LEAD_IN_M + min(needed_m, road.length_m)) / STEP_M)
    way = slice(int(LEAD_IN_M / STEP_M), end)
    width = road.ego_lane.left_m[way] - road.ego_lane.right_m[way]
    unfit = np.flatnonzero(~((width >= NARROWEST_LANE_M) & (width <= WIDEST_LANE_M)))
    if len(unfit):
        raise InvalidInput(
            f"road: the lane of the car is {width[unfit[0]]:g} m wide {unfit[0] * STEP_M:g} m after the start, but "
            f"must be {NARROWEST_LANE_M:g} to {WIDEST_LANE_M:g} m wide all the way; choose another lane or place"
        )


def _road(spec: schema.RoadSpec, name: str) -> Road:
    if isinstance(spec, schema.OpenDriveRoad):
        path = Path(spec.path)
        # what cannot be read is refused where it is read
        return _road_of_map(spec, file_hash(path) if path.is_file() and os.access(path, os.R_OK) else "")
    return _road_of_segments(spec, name)


@lru_cache(KEPT_ROADS)
def _road_of_map(spec: schema.OpenDriveRoad, digest: str) -> Road:
    """A road of a map; ``digest`` is that of its file, so that another content is another road."""
    return load_opendrive(spec.path, spec.road, spec.lane, spec.s_m, spec.length_m, spec.through_junctions)


@lru_cache(KEPT_ROADS)
def _road_of_segments(spec: schema.SegmentsRoad, name: str) -> Road:
    segments, layout = [_segment(segment) for segment in spec.segments], _layout(spec.layout)
    road = build_road(name, segments, layout, spec.s_m)
    return replace(road, opendrive=opendrive_of(name, segments, layout))


SEGMENTS: dict[type, Callable[..., Segment]] = {
    schema.Line: Line,
    schema.Arc: Arc,
    schema.Clothoid: Clothoid,
}


def _segment(spec: schema.Segment) -> Segment:
    return SEGMENTS[type(spec)](**spec.model_dump(exclude={"type"}))


def _layout(spec: schema.Layout) -> LaneLayout:
    if isinstance(spec, schema.Strips):
        strips = tuple(Strip(strip.width_m, strip.kind, strip.direction) for strip in spec.strips)
        return LaneLayout(strips, tuple(map(_paint, spec.marks)), spec.ego_lane)
    if isinstance(spec, schema.TwoWay):
        return LaneLayout.two_way(spec.lane_width_m, spec.shoulder_m, _paint(spec.centre), _paint(spec.edge))
    between, left, right = map(_paint, (spec.between, spec.left_edge, spec.right_edge))
    return LaneLayout.one_way(
        spec.lane_count, spec.ego_lane, spec.lane_width_m, spec.shoulder_m, between, left, right
    )


def _paint(spec: schema.Mark) -> Paint:
    return Paint(spec.kind, spec.color, spec.width_m, spec.dash_m, spec.gap_m)
