"""Scene: everything about a place that does not move."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulator.roads.road import Road
from simulator.surface.style import SurfaceStyle
from simulator.weather import Weather


@dataclass(frozen=True)
class Scene:
    """One road under one sky.

    Attributes:
        road: the corridor.
        surface: how it looks.
        weather: light and air.
        seed: of everything random in its look.
    """

    road: Road
    surface: SurfaceStyle = field(default_factory=SurfaceStyle)
    weather: Weather = field(default_factory=Weather)
    seed: int = 0
