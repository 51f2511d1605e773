"""The client's Traffic Manager drives cars through Town01: in their lanes, and alike twice over."""

from __future__ import annotations

import math
import socket
from dataclasses import dataclass, field
from typing import Any

import pytest

carla = pytest.importorskip("carla")

KINDS = ("vehicle.tesla.model3", "vehicle.audi.tt", "vehicle.lincoln.mkz_2020")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


@dataclass
class _Drive:
    """What was seen once a second.

    Attributes:
        places: x and y of every car.
        offsets_m: of cars between junctions, from the middle of the nearest lane.
        beside: how often a car was on no lane at all, junctions included.
        left: how many cars there are in the end.
    """

    places: list[tuple[float, float]] = field(default_factory=list)
    offsets_m: list[float] = field(default_factory=list)
    beside: int = 0
    left: int = 0

    def look(self, roads: Any, cars: list[Any]) -> None:
        for car in cars:
            place = car.get_location()
            self.places.append((place.x, place.y))
            waypoint = roads.get_waypoint(place)
            self.beside += roads.get_waypoint(place, project_to_road=False) is None
            if not waypoint.is_junction:
                centre = waypoint.transform
                yaw = math.radians(centre.rotation.yaw)
                dx, dy = place.x - centre.location.x, place.y - centre.location.y
                self.offsets_m.append(abs(dy * math.cos(yaw) - dx * math.sin(yaw)))


def _drive(port: int, count: int, seconds: int, tools: Any) -> _Drive:
    client = tools.connect(port, 120.0)
    client.load_world("Town01")
    world = client.get_world()
    tools.synchronise(world)
    roads = world.get_map()
    manager = client.get_trafficmanager(_free_port())
    manager.set_synchronous_mode(True)
    manager.set_random_device_seed(7)
    points, library = roads.get_spawn_points(), world.get_blueprint_library()
    cars = []
    for index in range(count):
        blueprint = library.find(KINDS[index % len(KINDS)])
        blueprint.set_attribute("role_name", "autopilot")
        cars.append(world.spawn_actor(blueprint, points[index * (len(points) // count)]))
    for car in cars:
        car.set_autopilot(True, manager.get_port())
    drive = _Drive()
    for _ in range(seconds):
        for _ in range(20):
            world.tick()
        drive.look(roads, cars)
    drive.left = len(world.get_actors().filter("vehicle.*"))
    manager.set_synchronous_mode(False)
    manager.shut_down()
    return drive


def test_a_managers_cars_drive_in_their_lane(client: Any, world: Any) -> None:
    manager = client.get_trafficmanager(_free_port())
    manager.set_synchronous_mode(True)
    manager.set_random_device_seed(3)
    library = world.get_blueprint_library()
    places = [carla.Transform(carla.Location(x, 1.75, 0.3)) for x in (100.0, 130.0, 160.0)]
    spawn = [carla.command.SpawnActor(library.find(kind), p) for kind, p in zip(KINDS, places, strict=True)]
    drive = carla.command.SetAutopilot(carla.command.FutureActor, True, manager.get_port())
    answers = client.apply_batch_sync([command.then(drive) for command in spawn], True)
    for _ in range(60):
        world.tick()
    cars = [world.get_actor(answer.actor_id) for answer in answers]
    driven = [car.get_location().x - place.location.x for car, place in zip(cars, places, strict=True)]
    beside = [abs(car.get_location().y - 1.75) for car in cars]
    manager.set_synchronous_mode(False)
    manager.shut_down()

    assert min(driven) > 3.0
    assert max(beside) < 0.1


@pytest.mark.slow
def test_thirty_cars_keep_to_their_lanes_for_a_minute(town_port: int, tools: Any) -> None:
    first, second = (_drive(town_port, 30, 60, tools) for _ in range(2))

    moved_m = sum(math.dist(a, b) for a, b in zip(first.places[:-30], first.places[30:], strict=True)) / 30
    mean_m = sum(first.offsets_m) / len(first.offsets_m)
    print(
        f"lane offset: mean {mean_m:.3f} m, most {max(first.offsets_m):.3f} m; driven: {moved_m:.0f} m a car"
    )
    assert first.left == 30
    assert mean_m <= 0.3
    # half a lane: beyond, a wheel would be in the grass
    assert max(first.offsets_m) <= 2.0
    assert first.beside == 0
    assert moved_m > 50.0
    assert first.places == second.places
