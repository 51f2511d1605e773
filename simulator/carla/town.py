"""A map as the server's world needs it: roads, height of the ground, places to start from, signals."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np

from simulator.carla.hints import hint_in
from simulator.carla.poses import Pose, Vector
from simulator.carla.signals import read_signals
from simulator.roads.client_map import client_map
from simulator.roads.map_file import parse_map, read_text
from simulator.world import InvalidInput

if TYPE_CHECKING:
    import carla

PREFIX = "Carla/Maps/"
"""What CARLA puts before the name of a map."""

SENT_NAME = "OpenDriveMap"
"""The name of a map that a client has sent."""

STRAIGHT = "Straight"
"""The name of the map that every server has."""

SPAWN_SPACING_M = 20.0
SPAWN_HEIGHT_M = 0.3

_GEO = (
    '<OpenDRIVE><header revMajor="1" revMinor="4"><geoReference>+proj=tmerc +lat_0={lat} +lon_0={lon}</geoReference>'
    '</header><road id="0" length="10" junction="-1"><link/><planView><geometry s="0" x="0" y="0" hdg="0" length="10">'
    '<line/></geometry></planView><lanes><laneSection s="0"><center><lane id="0" type="none" level="false"/></center>'
    '<right><lane id="-1" type="driving" level="false"><width sOffset="0" a="3" b="0" c="0" d="0"/></lane></right>'
    "</laneSection></lanes></road></OpenDRIVE>"
)


class Town:
    """One map.

    Attributes:
        name: without prefix.
        text: OpenDRIVE.
        hint: what it says about how it looks, if anything.
        client: the map as the CARLA client knows it.
        signals: lights and signs.
        spawn_points: poses a little above the road, on every driving lane between junctions.
    """

    def __init__(self, name: str, text: str) -> None:
        """Read a map.

        Raises:
            InvalidInput: it cannot be read.
        """
        import carla

        self.name, self.text = name, text
        root, roads = parse_map(text, name)
        self.hint = hint_in(text)
        signal_root = ElementTree.fromstring(text)
        self._flat = all(
            np.abs(road.elevation.coefficients).max(initial=0.0) < 1e-6 for road in roads.values()
        )
        self.client = client_map(name, root, roads)
        self.signals = read_signals(signal_root, self.client)
        self.spawn_points = self._find_spawn_points()
        latitude, longitude = _origin(text)
        self._geo = carla.Map("geo", _GEO.format(lat=latitude, lon=longitude))

    def ground_m(self, x_m: float, y_m: float) -> float:
        """Height of the road at a place, or of the nearest road."""
        if self._flat:
            return 0.0
        waypoint = self.waypoint(x_m, y_m)
        return 0.0 if waypoint is None else float(waypoint.transform.location.z)

    def waypoint(self, x_m: float, y_m: float) -> carla.Waypoint | None:
        """The nearest place on a driving lane."""
        import carla

        return self.client.get_waypoint(carla.Location(x_m, y_m, 0.0))

    def geolocation(self, place: Vector) -> Vector:
        """Latitude, longitude [deg] and altitude [m], by the client's own formula."""
        import carla

        found = self._geo.transform_to_geolocation(carla.Location(*place))
        return found.latitude, found.longitude, found.altitude

    def _find_spawn_points(self) -> list[Pose]:
        places = []
        for waypoint in self.client.generate_waypoints(SPAWN_SPACING_M):
            if waypoint.is_junction or "Driving" not in str(waypoint.lane_type):
                continue
            key = waypoint.road_id, waypoint.section_id, waypoint.lane_id, waypoint.s
            place, turn = waypoint.transform.location, waypoint.transform.rotation
            nearest = self.waypoint(place.x, place.y)
            if nearest is None or nearest.is_junction:
                continue
            height = place.z + SPAWN_HEIGHT_M
            places.append((key, (place.x, place.y, height, turn.pitch, math.fmod(turn.yaw, 360.0), 0.0)))
        spread: list[Pose] = []
        for _, pose in sorted(places):
            if all(math.hypot(pose[0] - other[0], pose[1] - other[1]) > 8.0 for other in spread[-8:]):
                spread.append(pose)
        return spread


class MapFolder:
    """The maps that a server offers: every ``.xodr`` file of a folder, and a straight country road."""

    def __init__(self, folder: Path | None) -> None:
        """Look for maps.

        Args:
            folder: where; None for the straight road alone.

        Raises:
            InvalidInput: there is no such folder.
        """
        if folder is not None and not folder.is_dir():
            raise InvalidInput(
                f"--maps {folder}: is no folder; give one with OpenDRIVE files (.xodr), such as those of a CARLA "
                "installation"
            )
        self._files = {} if folder is None else {path.stem: path for path in sorted(folder.glob("*.xodr"))}

    @property
    def names(self) -> list[str]:
        """Names without prefix."""
        return [*self._files, STRAIGHT]

    def read(self, name: str) -> tuple[str, str]:
        """Name without prefix and text of a map.

        Raises:
            InvalidInput: there is none of that name, or it cannot be read.
        """
        short = name.rsplit("/", 1)[-1]
        # CARLA's optimised maps have the same roads
        for candidate in (short, short.removesuffix("_Opt")):
            if candidate in self._files:
                return short, read_text(self._files[candidate])[0]
        if short == STRAIGHT:
            return short, straight_road()
        raise InvalidInput(f"map {name!r} is not there; there are: {', '.join(self.names)}")


def _origin(text: str) -> tuple[float, float]:
    """Latitude and longitude of the map's origin."""
    found = [re.search(rf"\+{key}=(-?[0-9.]+(?:e[+-]?[0-9]+)?)", text[:4000]) for key in ("lat_0", "lon_0")]
    latitude, longitude = (float(match.group(1)) if match else 0.0 for match in found)
    return latitude, longitude


def straight_road(length_m: float = 2000.0) -> str:
    """The map of a server without maps: a straight country road."""
    lane = (
        '<lane id="{0}" type="driving" level="false"><width sOffset="0" a="3.5" b="0" c="0" d="0"/>'
        '<roadMark sOffset="0" type="solid" color="white" width="0.15"/></lane>'
    )
    return (
        '<OpenDRIVE><header revMajor="1" revMinor="4" name="Straight"><geoReference>+proj=tmerc +lat_0=0 +lon_0=0'
        f'</geoReference></header><road name="straight" id="1" length="{length_m}" junction="-1"><link/><planView>'
        f'<geometry s="0" x="0" y="0" hdg="0" length="{length_m}"><line/></geometry></planView><lanes>'
        f'<laneSection s="0"><left>{lane.format(1)}</left><center><lane id="0" type="none" level="false">'
        '<roadMark sOffset="0" type="broken" color="yellow" width="0.15"/></lane></center>'
        f"<right>{lane.format(-1)}</right></laneSection></lanes></road></OpenDRIVE>"
    )
