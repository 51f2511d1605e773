"""Weather: CARLA's words, and light that follows them."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from simulator.camera import CAMERAS
from simulator.renderer import Renderer
from simulator.roads.layout import LaneLayout
from simulator.roads.segments import Line, build_road
from simulator.scene import Scene
from simulator.weather import PRESETS, Light, Weather, sun_heading_rad
from simulator.world import VehicleState


def test_presets_and_fields_are_carlas() -> None:
    carla = pytest.importorskip("carla")
    for name in PRESETS:
        if name != "FogNoon":
            assert hasattr(carla.WeatherParameters, name), name
    parameters = carla.WeatherParameters()
    for field in dataclasses.fields(Weather):
        assert hasattr(parameters, field.name)


def test_night_is_dark_and_has_headlights() -> None:
    noon, night = Light.of(PRESETS["ClearNoon"]), Light.of(PRESETS["ClearNight"])
    assert max(night.ground) < 0.1 < 0.9 < max(noon.ground)
    assert night.headlights > 1
    assert noon.headlights == 0
    assert night.sun == 0
    assert night.noise > noon.noise


def test_clear_noon_is_the_unit_of_brightness() -> None:
    assert Light.of(Weather(cloudiness=0.0, sun_altitude_angle=75.0)).ground == pytest.approx(
        (1.0, 1.0, 1.0), abs=1e-6
    )


@pytest.mark.parametrize(("field", "attribute"), [("fog_density", "extinction_per_m"), ("wetness", "gloss"),
                                                  ("precipitation", "rain")])  # fmt: skip
def test_more_is_more(field: str, attribute: str) -> None:
    values = [
        getattr(Light.of(dataclasses.replace(Weather(), **{field: v})), attribute)
        for v in (0.0, 30.0, 60.0, 100.0)
    ]
    assert values == sorted(values)
    assert values[0] < values[-1]


def test_dense_fog_hides_what_is_100_m_away() -> None:
    assert Light.of(Weather(fog_density=100.0)).extinction_per_m * 100 > 3


def test_fog_begins_at_its_distance() -> None:
    road = build_road("fog", [Line(20.0)], LaneLayout.two_way())
    scenes = [
        Scene(road, weather=Weather(fog_density=50.0, fog_distance=distance)) for distance in (40.0, 0.0)
    ]
    scenes.append(Scene(road, weather=Weather(fog_density=0.0)))
    renderer = Renderer(scenes, CAMERAS["model"], stretch=(0.0, 20.0))
    state = VehicleState.at(*(torch.zeros(3) for _ in range(4)))
    rays, _, index = renderer.look(state, torch.zeros(3))
    (later, at_once, none), _ = renderer.illuminate(rays, index)
    near = rays.range_m[0] < 40.0
    torch.testing.assert_close(later[:, near], none[:, near])
    assert (later[:, near] < at_once[:, near]).all()
    assert (later[:, ~near] > none[:, ~near] + 1e-3).any()


def test_azimuth_changes_hand() -> None:
    assert sun_heading_rad(Weather(sun_azimuth_angle=90.0)) == pytest.approx(-3.14159265 / 2)


def test_shadows_are_as_long_as_the_sun_is_low_and_away_from_it() -> None:
    assert Light.of(Weather(sun_altitude_angle=45.0)).shadow == pytest.approx((-1.0, 0.0))
    assert Light.of(Weather(sun_altitude_angle=30.0, sun_azimuth_angle=90.0)).shadow == pytest.approx(
        (0.0, math.sqrt(3.0)), abs=1e-9
    )
    assert Light.of(Weather(sun_altitude_angle=90.0)).shadow == pytest.approx((0.0, 0.0), abs=1e-9)
    assert Light.of(Weather(sun_altitude_angle=-3.0)).sun == 0
