"""Traffic lights and signs, as the unmodified client sees and sets them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

carla = pytest.importorskip("carla")

_SIGNAL = (
    '<signal s="{s}" t="-4" id="{id}" name="" dynamic="yes" orientation="+" zOffset="3" country="" type="{type}" '
    'subtype="" value="{value}"><validity fromLane="-1" toLane="-1"/></signal>'
)


@pytest.fixture(scope="module")
def signal_map(chained_map: str) -> str:
    """A limit at 20 m, lights at 60 m and 90 m of road 1 that take turns, and a stop sign on road 2."""
    first = "".join(
        _SIGNAL.format(s=s, id=name, type=kind, value=value)
        for s, name, kind, value in ((20, "1", "274", 50), (60, "7", "1000001", -1), (90, "8", "1000001", -1))
    )
    second = _SIGNAL.format(s=25, id="9", type="206", value=-1)
    one, two, _ = chained_map.split("</road>")
    controllers = "".join(
        f'<controller name="" id="{name}0" sequence="0"><control signalId="{name}" type=""/></controller>'
        for name in "78"
    )
    junction = '<junction id="5" name=""><controller id="70"/><controller id="80"/></junction>'
    return (
        f"{one}<signals>{first}</signals></road>{two}<signals>{second}</signals></road>"
        f"{controllers}{junction}</OpenDRIVE>"
    )


@pytest.fixture
def world(client: Any, signal_map: str, tools: Any) -> Iterator[Any]:
    """The world with these signals, synchronous."""
    world = client.generate_opendrive_world(signal_map)
    tools.synchronise(world)
    world.tick()
    return world


@pytest.fixture
def lights(world: Any) -> list[Any]:
    """Both lights, the first one first."""
    return [world.get_traffic_light_from_opendrive_id(name) for name in "78"]


def _car(world: Any, x: float, speed: float = 0.0) -> Any:
    place = carla.Transform(carla.Location(x, 1.5, 0.3))
    car = world.spawn_actor(world.get_blueprint_library().find("vehicle.audi.tt"), place)
    car.set_target_velocity(carla.Vector3D(speed, 0.0, 0.0))
    return car


def test_signals_are_actors_with_opendrives_ids(world: Any, lights: list[Any]) -> None:
    actors = world.get_actors()

    assert {light.get_opendrive_id() for light in actors.filter("traffic.traffic_light")} == {"7", "8"}
    assert len(actors.filter("traffic.stop")) == len(actors.filter("traffic.speed_limit.50")) == 1
    assert [landmark.id for landmark in world.get_map().get_all_landmarks_of_type("206")] == ["9"]
    landmark = world.get_map().get_all_landmarks_from_id("8")[0]
    assert world.get_traffic_light(landmark).id == lights[1].id
    waypoint = world.get_map().get_waypoint_xodr(1, -1, 40.0)
    assert lights[0].id in [light.id for light in world.get_traffic_lights_from_waypoint(waypoint, 50.0)]


def test_lights_take_turns(world: Any, lights: list[Any]) -> None:
    states = [light.get_state() for light in lights]
    lights[0].set_green_time(0.2)
    lights[0].set_yellow_time(0.1)
    lights[0].set_red_time(0.1)
    seen = []
    for _ in range(12):
        world.tick()
        seen.append([light.get_state() for light in lights])

    red, yellow, green = (getattr(carla.TrafficLightState, name) for name in ("Red", "Yellow", "Green"))
    assert states == [green, red]
    assert [yellow, red] in seen
    assert [red, red] in seen
    assert seen[-1] == [red, green]
    assert [lights[0].get_green_time(), lights[0].get_yellow_time(), lights[0].get_red_time()] == (
        pytest.approx([0.2, 0.1, 0.1])
    )


def test_a_light_shows_what_it_is_told_to_and_can_be_frozen(world: Any, lights: list[Any]) -> None:
    lights[0].set_state(carla.TrafficLightState.Off)
    lights[0].freeze(True)
    world.tick()
    elapsed = lights[1].get_elapsed_time()
    for _ in range(10):
        world.tick()
    told, frozen, later = lights[0].get_state(), lights[1].is_frozen(), lights[1].get_elapsed_time()
    world.freeze_all_traffic_lights(False)
    lights[0].reset_group()
    world.tick()

    assert told == carla.TrafficLightState.Off
    # those of a junction are frozen together
    assert frozen
    assert later == elapsed
    assert not lights[0].is_frozen()
    assert lights[0].get_state() == carla.TrafficLightState.Green


def test_all_lights_begin_again(world: Any, lights: list[Any]) -> None:
    lights[0].set_state(carla.TrafficLightState.Red)
    world.tick()
    before = lights[0].get_state()
    world.reset_all_traffic_lights()
    world.tick()

    assert before == carla.TrafficLightState.Red
    assert lights[0].get_state() == carla.TrafficLightState.Green


def test_groups_boxes_and_poles(world: Any, lights: list[Any]) -> None:
    first, second = lights

    assert {light.id for light in first.get_group_traffic_lights()} == {first.id, second.id}
    assert [light.get_pole_index() for light in lights] == [0, 1]
    (box,) = first.get_light_boxes()
    assert (box.location.x, box.location.z) == pytest.approx((60.0, 3.0), abs=0.1)
    volume = first.get_transform().transform(first.trigger_volume.location)
    assert (volume.x, volume.y) == pytest.approx((60.0, 1.5), abs=0.1)
    assert len(first.get_affected_lane_waypoints()) == 1
    assert len(first.get_stop_waypoints()) == 1


def test_light_and_limit_govern_a_car(world: Any, lights: list[Any]) -> None:
    lights[0].set_state(carla.TrafficLightState.Yellow)
    car = _car(world, 10.0, speed=20.0)
    world.tick()
    before = car.get_speed_limit()
    while car.get_location().x < 57.0:
        world.tick()

    assert before == 30.0
    assert car.get_speed_limit() == 50.0
    assert car.is_at_traffic_light()
    assert car.get_traffic_light().id == lights[0].id
    assert car.get_traffic_light_state() == carla.TrafficLightState.Yellow
