"""Weather over the wire: ``carla.WeatherParameters`` as a list of numbers, in the order of its fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from simulator.weather import Weather

NAMES = (
    "cloudiness",
    "precipitation",
    "precipitation_deposits",
    "wind_intensity",
    "sun_azimuth_angle",
    "sun_altitude_angle",
    "fog_density",
    "fog_distance",
    "fog_falloff",
    "wetness",
    "scattering_intensity",
    "mie_scattering_scale",
    "rayleigh_scattering_scale",
    "dust_storm",
)

USUAL = [10.0, 0.0, 0.0, 5.0, 0.0, 75.0, 0.0, 0.0, 0.2, 0.0, 1.0, 0.03, 0.0331, 0.0]
"""``ClearNoon``."""

_LIMITS = {
    "sun_altitude_angle": (-90.0, 90.0),
    "sun_azimuth_angle": (-1e4, 1e4),
    "fog_distance": (0.0, 1e6),
}
"""Of what is no percentage."""


def weather_of(values: Sequence[float]) -> Weather:
    """A weather out of ``WeatherParameters``, as far as the renderer knows it."""
    given = dict(zip(NAMES, values, strict=True))
    known = {}
    for name in (field.name for field in fields(Weather)):
        low, high = _LIMITS.get(name, (0.0, 100.0))
        known[name] = min(max(given[name], low), high)
    return Weather(**known)
