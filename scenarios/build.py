"""From what a scenario file says to what the simulator takes: roads, scenes, weather, cars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf

from scenarios import road_schema as schema
from scenarios.patches import check_attack
from scenarios.schema import Scenario, WeatherSpec
from simulator.embedded import OtherCar, Start
from simulator.roads.export import opendrive_of
from simulator.roads.layout import LaneLayout, Paint, Strip
from simulator.roads.opendrive import load_opendrive
from simulator.roads.road import Road
from simulator.roads.segments import Arc, Clothoid, Line, Segment, build_road
from simulator.scene import Scene
from simulator.surface.style import SurfaceStyle
from simulator.vehicle import VehicleParameters, preset
from simulator.weather import PRESETS, Weather
from simulator.world import InvalidInput


def road_of(scenario: Scenario) -> Road:
    """The road of a scenario, long enough for it.

    Raises:
        InvalidInput: the map or the place in it cannot be used, or the road ends before the time is over.
    """
    spec = scenario.road
    try:
        if isinstance(spec, schema.OpenDriveRoad):
            road = load_opendrive(
                spec.path, spec.road, spec.lane, spec.s_m, spec.length_m, spec.through_junctions
            )
        else:
            segments, layout = [_segment(segment) for segment in spec.segments], _layout(spec.layout)
            road = build_road(scenario.name, segments, layout)
            road = replace(road, opendrive=opendrive_of(scenario.name, segments, layout))
    except InvalidInput as error:
        raise InvalidInput(f"road: {error}") from error
    needed_m = scenario.ego.speed_mps * scenario.duration_s
    if scenario.on_road_end == "refuse" and road.length_m < needed_m:
        raise InvalidInput(
            f"road: it ends after {road.length_m:.1f} m, but duration_s ({scenario.duration_s:g}) at "
            f"ego.speed_mps ({scenario.ego.speed_mps:g}) takes {needed_m:.1f} m; make it longer, or set "
            "on_road_end: stop"
        )
    return road


def scene_of(scenario: Scenario) -> Scene:
    """Road, surface and sky of a scenario."""
    surface = SurfaceStyle(**scenario.surface.model_dump())
    return Scene(road_of(scenario), surface, weather_of(scenario.weather), scenario.seed)


def weather_of(spec: WeatherSpec) -> Weather:
    """The preset with what is different from it."""
    return replace(PRESETS[spec.preset], **spec.model_dump(exclude={"preset"}, exclude_none=True))


def start_of(scenario: Scenario) -> Start:
    """How the car begins, and what else is on the road."""
    ego, barriers = scenario.ego, scenario.barriers
    cars = tuple(
        OtherCar(
            car.gap_m,
            car.speed_mps,
            car.offset_m,
            inf if car.braking_time_s is None else car.braking_time_s,
            car.braking_mps2,
        )
        for car in scenario.cars
    )
    return Start(
        offset_m=ego.offset_m,
        heading_error_rad=ego.heading_rad,
        speed_mps=ego.speed_mps,
        cars=cars,
        barriers_d_m=(
            inf if barriers.left_m is None else barriers.left_m,
            -inf if barriers.right_m is None else barriers.right_m,
        ),
    )


def vehicle_of(scenario: Scenario) -> VehicleParameters:
    """The car that is driven.

    Raises:
        InvalidInput: there is no such preset.
    """
    try:
        return preset(scenario.ego.vehicle)
    except InvalidInput as error:
        raise InvalidInput(f"ego.{error}") from error


def fingerprints(scenario: Scenario) -> list[str]:
    """Hashes of the files that a scenario names in the options of its plugins.

    Raises:
        InvalidInput: one of the files is not there.
    """
    named = {"world": scenario.world, "assistant": scenario.assistant, "attack": scenario.attack}
    named |= {f"defenses.{index}": defense for index, defense in enumerate(scenario.defenses)}
    hashes = []
    for field, options in named.items():
        try:
            hashes.append(options.fingerprint() if options is not None else "")
        except InvalidInput as error:
            raise InvalidInput(f"{field}.{error}") from error
    return hashes


def check_buildable(scenario: Scenario, source: str) -> None:
    """Look for what can be wrong with a scenario but cannot be seen in its text: the map, the road, the car.

    Args:
        scenario: to be checked.
        source: what to call it in messages, such as its file.

    Raises:
        InvalidInput: something is.
    """
    try:
        vehicle_of(scenario)
        fingerprints(scenario)
        check_attack(scenario, road_of(scenario))
    except InvalidInput as error:
        raise InvalidInput(f"{source}: {error}") from error


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
