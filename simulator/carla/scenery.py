"""What the server's cameras see of a map: a corridor along the lane that the camera drives on, and what lies on it.

The renderer draws one road at a time. The corridor is chosen where the camera is, and again before it comes to its end.
A map that a client sends may say which corridor is meant and how it looks (``declare``), so that it looks to the bit as
in the embedded world; CARLA itself ignores that.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

import numpy as np
import torch
from numpy.typing import NDArray

from simulator.carla.poses import Pose
from simulator.geometry import Curve
from simulator.roads.opendrive import SHORTEST_M, Network, load_opendrive
from simulator.roads.road import LEAD_IN_M, STEP_M, Lane, LaneMark, Profile, Road
from simulator.scene import Scene
from simulator.surface.layer import SurfaceLayer
from simulator.surface.marks import strokes
from simulator.surface.style import SurfaceStyle
from simulator.weather import PRESETS, Weather
from simulator.world import InvalidInput

if TYPE_CHECKING:
    from simulator.carla.town import Town

CODE = "dirtyroad.scene"
"""OpenDRIVE's ``userData`` of this code holds a ``SceneHint`` as JSON."""

OWN_LENGTH_M = 240.0
"""Length of a corridor that the server chooses."""

RENEWED_M = 90.0
"""It is chosen again this far before its end."""

NEEDED_BEHIND_M, NEEDED_BEYOND_M = 30.0, 80.0
"""How much of a corridor is painted before its start and beyond its end."""

NAMED_EVERY_M = 10.0
"""Lanes shorter than this may go without a name."""

WIDEST_OFFSET_M = 12.0
STEEPEST_RAD = math.radians(60.0)

ROADS, SIDEWALKS, TERRAIN, ROAD_LINES = 1, 2, 10, 24
_PAVED = {"driving", "shoulder", "parking", "border", "biking", "median", "stop"}


@dataclass(frozen=True)
class Decal:
    """A place on the road that a texture may be laid on, by name; as the attributes of ``SurfaceLayer``."""

    name: str
    s_m: float
    d_m: float
    length_m: float
    width_m: float


@dataclass(frozen=True)
class SceneHint:
    """Which part of a map is meant, and how it looks.

    Attributes:
        road: OpenDRIVE's road to begin on.
        lane: the lane.
        s_m: where.
        length_m: of the corridor.
        through_junctions: whether it leads across junctions.
        seed: of the looks.
        surface: fields of ``SurfaceStyle``.
        decals: where textures may be laid.
    """

    road: int
    lane: int
    s_m: float
    length_m: float
    through_junctions: bool
    seed: int
    surface: Mapping[str, Any]
    decals: Sequence[Decal] = ()


def declare(text: str, hint: SceneHint) -> str:
    """A map with a hint in it."""
    value = quoteattr(json.dumps(asdict(hint)))
    return text.replace("</OpenDRIVE>", f'<userData code="{CODE}" value={value}/></OpenDRIVE>')


def hint_in(text: str) -> SceneHint | None:
    """The hint in a map, None if there is none.

    Raises:
        InvalidInput: there is one that cannot be read.
    """
    if CODE not in text:
        return None
    from xml.etree import ElementTree

    element = ElementTree.fromstring(text).find(f"userData[@code='{CODE}']")
    if element is None:
        return None
    try:
        data = json.loads(element.get("value", ""))
        decals = [Decal(**decal) for decal in data.pop("decals")]
        hint = SceneHint(**data, decals=decals)
        SurfaceStyle(**hint.surface)
    except (TypeError, ValueError, KeyError) as error:
        raise InvalidInput(f"userData {CODE} of the map cannot be read: {error}") from None
    return hint


class Corridor:
    """A road that is drawn, and where on it something is."""

    def __init__(self, road: Road, style: SurfaceStyle, seed: int, declared: bool) -> None:
        """Keep what is needed to find places on it."""
        self.road, self.style, self.seed, self.declared = road, style, seed, declared
        self.curve: Curve = road.curve()

    def locate(self, x_m: float, y_m: float) -> tuple[float, float, float]:
        """s, d and the road's heading at a place, in ISO axes."""
        distance = (self.road.x_m - x_m) ** 2 + (self.road.y_m - y_m) ** 2
        guess = torch.tensor([[int(distance.argmin()) * STEP_M - LEAD_IN_M]], dtype=torch.float64)
        place = torch.tensor([[[x_m]], [[y_m]]], dtype=torch.float64)
        s, d = self.curve.to_frenet(place[0], place[1], guess)
        heading = self.curve.frame_at(s)[2]
        return float(s), float(d), float(heading)

    def holds(self, x_m: float, y_m: float, yaw_rad: float) -> bool:
        """Whether somebody who drives at a place is on it, and will be for a while."""
        s, d, heading = self.locate(x_m, y_m)
        # a road that ends early does so at the end of the map: it is kept to there
        cut = self.road.length_m > OWN_LENGTH_M - 1.0 and not self.declared
        end_m = self.road.length_m + (-RENEWED_M if cut else NEEDED_BEYOND_M)
        return (
            -LEAD_IN_M <= s <= end_m
            and abs(d) < WIDEST_OFFSET_M
            and abs(math.remainder(yaw_rad - heading, 2 * math.pi)) < STEEPEST_RAD
        )

    @property
    def stretch(self) -> tuple[float, float] | None:
        """What is to be painted of it; None for all."""
        return None if self.declared else (-NEEDED_BEHIND_M, self.road.length_m + NEEDED_BEYOND_M)

    def scene(self, weather: Weather) -> Scene:
        """To be rendered."""
        return Scene(self.road, self.style, weather, self.seed)


class Scenery:
    """All that cameras see of a map but its actors.

    Attributes:
        weather: now.
        hint: what the map says about its looks.
        textures: what was laid on the road, by the name of the place.
    """

    def __init__(self, town: Town) -> None:
        """Nothing is loaded before somebody looks."""
        self._town = town
        self._network: Network | None = None
        self._corridors: list[Corridor] = []
        self.weather = PRESETS["ClearNoon"]
        self.hint = hint_in(town.text)
        self.textures: dict[str, tuple[torch.Tensor, torch.Tensor | None]] = {}
        self._layers: dict[int, list[SurfaceLayer]] = {}

    @property
    def names(self) -> list[str]:
        """Objects that textures can be laid on: declared places first, then every lane of the map."""
        decals = [decal.name for decal in self.hint.decals] if self.hint else []
        lanes = {
            f"Road_{waypoint.road_id}_Lane_{waypoint.lane_id}"
            for waypoint in self._town.client.generate_waypoints(NAMED_EVERY_M)
        }
        return [*decals, *sorted(lanes)]

    def lay(self, name: str, add: torch.Tensor, keep: torch.Tensor | None) -> None:
        """Lay a texture on a named object; it hides one that was there.

        Args:
            name: of ``names``.
            add: ``(3, rows, columns)``, first row the farthest.
            keep: ``(rows, columns)`` share of the road that still shows; None for all of it.
        """
        self.textures[name] = add, keep
        self._layers.clear()

    def corridor(self, x_m: float, y_m: float, yaw_rad: float) -> Corridor:
        """The corridor for somebody at a place, in ISO axes.

        Raises:
            InvalidInput: the map has no road near there that can be drawn.
        """
        if self.hint is not None and not self._corridors:
            self._corridors.append(self._declared(self.hint))
        for corridor in self._corridors:
            if corridor.holds(x_m, y_m, yaw_rad):
                return corridor
        try:
            chosen = self._choose(x_m, y_m, yaw_rad)
        except InvalidInput:
            if not self._corridors:
                raise
            return self._corridors[-1]
        keep = 1 if self.hint is not None else 0
        # the declared one stays, and the last few that others may still look at
        self._corridors = [*self._corridors[:keep], *self._corridors[keep:][-3:], chosen]
        return chosen

    @property
    def network(self) -> Network:
        """The map's roads."""
        if self._network is None:
            self._network = Network(self._town.text)
        return self._network

    def _declared(self, hint: SceneHint) -> Corridor:
        road = load_opendrive(
            self.network, hint.road, hint.lane, hint.s_m, hint.length_m, hint.through_junctions
        )
        return Corridor(road, SurfaceStyle(**hint.surface), hint.seed, declared=True)

    def _choose(self, x_m: float, y_m: float, yaw_rad: float) -> Corridor:
        waypoint = self._town.waypoint(x_m, -y_m)
        if waypoint is None:
            raise InvalidInput(f"there is no road near ({x_m:.1f}, {y_m:.1f})")
        opposite = waypoint.get_left_lane()
        if _turned(waypoint, yaw_rad) and opposite is not None and not _turned(opposite, yaw_rad):
            waypoint = opposite
        for back_m in (0.0, 15.0, 40.0):
            starts = [waypoint] if back_m == 0.0 else waypoint.previous(back_m)
            for start in starts:
                try:
                    road = load_opendrive(
                        self.network, start.road_id, start.lane_id, start.s, OWN_LENGTH_M, True
                    )
                except InvalidInput:
                    continue
                return Corridor(road, SurfaceStyle(), 0, declared=False)
        raise InvalidInput(f"the road at ({x_m:.1f}, {y_m:.1f}) ends within {SHORTEST_M:g} m")

    def layers(self, corridor: Corridor) -> list[SurfaceLayer]:
        """Textures that lie on a corridor."""
        key = id(corridor)
        if key not in self._layers:
            found = [self._place(name, corridor) for name in self.textures]
            self._layers[key] = [layer for layer in found if layer is not None]
        return self._layers[key]

    def _place(self, name: str, corridor: Corridor) -> SurfaceLayer | None:
        add, keep = self.textures[name]
        decals = {decal.name: decal for decal in self.hint.decals} if self.hint else {}
        if name in decals and self._corridors and corridor is self._corridors[0]:
            decal, forwards = decals[name], True
        elif name in decals:
            return None
        else:
            found = self._lane_place(name, corridor)
            if found is None:
                return None
            decal, forwards = found
        if forwards:
            add, keep = add.flip(-2), None if keep is None else keep.flip(-2)
        else:
            add, keep = add.flip(-1), None if keep is None else keep.flip(-1)
        kept = None if keep is None else keep[None, None]
        return SurfaceLayer(add[None], decal.s_m, decal.d_m, decal.length_m, decal.width_m, kept)

    def _lane_place(self, name: str, corridor: Corridor) -> tuple[Decal, bool] | None:
        """Where on a corridor a lane of the map lies, and whether it runs the same way."""
        _, road_id, _, lane_id = name.split("_")
        road, lane = self.network.roads.get(int(road_id)), int(lane_id)
        if road is None:
            return None
        client, end_m = self._town.client, road.length_m - 0.01
        ends = [client.get_waypoint_xodr(int(road_id), lane, s) for s in (0.01, end_m)]
        if lane > 0:
            ends.reverse()
        if None in ends:
            return None
        places = [corridor.locate(end.transform.location.x, -end.transform.location.y) for end in ends]
        (s0, d0, _), (s1, d1, _) = places
        if max(abs(d0), abs(d1)) > WIDEST_OFFSET_M or abs(d0 - d1) > 1.0 or s0 == s1:
            return None
        decal = Decal(name, min(s0, s1), 0.5 * (d0 + d1), abs(s1 - s0), ends[0].lane_width)
        return decal, s1 > s0

    def ground_labels(
        self, x_m: NDArray[np.float64], y_m: NDArray[np.float64], pose: Pose
    ) -> NDArray[np.int64]:
        """CARLA's labels of points on the ground, ``(M,)`` each in CARLA's frame, seen from a pose."""
        try:
            corridor = self.corridor(pose[0], -pose[1], -math.radians(pose[4]))
        except InvalidInput:
            return np.full(len(x_m), TERRAIN)
        s0, _, heading = corridor.locate(pose[0], -pose[1])
        dx, dy = x_m - pose[0], -y_m + pose[1]
        along = dx * math.cos(heading) + dy * math.sin(heading)
        guess = torch.from_numpy(s0 + along)[None]
        s, d = (
            found[0].numpy()
            for found in corridor.curve.to_frenet(
                torch.from_numpy(x_m)[None], torch.from_numpy(-y_m)[None], guess
            )
        )
        return _labels(corridor.road, s, d)


def _turned(waypoint: Any, yaw_rad: float) -> bool:
    """Whether a lane's traffic goes the other way."""
    lane_rad = -math.radians(waypoint.transform.rotation.yaw)
    return abs(math.remainder(yaw_rad - lane_rad, 2 * math.pi)) > 0.5 * math.pi


def _labels(road: Road, s_m: NDArray[np.float64], d_m: NDArray[np.float64]) -> NDArray[np.int64]:
    labels = np.full(len(s_m), TERRAIN)

    def at(profile: Profile) -> NDArray[np.float64]:
        return np.interp(s_m, road.s_m, profile)

    lanes: tuple[Lane, ...] = road.lanes
    for lane in lanes:
        inside = (d_m <= at(lane.left_m)) & (d_m >= at(lane.right_m))
        labels[inside] = SIDEWALKS if lane.kind == "sidewalk" else ROADS if lane.kind in _PAVED else TERRAIN
    marks: tuple[LaneMark, ...] = road.marks
    for mark in marks:
        # where the dashes of a broken mark begin is left to chance; all of its way counts as paint
        for shift, _ in strokes(mark):
            labels[np.abs(d_m - at(mark.offset_m) - shift) <= 0.5 * mark.width_m] = ROAD_LINES
    return labels


def weather_of(values: Sequence[float]) -> Weather:
    """A weather out of ``WeatherParameters``, as far as the renderer knows it."""
    names = (
        "cloudiness",
        "precipitation",
        "precipitation_deposits",
        "wind_intensity",
        "sun_azimuth_angle",
        "sun_altitude_angle",
        "fog_density",
        "fog_distance",
    )
    limits = {
        "sun_altitude_angle": (-90.0, 90.0),
        "sun_azimuth_angle": (-1e4, 1e4),
        "fog_distance": (0.0, 1e6),
    }
    clipped = {
        name: min(max(float(value), limits.get(name, (0.0, 100.0))[0]), limits.get(name, (0.0, 100.0))[1])
        for name, value in zip(names, values, strict=False)
    }
    return replace(Weather(**clipped), wetness=min(max(float(values[9]), 0.0), 100.0))
