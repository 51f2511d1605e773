"""The CARLA world does what the embedded one does, on this project's server."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from simulator.camera import CAMERAS
from simulator.carla.world_client import CarlaWorld, Place
from simulator.embedded import EmbeddedWorld, Start
from simulator.roads.export import opendrive_of
from simulator.roads.layout import LaneLayout
from simulator.roads.segments import Arc, Clothoid, Line, Segment, build_road
from simulator.scene import Scene
from simulator.surface.layer import SurfaceLayer
from simulator.traffic import OtherCar
from simulator.vehicle import PRESETS, VehicleParameters
from simulator.world import Command, InfrastructureError, InvalidInput, Observation, World

carla = pytest.importorskip("carla")

SEGMENTS: list[Segment] = [Line(30.0), Clothoid(40.0, 0.0, 1 / 250), Arc(130.0, 250.0)]
MODEL = CAMERAS["model"]


@pytest.fixture(scope="module")
def scene() -> Scene:
    layout = LaneLayout.two_way()
    road = build_road("bend", SEGMENTS, layout)
    return Scene(replace(road, opendrive=opendrive_of("bend", SEGMENTS, layout)), seed=5)


def _drive(world: World, steps: int) -> list[Observation]:
    """Wind along under commands that depend on the step alone."""
    seen = [world.reset(0)]
    for step in range(steps):
        wheel = 0.2 + 0.3 * math.sin(step / 9)
        command = Command(
            torch.tensor([wheel], dtype=torch.float64),
            torch.tensor([math.cos(step / 20)], dtype=torch.float64),
        )
        seen.append(world.step(command))
    world.close()
    return seen


def _apart_m(one: list[Observation], other: list[Observation]) -> float:
    return max(
        math.hypot(float(a.state.x_m - b.state.x_m), float(a.state.y_m - b.state.y_m))
        for a, b in zip(one, other, strict=True)
    )


def _patch() -> SurfaceLayer:
    generator = torch.Generator().manual_seed(0)
    cells = (torch.rand(1, 1, 60, 36, generator=generator) - 0.5) * 0.5
    return SurfaceLayer(cells, 12.0, 0.2, 12.0, 3.6)


@pytest.mark.parametrize("name", ["openpilot_0_6", "openpilot_0_6_delayed", "iso_11270"])
def test_the_same_car_drives_the_same_line(port: int, scene: Scene, name: str) -> None:
    car, start = PRESETS[name], Start(offset_m=0.2, speed_mps=15.0)

    embedded = _drive(EmbeddedWorld([scene], start, car), 60)
    served = _drive(CarlaWorld(Place(port=port), scene, start, car), 60)

    assert _apart_m(embedded, served) < 1e-3
    for one, other in zip(embedded, served, strict=True):
        assert float(one.truth.offset_m) == pytest.approx(float(other.truth.offset_m), abs=1e-3)
        assert float(one.state.speed_mps) == pytest.approx(float(other.state.speed_mps), abs=1e-4)
        assert float(one.state.steering_rad) == pytest.approx(float(other.state.steering_rad), abs=1e-3)
        assert torch.allclose(one.truth.path_y_m, other.truth.path_y_m, atol=5e-3, equal_nan=True)


def test_latency_is_kept_in_whole_frames(port: int, scene: Scene) -> None:
    car, start = PRESETS["openpilot_0_6"], Start(speed_mps=15.0)

    embedded = _drive(EmbeddedWorld([scene], start, car, latency_s=0.1), 30)
    served = _drive(CarlaWorld(Place(port=port), scene, start, car, latency_s=0.1), 30)

    assert _apart_m(embedded, served) < 1e-3
    with pytest.raises(InvalidInput, match=r"multiple of 0\.05"):
        CarlaWorld(Place(port=port), scene, start, car, latency_s=0.12)


def test_other_cars_are_where_the_scenario_has_them(port: int, scene: Scene) -> None:
    start = Start(speed_mps=15.0, cars=(OtherCar(gap_m=8.0, speed_mps=5.0),))
    car = PRESETS["openpilot_0_6"]

    embedded = _drive(EmbeddedWorld([scene], start, car), 25)
    served = _drive(CarlaWorld(Place(port=port), scene, start, car), 25)

    gaps = [[float(seen.truth.lead_distance_m) for seen in drive[:15]] for drive in (embedded, served)]
    assert gaps[1] == pytest.approx(gaps[0], abs=1e-3)
    hits = [[bool(seen.truth.collided) for seen in drive] for drive in (embedded, served)]
    assert hits[0].index(True) == hits[1].index(True)
    assert not hits[1][0]


@pytest.mark.parametrize("mode", ["composite", "texture"])
def test_pictures_with_dirt_are_those_of_the_embedded_world(port: int, scene: Scene, mode: Any) -> None:
    start, car, layers = Start(speed_mps=12.0), PRESETS["openpilot_0_6"], [_patch()]

    embedded = _drive(EmbeddedWorld([scene], start, car, [MODEL], layers=layers), 3)
    served = _drive(CarlaWorld(Place(port=port, patch=mode), scene, start, car, [MODEL], layers=layers), 3)
    clean = _drive(EmbeddedWorld([scene], start, car, [MODEL]), 3)

    for index in (0, 3):
        one, other, bare = (drive[index].frames["model"].int() for drive in (embedded, served, clean))
        dirty = (one - bare).abs().sum(-1) > 12
        assert dirty.sum() > 2000
        assert (one - other).abs().float().mean() < 0.1
        assert (one - other).abs()[dirty].float().mean() < 0.5


def test_a_cropped_and_turned_picture_differs_by_noise_only(port: int, scene: Scene) -> None:
    start, car = Start(speed_mps=12.0), PRESETS["openpilot_0_6"]

    embedded = EmbeddedWorld([scene], start, car, [MODEL]).reset(0).frames["model"].float()
    world = CarlaWorld(Place(port=port, centred=True), scene, start, car, [MODEL])
    served = world.reset(0).frames["model"].float()
    world.close()

    # blocks of pixels: the sensor's noise is another one
    blocks = [frame.reshape(32, 8, 64, 8, 3).mean((1, 3)) for frame in (embedded[0], served[0])]
    assert (blocks[0] - blocks[1]).abs().mean() < 0.5


def test_the_server_is_left_as_it_was(port: int, scene: Scene, tools: Any) -> None:
    client = tools.connect(port)
    client.load_world("Straight")
    before = client.get_world().get_settings()
    world = CarlaWorld(Place(port=port), scene, Start(speed_mps=10.0), PRESETS["openpilot_0_6"], [MODEL])
    world.reset(0)
    during = client.get_world().get_settings()
    world.close()
    world.close()

    after = client.get_world()
    assert during.synchronous_mode
    assert after.get_settings().synchronous_mode == before.synchronous_mode
    assert after.get_settings().fixed_delta_seconds == before.fixed_delta_seconds
    after.wait_for_tick(20.0)
    assert len(after.get_actors().filter("vehicle.*")) == len(after.get_actors().filter("sensor.*")) == 0


def test_a_server_that_dies_is_an_error_of_the_infrastructure(scene: Scene, tools: Any) -> None:
    with tools.serving() as (process, port, _):
        place = Place(port=port, timeout_s=20.0)
        world = CarlaWorld(place, scene, Start(speed_mps=10.0), PRESETS["openpilot_0_6"])
        seen = world.reset(0)
        process.kill()
        world._session._client.set_timeout(1.0)  # type: ignore[union-attr]
        command = Command(seen.state.steering_rad, seen.state.acceleration_mps2)
        with pytest.raises(InfrastructureError, match=r"CARLA server at 127\.0\.0\.1"):
            world.step(command)
        world.close()


def test_nobody_there_is_an_error_of_the_infrastructure(scene: Scene) -> None:
    world = CarlaWorld(Place(port=1, timeout_s=0.5), scene, Start(speed_mps=10.0), VehicleParameters())

    with pytest.raises(InfrastructureError, match="time-out"):
        world.reset(0)


def test_unknown_cars_and_roads_without_opendrive_are_refused(port: int, scene: Scene) -> None:
    bare = replace(scene, road=replace(scene.road, opendrive=None))
    with pytest.raises(InvalidInput, match="no OpenDRIVE"):
        CarlaWorld(Place(port=port), bare, Start(), VehicleParameters())
    world = CarlaWorld(Place(port=port, car="vehicle.no.such"), scene, Start(), VehicleParameters())
    with pytest.raises(InvalidInput, match=r"vehicle\.no\.such"):
        world.reset(0)


def test_a_car_of_carlas_is_calibrated_and_kept_on_the_road(port: int, scene: Scene) -> None:
    place = Place(port=port, car="vehicle.tesla.model3")
    start = Start(speed_mps=15.0)

    embedded = _drive(EmbeddedWorld([scene], start, PRESETS["iso_11270"]), 20)
    served = _drive(CarlaWorld(place, scene, start, PRESETS["iso_11270"]), 20)

    # another wheelbase and another actuator, but the same angles and accelerations
    assert _apart_m(embedded, served) < 1.0
    assert float(served[-1].state.speed_mps) == pytest.approx(float(embedded[-1].state.speed_mps), abs=0.3)
