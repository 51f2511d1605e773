"""What programs of others do with a server, from beginning to end: no call of theirs is unknown to it."""

from __future__ import annotations

import math
import queue
import socket
from collections.abc import Iterator
from typing import Any

import pytest

carla = pytest.importorskip("carla")


@pytest.fixture
def server(capfd: pytest.CaptureFixture[str], tools: Any) -> Iterator[int]:
    """The port of a server of one's own; in the end it must not have met a call or arguments that it does not know."""
    with tools.serving() as (_, port, _):
        yield port
    said = capfd.readouterr().err
    assert "UNKNOWN CALL" not in said
    assert "arguments it does not take" not in said
    assert "fault in" not in said


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def _sensor(world: Any, kind: str, car: Any, **attributes: str) -> tuple[Any, Any]:
    blueprint, received = world.get_blueprint_library().find(kind), queue.Queue()  # type: ignore[var-annotated]
    for name, value in attributes.items():
        blueprint.set_attribute(name, value)
    sensor = world.spawn_actor(blueprint, carla.Transform(carla.Location(x=1.0, z=2.0)), attach_to=car)
    sensor.listen(received.put)
    return sensor, received


def test_driving_by_hand_in_a_world_that_runs_by_itself(server: int, tools: Any) -> None:
    """As manual_control without a display: five sensors, lights, weather, autopilot on and off."""
    client = tools.connect(server, 60.0)
    world = client.get_world()
    car = tools.car(world, role_name="hero")
    blocked = tools.car(world, tools.place(x=112.0))
    kinds = ("other.collision", "other.lane_invasion", "other.gnss", "other.imu", "camera.rgb")
    small = {"camera.rgb": {"image_size_x": "64", "image_size_y": "48"}}
    sensors = {kind: _sensor(world, f"sensor.{kind}", car, **small.get(kind, {})) for kind in kinds}
    world.set_weather(carla.WeatherParameters.ClearNoon)
    car.set_light_state(carla.VehicleLightState.LowBeam)
    manager = client.get_trafficmanager(_free_port())
    car.set_autopilot(True, manager.get_port())
    world.wait_for_tick(20.0)
    car.set_autopilot(False, manager.get_port())
    for _ in range(2000):
        # in every frame: the manager's last word may come late
        car.apply_control(carla.VehicleControl(throttle=1.0))
        world.wait_for_tick(60.0)
        if not sensors["other.collision"][1].empty():
            break

    hit = sensors["other.collision"][1].get(timeout=60.0)
    image, place, felt = (
        sensors[kind][1].get(timeout=60.0) for kind in ("camera.rgb", "other.gnss", "other.imu")
    )
    driven_m = car.get_location().x - tools.start[0]
    for sensor, _ in sensors.values():
        sensor.stop()
    manager.shut_down()
    destroyed = [actor.destroy() for actor in [*(sensor for sensor, _ in sensors.values()), car]]

    assert hit.other_actor.id == blocked.id
    assert (image.width, image.height) == (64, 48)
    assert math.isfinite(place.latitude)
    assert felt.accelerometer.z == pytest.approx(9.81, abs=1.0)
    assert driven_m > 5.0
    assert all(destroyed)


def test_episodes_of_an_environment(server: int, tools: Any) -> None:
    """As wrappers for Gym: everything is destroyed in a batch and spawned again, then driven and looked at."""
    client = tools.connect(server, 60.0)
    world = client.load_world("Straight")
    world.set_weather(carla.WeatherParameters.ClearNoon)
    rewards = []
    for episode in range(3):
        old = world.get_actors().filter("vehicle.*"), world.get_actors().filter("sensor.*")
        client.apply_batch([carla.command.DestroyActor(actor) for found in old for actor in found])
        if episode == 2:
            # no manager may run: the client dies of one whose world is taken away
            world = client.reload_world()
        manager = client.get_trafficmanager(_free_port())
        tools.synchronise(world)
        world.tick()
        world.reset_all_traffic_lights()
        car, other = tools.car(world), tools.car(world, tools.place(x=140.0), "vehicle.audi.tt")
        car.set_simulate_physics(True)
        other.set_autopilot(True, manager.get_port())
        kinds = {
            "sensor.lidar.ray_cast": {"points_per_second": "5000", "rotation_frequency": "20"},
            "sensor.camera.rgb": {"image_size_x": "64", "image_size_y": "48", "sensor_tick": "0.02"},
            "sensor.other.collision": {},
        }
        lidar, camera, collision = (_sensor(world, kind, car, **values) for kind, values in kinds.items())
        for _ in range(20):
            car.apply_control(carla.VehicleControl(throttle=0.6))
            frame = world.tick()
        while camera[1].get(timeout=60.0).frame < frame:
            pass
        while (cloud := lidar[1].get(timeout=60.0)).frame < frame:
            pass
        assert len(cloud) > 0
        assert collision[1].empty()
        rewards.append(tools.speed(car))
        for sensor, _ in (lidar, camera, collision):
            sensor.stop()
        manager.shut_down()

    assert rewards[0] > 1.0
    assert rewards == pytest.approx([rewards[0]] * 3)


def test_an_agent_drives_to_a_destination(server: int, chained_map: str, tools: Any) -> None:
    """As BasicAgent: a route by the map, boxes of the others in every tick, and a halt behind what stands ahead."""
    world = tools.connect(server, 60.0).generate_opendrive_world(chained_map)
    tools.synchronise(world)
    roads = world.get_map()
    route = [roads.get_waypoint_xodr(1, -1, 5.0)]
    while following := route[-1].next(2.0):
        route.append(following[0])
    place = route[0].transform
    place.location.z += 0.3
    car = tools.car(world, place)
    parked = tools.car(world, carla.Transform(carla.Location(60.0, 1.5, 0.3)), "vehicle.audi.tt")
    world.tick()
    halted, stood = False, 0
    for _ in range(1500):
        where = car.get_transform()
        ahead = [p for p in route if _ahead_m(where, p.transform.location) > 4.0]
        if not ahead:
            break
        gap = _gap_m(car, [found for found in world.get_actors().filter("vehicle.*") if found.id != car.id])
        target = ahead[0].transform.location - where.location
        yaw = math.radians(where.rotation.yaw)
        steer = math.remainder(math.atan2(target.y, target.x) - yaw, math.tau)
        pace = 0.0 if gap < 6.0 else min(car.get_speed_limit() / 3.6, 7.0)
        faster = tools.speed(car) < pace
        car.apply_control(carla.VehicleControl(float(faster) * 0.6, steer, 0.0 if faster else 0.4))
        world.tick()
        stood = stood + 1 if gap < 6.0 and tools.speed(car) < 0.01 else 0
        if stood == 20 and not halted:
            halted = parked.destroy()

    end = route[-1].transform.location
    assert halted
    assert car.get_location().distance(end) < 6.0
    assert car.get_location().x > 140.0


def _ahead_m(where: Any, place: Any) -> float:
    forward, way = where.get_forward_vector(), place - where.location
    return float(forward.x * way.x + forward.y * way.y)


def _gap_m(car: Any, others: list[Any]) -> float:
    """From bumper to bumper, to the nearest that is ahead."""
    where, own_m = car.get_transform(), car.bounding_box.extent.x
    ways = ((_ahead_m(where, other.get_location()), other.bounding_box.extent.x) for other in others)
    return min((way - own_m - half for way, half in ways if way > 0), default=math.inf)


def test_a_scenario_is_run_and_another_client_drives(server: int, tools: Any) -> None:
    """As scenario runners: a recorder, friction, weather, a walker that crosses, and a collision that is judged."""
    runner, driver = tools.connect(server, 60.0), tools.connect(server, 60.0)
    world = runner.load_world("Straight")
    tools.synchronise(world)
    recorded = runner.start_recorder("scenario.log", True)
    world.set_weather(carla.WeatherParameters(sun_altitude_angle=40.0))
    friction = world.get_blueprint_library().find("static.trigger.friction")
    friction.set_attribute("friction", "0.5")
    world.spawn_actor(friction, tools.place(x=110.0))
    ego = tools.car(world, role_name="hero")
    walker = world.spawn_actor(
        world.get_blueprint_library().find("walker.pedestrian.0002"), tools.place(x=125.0, y=4.75, z=1.0)
    )
    world.tick()
    collision, lane = (_sensor(world, f"sensor.other.{kind}", ego) for kind in ("collision", "lane_invasion"))
    seen = driver.get_world().get_actor(ego.id)
    walker.apply_control(carla.WalkerControl(carla.Vector3D(0.0, -1.0, 0.0), 0.9, False))
    for _ in range(80):
        seen.apply_control(carla.VehicleControl(throttle=0.8))
        world.tick()
    event = collision[1].get(timeout=60.0)
    weather, length_m = driver.get_world().get_weather(), 2.0 * ego.bounding_box.extent.x
    for sensor, _ in (collision, lane):
        sensor.stop()
        sensor.destroy()
    runner.stop_recorder()
    answers = runner.apply_batch_sync([carla.command.DestroyActor(actor) for actor in (ego, walker)], True)

    assert "does not record" in recorded
    assert seen.attributes["role_name"] == "hero"
    assert event.other_actor.type_id == "walker.pedestrian.0002"
    assert list(event.other_actor.semantic_tags) == [12]
    assert lane[1].empty()
    assert weather.sun_altitude_angle == 40.0
    assert length_m == pytest.approx(2 * 2.396)
    assert [answer.error for answer in answers] == ["", ""]
