"""The client's Traffic Manager drives cars through Town01: in their lanes, and alike twice over."""

from __future__ import annotations

import math
import socket
from typing import Any

import pytest

carla = pytest.importorskip("carla")

KINDS = ("vehicle.tesla.model3", "vehicle.audi.tt", "vehicle.lincoln.mkz_2020")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def _drive(port: int, count: int, seconds: float, tools: Any) -> tuple[list[list[float]], list[float], int]:
    """Positions once a second, lane offsets outside of junctions, and how many cars are left."""
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
    trace, offsets = [], []
    for step in range(round(seconds * 20)):
        world.tick()
        if step % 20 == 19:
            for car in cars:
                place = car.get_location()
                trace.append([place.x, place.y])
                waypoint = roads.get_waypoint(place)
                if not waypoint.is_junction:
                    centre = waypoint.transform
                    yaw = math.radians(centre.rotation.yaw)
                    dx, dy = place.x - centre.location.x, place.y - centre.location.y
                    offsets.append(abs(dy * math.cos(yaw) - dx * math.sin(yaw)))
    left = len(world.get_actors().filter("vehicle.*"))
    manager.set_synchronous_mode(False)
    manager.shut_down()
    return trace, offsets, left


@pytest.mark.slow
def test_thirty_cars_keep_to_their_lanes_for_a_minute(town_port: int, tools: Any) -> None:
    first, offsets, left = _drive(town_port, 30, 60.0, tools)
    second, _, _ = _drive(town_port, 30, 60.0, tools)

    moved = sum(math.dist(a, b) for a, b in zip(first[:-30], first[30:], strict=True))
    assert left == 30
    assert sum(offsets) / len(offsets) <= 0.3
    # half a lane: beyond, a wheel would be in the grass
    assert max(offsets) <= 2.0
    assert moved / 30 > 50.0
    assert first == second
