"""What the server's cameras see of a map: a corridor along the lane that the camera drives on, and what lies on it.

The renderer draws one road at a time. The corridor is chosen where the camera is, and again before it comes to its end.
A map that a client sends may say which corridor is meant and how it looks (see ``hints``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simulator.carla.corridor import OWN_LENGTH_M, TERRAIN, Corridor, Spot
from simulator.carla.poses import Pose
from simulator.carla.road_textures import Rectangle, Texture, lane_names, lane_rectangle
from simulator.carla.weather import USUAL, weather_of
from simulator.roads.opendrive import SHORTEST_M, Network, load_opendrive
from simulator.surface.layer import SurfaceLayer
from simulator.surface.style import SurfaceStyle
from simulator.world import InvalidInput

if TYPE_CHECKING:
    from simulator.carla.town import Town


class Scenery:
    """All that cameras see of a map but its actors.

    Attributes:
        weather_values: now, as ``WeatherParameters``.
        weather: the same, as far as it is drawn.
        hint: what the map says about its looks.
        textures: what was laid on the road, by the name of the object.
    """

    def __init__(self, town: Town) -> None:
        """Nothing is loaded before somebody looks."""
        self._town = town
        self._corridors: list[Corridor] = []
        self.set_weather(USUAL)
        self.hint = town.hint
        self.textures: dict[str, Texture] = {}

    def set_weather(self, values: Sequence[float]) -> None:
        """Let the weather be another.

        Raises:
            ValueError: these are not the fields of ``WeatherParameters``.
        """
        self.weather = weather_of(values)
        self.weather_values = list(values)

    @cached_property
    def names(self) -> list[str]:
        """Lanes that textures can be laid on."""
        return lane_names(self._town.client)

    def lay(self, name: str, texture: Texture) -> bool:
        """Lay a texture on a named object in place of one that was there; whether there is such an object."""
        rectangle = self.hint is not None and Rectangle.named(name) is not None
        if not rectangle and name not in self.names:
            return False
        if texture.invisible:
            self.textures.pop(name, None)
        else:
            self.textures[name] = texture
        for corridor in self._corridors:
            corridor.layers = None
        return True

    def look(self, x_m: float, y_m: float, yaw_rad: float) -> tuple[Corridor, Spot]:
        """The corridor for somebody at a place, in ISO axes, and where on it that is.

        Raises:
            InvalidInput: the map has no road near there that can be drawn.
        """
        if self.hint is not None and not self._corridors:
            road, style = self.hint.corridor(self.network), SurfaceStyle(**self.hint.surface)
            self._corridors.append(Corridor(road, style, self.hint.seed, declared=True))
        for corridor in self._corridors:
            spot = corridor.locate(x_m, y_m)
            if corridor.holds(spot, yaw_rad):
                return corridor, spot
        try:
            chosen = self._choose(x_m, y_m, yaw_rad)
        except InvalidInput:
            if not self._corridors:
                raise
            chosen = self._corridors[-1]
        else:
            keep = 1 if self.hint is not None else 0
            # the declared one stays, and the last few that others may still look at
            self._corridors = [*self._corridors[:keep], *self._corridors[keep:][-3:], chosen]
        return chosen, chosen.locate(x_m, y_m)

    @cached_property
    def network(self) -> Network:
        """The map's roads."""
        return Network(self._town.text)

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
        if corridor.layers is None:
            found = [self._layer(name, texture, corridor) for name, texture in self.textures.items()]
            corridor.layers = [layer for layer in found if layer is not None]
        return corridor.layers

    def _layer(self, name: str, texture: Texture, corridor: Corridor) -> SurfaceLayer | None:
        """A texture, if it lies on a corridor."""
        rectangle = Rectangle.named(name)
        if rectangle is not None:
            return rectangle.layer(texture, along=True) if corridor.declared else None
        road = self.network.roads.get(int(name.split("_")[1]))
        found = road and lane_rectangle(name, self._town.client, road.length_m, corridor)
        return found[0].layer(texture, found[1]) if found else None

    def ground_labels(
        self, x_m: NDArray[np.float64], y_m: NDArray[np.float64], pose: Pose
    ) -> NDArray[np.int64]:
        """CARLA's labels of points on the ground, ``(M,)`` each in CARLA's frame, seen from a pose."""
        try:
            corridor, spot = self.look(pose[0], -pose[1], -math.radians(pose[4]))
        except InvalidInput:
            return np.full(len(x_m), TERRAIN)
        dx, dy = x_m - pose[0], -y_m + pose[1]
        along = dx * math.cos(spot.heading_rad) + dy * math.sin(spot.heading_rad)
        return corridor.labels(x_m, -y_m, spot.s_m + along)


def _turned(waypoint: Any, yaw_rad: float) -> bool:
    """Whether a lane's traffic goes the other way."""
    lane_rad = -math.radians(waypoint.transform.rotation.yaw)
    return abs(math.remainder(yaw_rad - lane_rad, 2 * math.pi)) > 0.5 * math.pi
