"""From what a scenario file says to what the simulator takes: scenes, weather, cars."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import inf

from scenarios.courses import course_of, road_of
from scenarios.plugins.patches import check_attack
from scenarios.schema import Scenario, WeatherSpec
from simulator.camera import CAMERAS, Camera
from simulator.embedded import Start
from simulator.scene import Scene
from simulator.surface.style import SurfaceStyle
from simulator.tiny_physics import DELAY_S
from simulator.traffic import OtherCar
from simulator.vehicle import VehicleParameters, preset
from simulator.weather import PRESETS, Weather
from simulator.world import InvalidInput


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
        speed_mps=course_of(scenario).speed_mps if ego.speed_mps is None else ego.speed_mps,
        cars=cars,
        barriers_d_m=(
            inf if barriers.left_m is None else barriers.left_m,
            -inf if barriers.right_m is None else barriers.right_m,
        ),
    )


def cameras_of(scenario: Scenario, names: Iterable[str]) -> tuple[Camera, ...]:
    """The cameras of these names, as they are on the car."""
    spec = scenario.camera
    mount = {"y_m": spec.left_m, "z_m": spec.height_m}
    angles = {"roll_rad": spec.roll_rad, "pitch_rad": spec.pitch_rad, "yaw_rad": spec.yaw_rad}
    mounted = [CAMERAS[name].with_mount(**mount, **angles) for name in names]
    return tuple(replace(camera, exposure=spec.exposure) for camera in mounted)


def vehicle_of(scenario: Scenario) -> VehicleParameters:
    """The car that is driven.

    Raises:
        InvalidInput: there is no such preset, or the world leaves no room for a plant.
    """
    try:
        vehicle = preset(scenario.ego.vehicle)
    except InvalidInput as error:
        raise InvalidInput(f"ego.{error}") from error
    if scenario.ego.plant is None:
        return vehicle
    if not scenario.world.takes_plant:
        raise InvalidInput(
            f"ego.plant: world '{scenario.world.type}' moves the car by itself; leave this out"
        )
    # as openpilot's port of a car says how late it is
    return replace(vehicle, predicted_delay_s=DELAY_S)


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
