"""A corridor of a map, as the server's cameras draw it: a road, its looks, and what lies where on it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from simulator.geometry import Curve
from simulator.roads.road import LEAD_IN_M, STEP_M, Lane, LaneMark, Profile, Road
from simulator.scene import Scene
from simulator.surface.layer import SurfaceLayer
from simulator.surface.marks import strokes
from simulator.surface.style import SurfaceStyle
from simulator.weather import Weather

OWN_LENGTH_M = 240.0
"""Length of a corridor that the server chooses."""

RENEWED_M = 90.0
"""It is chosen again this far before its end."""

NEEDED_BEHIND_M, NEEDED_BEYOND_M = 30.0, 80.0
"""How much of a corridor is painted before its start and beyond its end."""

WIDEST_OFFSET_M = 12.0
STEEPEST_RAD = math.radians(60.0)

ROADS, SIDEWALKS, TERRAIN, ROAD_LINES = 1, 2, 10, 24
_PAVED = {"driving", "shoulder", "parking", "border", "biking", "median", "stop"}


class Spot(NamedTuple):
    """A place on a corridor.

    Attributes:
        s_m: along it.
        d_m: beside it, positive left.
        heading_rad: of the road there.
    """

    s_m: float
    d_m: float
    heading_rad: float


class Corridor:
    """A road that is drawn.

    Attributes:
        road: its lanes and marks.
        style: its looks.
        seed: of these.
        declared: whether the map itself says that this is the one to draw.
        curve: its reference line.
        layers: textures that lie on it; None until somebody has looked for them.
    """

    def __init__(self, road: Road, style: SurfaceStyle, seed: int, declared: bool) -> None:
        """Nothing lies on it yet."""
        self.road, self.style, self.seed, self.declared = road, style, seed, declared
        self.curve: Curve = road.curve()
        self.layers: list[SurfaceLayer] | None = None

    def locate(self, x_m: float, y_m: float) -> Spot:
        """Where a place in ISO axes is."""
        distance = (self.road.x_m - x_m) ** 2 + (self.road.y_m - y_m) ** 2
        guess = torch.tensor([[int(distance.argmin()) * STEP_M - LEAD_IN_M]], dtype=torch.float64)
        place = torch.tensor([[[x_m]], [[y_m]]], dtype=torch.float64)
        s, d = self.curve.to_frenet(place[0], place[1], guess)
        heading = self.curve.frame_at(s)[2]
        return Spot(float(s), float(d), float(heading))

    def holds(self, spot: Spot, yaw_rad: float) -> bool:
        """Whether somebody who drives at a place is on it, and will be for a while."""
        # a road that ends early does so at the end of the map: it is kept to there
        cut = self.road.length_m > OWN_LENGTH_M - 1.0 and not self.declared
        end_m = self.road.length_m + (-RENEWED_M if cut else NEEDED_BEYOND_M)
        return (
            -LEAD_IN_M <= spot.s_m <= end_m
            and abs(spot.d_m) < WIDEST_OFFSET_M
            and abs(math.remainder(yaw_rad - spot.heading_rad, 2 * math.pi)) < STEEPEST_RAD
        )

    @property
    def stretch(self) -> tuple[float, float] | None:
        """What is to be painted of it; None for all."""
        return None if self.declared else (-NEEDED_BEHIND_M, self.road.length_m + NEEDED_BEYOND_M)

    def scene(self, weather: Weather) -> Scene:
        """To be rendered."""
        return Scene(self.road, self.style, weather, self.seed)

    def labels(
        self, x_m: NDArray[np.float64], y_m: NDArray[np.float64], near_m: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """CARLA's labels of points on the ground.

        Args:
            x_m: ``(M,)`` in ISO axes.
            y_m: likewise.
            near_m: about where they are along the corridor.
        """
        found = self.curve.to_frenet(
            torch.from_numpy(x_m)[None], torch.from_numpy(y_m)[None], torch.from_numpy(near_m)[None]
        )
        s, d = (part[0].numpy() for part in found)

        def at(profile: Profile) -> NDArray[np.float64]:
            return np.interp(s, self.road.s_m, profile)

        labels = np.full(len(s), TERRAIN)
        lanes: tuple[Lane, ...] = self.road.lanes
        for lane in lanes:
            inside = (d <= at(lane.left_m)) & (d >= at(lane.right_m))
            paved = ROADS if lane.kind in _PAVED else TERRAIN
            labels[inside] = SIDEWALKS if lane.kind == "sidewalk" else paved
        marks: tuple[LaneMark, ...] = self.road.marks
        for mark in marks:
            # where the dashes of a broken mark begin is left to chance; all of its way counts as paint
            for shift, _ in strokes(mark):
                labels[np.abs(d - at(mark.offset_m) - shift) <= 0.5 * mark.width_m] = ROAD_LINES
        return labels
