"""Traffic lights and signs as a map has them: where they stand, which lanes they govern, which take turns.

A signal of OpenDRIVE may be referred to from several roads; in CARLA's maps these are the paths across a junction, and
the signal governs whoever is about to drive onto one. What it governs is a region of the plane in front of these.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from simulator.carla.poses import Pose

if TYPE_CHECKING:
    import carla

LIGHT_TYPE, YIELD_TYPE, STOP_TYPE, LIMIT_TYPE = "1000001", "205", "206", "274"

REGION_LENGTH_M = 10.0
"""A signal governs cars this far before the line at which they would stop."""

_CELL_M = 20.0
_FACING_RAD = math.radians(60.0)


@dataclass(frozen=True)
class Region:
    """A rectangle of road in CARLA's frame that traffic of one direction drives through.

    Attributes:
        x_m: middle.
        y_m: middle.
        yaw_rad: direction of the traffic, clockwise.
        half_length_m: along.
        half_width_m: across.
    """

    x_m: float
    y_m: float
    yaw_rad: float
    half_length_m: float
    half_width_m: float

    def holds(self, x_m: float, y_m: float, yaw_rad: float) -> bool:
        """Whether a car at a place, going some way, is in it."""
        dx, dy = x_m - self.x_m, y_m - self.y_m
        cos, sin = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        return (
            abs(cos * dx + sin * dy) <= self.half_length_m
            and abs(cos * dy - sin * dx) <= self.half_width_m
            and abs(math.remainder(yaw_rad - self.yaw_rad, 2 * math.pi)) < _FACING_RAD
        )


@dataclass
class Signal:
    """A traffic light or sign.

    Attributes:
        sign_id: OpenDRIVE's id.
        kind: OpenDRIVE's type, such as ``1000001``.
        value: such as a speed.
        pose: where it stands.
        regions: what it governs.
        group: which lights it takes turns with.
        phase: its place among these; lights of one phase are green together.
    """

    sign_id: str
    kind: str
    value: float
    pose: Pose
    regions: list[Region] = field(default_factory=list)
    group: str = ""
    phase: str = ""


def read_signals(root: ElementTree.Element, client: carla.Map) -> list[Signal]:
    """All traffic lights and the signs that cars obey.

    Args:
        root: the map's tree.
        client: the map as the client knows it.
    """
    signals: dict[str, Signal] = {}
    entries: dict[str, list[carla.Waypoint]] = {}
    for road in root.iterfind("road"):
        for element in road.iterfind("signals/signal"):
            kind, sign_id = element.get("type", ""), element.get("id", "")
            if kind in (LIGHT_TYPE, YIELD_TYPE, STOP_TYPE, LIMIT_TYPE) and sign_id not in signals:
                pose = _pose(client, road, element)
                if pose is not None:
                    signals[sign_id] = Signal(sign_id, kind, _number(element, "value", 0.0), pose)
    for road in root.iterfind("road"):
        for element in road.iterfind("signals/*"):
            if element.tag in ("signal", "signalReference") and element.get("id", "") in signals:
                found = entries.setdefault(element.get("id", ""), [])
                found.extend(_entries(client, road, element))
    junctions = _phases(root)
    for sign_id, signal in signals.items():
        lengthwise = REGION_LENGTH_M if signal.kind == LIGHT_TYPE else 6.0
        signal.regions = list(_regions(entries.get(sign_id, ()), lengthwise))
        signal.group, signal.phase = junctions.get(sign_id, (f"alone {sign_id}", sign_id))
    return list(signals.values())


def _pose(client: carla.Map, road: ElementTree.Element, element: ElementTree.Element) -> Pose | None:
    """Where a signal stands: beside the reference line, which the client gives by way of some lane."""
    # at the very ends of a road the client finds no lane
    end_m = _number(road, "length", 0.0) - 0.05
    road_id, s_m = int(road.get("id", "-1")), min(max(_number(element, "s", 0.0), 0.05), end_m)
    for lane in road.iterfind("lanes/laneSection/*/lane"):
        lane_id = int(lane.get("id", "0"))
        if lane_id == 0:
            continue
        waypoint = client.get_waypoint_xodr(road_id, lane_id, s_m)
        if waypoint is not None:
            place, facing = waypoint.transform.location, waypoint.transform.rotation.yaw
            # t is measured from the reference line; what lies between it and the lane is of little importance here
            heading = math.radians(facing if lane_id < 0 else facing + 180.0)
            inner = (abs(lane_id) - 0.5) * waypoint.lane_width * (1 if lane_id < 0 else -1)
            right = -_number(element, "t", 0.0) - inner
            x, y = place.x - right * math.sin(heading), place.y + right * math.cos(heading)
            # CARLA's lights have their x axis across the lanes that they govern
            return x, y, place.z, 0.0, math.degrees(heading) + 90.0, 0.0
    return None


def _entries(
    client: carla.Map, road: ElementTree.Element, element: ElementTree.Element
) -> Iterator[carla.Waypoint]:
    """Where the lanes begin that a signal or a reference to it is valid for."""
    road_id, length_m = int(road.get("id", "-1")), _number(road, "length", 0.0)
    in_junction = road.get("junction", "-1") not in ("-1", "")
    lanes: set[int] = set()
    for validity in element.iterfind("validity"):
        low, high = sorted(int(_number(validity, key, 0.0)) for key in ("fromLane", "toLane"))
        lanes.update(range(max(low, -50), min(high, 50) + 1))
    for lane_id in sorted(lanes - {0}):
        begins_m = 0.05 if lane_id < 0 else length_m - 0.05
        s_m = begins_m if in_junction else _number(element, "s", 0.0)
        waypoint = client.get_waypoint_xodr(road_id, lane_id, s_m)
        if waypoint is not None:
            yield waypoint


def _regions(entries: Iterable[carla.Waypoint], length_m: float) -> Iterator[Region]:
    """Rectangles before the places where lanes begin; lanes that begin at one place make one."""
    seen = set()
    for entry in entries:
        before = entry.previous(0.5 * length_m) if entry.is_junction else [entry]
        for waypoint in before:
            place, yaw = waypoint.transform.location, math.radians(waypoint.transform.rotation.yaw)
            key = (round(place.x), round(place.y), round(math.degrees(yaw) / 10))
            if key not in seen:
                seen.add(key)
                yield Region(place.x, place.y, yaw, 0.5 * length_m, 0.5 * waypoint.lane_width)


def _phases(root: ElementTree.Element) -> dict[str, tuple[str, str]]:
    """By signal: the junction whose controllers turn it on, and which of these does."""
    signals_of = {
        controller.get("id", ""): {control.get("signalId", "") for control in controller.iterfind("control")}
        for controller in root.iterfind("controller")
    }
    phases = {}
    for junction in root.iterfind("junction"):
        for controller in junction.iterfind("controller"):
            for sign_id in signals_of.get(controller.get("id", ""), ()):
                phases[sign_id] = f"junction {junction.get('id')}", controller.get("id", "")
    for controller_id, members in signals_of.items():
        for sign_id in members:
            phases.setdefault(sign_id, (f"controller {controller_id}", controller_id))
    return phases


def _number(element: ElementTree.Element, key: str, default: float) -> float:
    try:
        value = float(element.get(key, default))
    except ValueError:
        return default
    return value if abs(value) < 1e7 else default


class RegionIndex:
    """Finds the regions that a place is in."""

    def __init__(self, regions: Iterable[tuple[Region, int]]) -> None:
        """Index regions with what they belong to."""
        self._cells: dict[tuple[int, int], list[tuple[Region, int]]] = {}
        for region, owner in regions:
            reach = math.hypot(region.half_length_m, region.half_width_m)
            for i in range(_cell(region.x_m - reach), _cell(region.x_m + reach) + 1):
                for j in range(_cell(region.y_m - reach), _cell(region.y_m + reach) + 1):
                    self._cells.setdefault((i, j), []).append((region, owner))

    def at(self, x_m: float, y_m: float, yaw_rad: float) -> list[int]:
        """Owners of the regions that hold a car."""
        near = self._cells.get((_cell(x_m), _cell(y_m)), ())
        return [owner for region, owner in near if region.holds(x_m, y_m, yaw_rad)]


def _cell(position_m: float) -> int:
    return math.floor(position_m / _CELL_M)
