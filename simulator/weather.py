"""Weather and light, in CARLA's words.

Fields, units (percent, degrees, metres) and names of presets are those of ``carla.WeatherParameters``. The numbers of
the presets are our own: they are listed here, and go to every world as they are, so that a scenario means the same in
all of them. ``Weather`` says what the renderer makes of each field; what CARLA makes of it is CARLA's. Its other fields
(scattering of light, falloff of fog, dust) do not exist here, and are refused in a scenario file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Color = tuple[float, float, float]

_FOG_PER_M = 0.045
"""Extinction of the densest fog."""

_LOWEST_SUN = 8.0
"""Degrees; the shadows of a lower sun are no longer than of this, since they would have no end."""


@dataclass(frozen=True)
class Weather:
    """State of sky and air, and what is drawn of it.

    Attributes:
        cloudiness: 0 to 100: more clouds, greyer and dimmer light, fainter shadows; at 100 none.
        precipitation: rain in the air, 0 to 100: streaks before the lens, haze, dimmer light, fainter shadows. The road
            gets wet by the two fields that say so.
        precipitation_deposits: puddles, 0 to 100: as ``wetness``, since none is drawn; the larger of the two counts.
        wind_intensity: 0 to 100: nothing, rain always falls as in a light wind; it is sent to CARLA servers.
        sun_azimuth_angle: degrees, clockwise from x as CARLA has it: where a low sun glows, and shadows fall away from.
        sun_altitude_angle: degrees above the horizon, -90 to 90: brightness of the day, warm light below 25, longer
            shadows down to 8 and none below the horizon, headlights from 6 down, noise of the sensor by night.
        fog_density: 0 to 100: what lies ahead fades into the horizon's colour, by 1/e every 22 m at 100.
        fog_distance: metres from the camera at which fog begins.
        wetness: of the road, 0 to 100: darker, and mirroring the horizon at flat angles.
    """

    cloudiness: float = 10.0
    precipitation: float = 0.0
    precipitation_deposits: float = 0.0
    wind_intensity: float = 5.0
    sun_azimuth_angle: float = 0.0
    sun_altitude_angle: float = 60.0
    fog_density: float = 0.0
    fog_distance: float = 0.0
    wetness: float = 0.0


def _presets() -> dict[str, Weather]:
    kinds = {
        "Clear": Weather(),
        "Cloudy": Weather(cloudiness=80.0, wind_intensity=20.0),
        "Wet": Weather(cloudiness=20.0, precipitation_deposits=50.0, wetness=80.0),
        "WetCloudy": Weather(cloudiness=90.0, precipitation_deposits=50.0, wetness=80.0),
        "SoftRain": Weather(cloudiness=80.0, precipitation=30.0, precipitation_deposits=50.0, wetness=60.0),
        "MidRainy": Weather(cloudiness=90.0, precipitation=60.0, precipitation_deposits=60.0, wetness=80.0),
        "HardRain": Weather(
            cloudiness=100.0, precipitation=100.0, precipitation_deposits=90.0, wind_intensity=60.0,
            fog_density=10.0, wetness=100.0,
        ),
    }  # fmt: skip
    suns = {"Noon": (0.0, 75.0), "Sunset": (45.0, 8.0), "Night": (0.0, -60.0)}
    presets = {
        kind + time: Weather(
            **{**vars(weather), "sun_azimuth_angle": azimuth, "sun_altitude_angle": altitude}
        )
        for kind, weather in kinds.items()
        for time, (azimuth, altitude) in suns.items()
    }
    # the one name that CARLA spells differently
    presets["MidRainSunset"] = presets.pop("MidRainySunset")
    # CARLA's leaves the weather to the map
    presets["Default"] = Weather()
    # dust is drawn as what it does to the view: a thick haze
    presets["DustStorm"] = Weather(
        cloudiness=100.0, wind_intensity=100.0, sun_altitude_angle=45.0, fog_density=60.0
    )
    # CARLA has no preset for fog; the name follows its pattern
    presets["FogNoon"] = Weather(cloudiness=70.0, sun_altitude_angle=60.0, fog_density=45.0)
    return presets


PRESETS: dict[str, Weather] = _presets()
"""By CARLA's names (``ClearNoon`` ... ``HardRainNight``, ``Default``, ``DustStorm``), and ``FogNoon``."""


@dataclass(frozen=True)
class Light:
    """What weather does to an image, in display brightness (1 is the white of a clear noon).

    Attributes:
        ground: factor on the road's colour, RGB.
        sky_top: colour of the sky at 20 degrees and above.
        sky_horizon: colour of the sky at the horizon, which fog and haze also have.
        extinction_per_m: of the air (fog, rain, haze).
        fog_per_m: the share of it that is fog, which begins only at ``fog_distance_m``.
        fog_distance_m: from the camera.
        gloss: share of the sky's light that a wet road mirrors at grazing angles, 0 to 1.
        sun: strength of direct sun, 0 to 1; how dark cast shadows are.
        shadow: where the shadow of the tip of a thing 1 m high falls, x and y in the world from its foot [m].
        headlights: brightness of the car's own beam on the road, 0 by day.
        rain: 0 to 1.
        noise: standard deviation of the sensor's noise.
    """

    ground: Color
    sky_top: Color
    sky_horizon: Color
    extinction_per_m: float
    fog_per_m: float
    fog_distance_m: float
    gloss: float
    sun: float
    shadow: tuple[float, float]
    headlights: float
    rain: float
    noise: float

    @classmethod
    def of(cls, weather: Weather) -> Light:
        """The light of a weather. Colours are chosen by eye to look like camera pictures with automatic exposure."""
        altitude = weather.sun_altitude_angle
        day = _smoothstep(-8.0, 14.0, altitude)
        low_sun = _smoothstep(-6.0, 3.0, altitude) * (1 - _smoothstep(8.0, 25.0, altitude))
        cloud = weather.cloudiness / 100
        wet = max(weather.wetness, weather.precipitation_deposits) / 100
        rain = weather.precipitation / 100
        warm = low_sun * (1 - 0.7 * cloud)
        brightness = 0.05 + day * (0.95 - 0.22 * cloud - 0.12 * rain - 0.18 * low_sun)
        ground = _scale(_mix((1.0, 1.0, 1.0), (1.08, 0.96, 0.82), warm), brightness * (1 - 0.28 * wet))
        top = _mix(_mix((0.36, 0.55, 0.86), (0.66, 0.69, 0.73), cloud), (0.42, 0.44, 0.60), warm)
        horizon = _mix(_mix((0.80, 0.88, 0.95), (0.80, 0.81, 0.83), cloud), (0.98, 0.76, 0.56), warm)
        night_top, night_horizon = (0.015, 0.018, 0.03), (0.05, 0.05, 0.06)
        dim = 1 - 0.25 * rain
        fog_per_m = _FOG_PER_M * (weather.fog_density / 100) ** 1.5
        return cls(
            ground=ground,
            sky_top=_scale(_mix(night_top, top, day), dim),
            sky_horizon=_scale(_mix(night_horizon, horizon, day), dim),
            extinction_per_m=0.0006 + fog_per_m + 0.004 * rain,
            fog_per_m=fog_per_m,
            fog_distance_m=weather.fog_distance,
            gloss=0.75 * wet,
            # none from below the horizon
            sun=_smoothstep(-2.0, 12.0, altitude) * (1 - cloud) * (1 - 0.6 * rain),
            shadow=_shadow(weather),
            headlights=1.5 * (1 - _smoothstep(-4.0, 6.0, altitude)),
            rain=rain,
            noise=0.006 + 0.016 * (1 - day),
        )


def _smoothstep(low: float, high: float, value: float) -> float:
    share = min(max((value - low) / (high - low), 0.0), 1.0)
    return share * share * (3 - 2 * share)


def _mix(a: Color, b: Color, share: float) -> Color:
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share)


def _scale(color: Color, factor: float) -> Color:
    return (color[0] * factor, color[1] * factor, color[2] * factor)


def _shadow(weather: Weather) -> tuple[float, float]:
    length = 1 / math.tan(math.radians(min(max(weather.sun_altitude_angle, _LOWEST_SUN), 90.0)))
    away = sun_heading_rad(weather) + math.pi
    return length * math.cos(away), length * math.sin(away)


def sun_heading_rad(weather: Weather) -> float:
    """Direction of the sun in the ISO frame: CARLA's azimuth is clockwise, ours counter-clockwise."""
    return -math.radians(weather.sun_azimuth_angle)
