"""What the unmodified client asks of the server, and that it gets what it asked for."""

from __future__ import annotations

import math
import queue
from typing import Any

import pytest

carla = pytest.importorskip("carla")

START = (100.0, 1.75, 0.3)


def _place(x: float = START[0], y: float = START[1], yaw: float = 0.0, z: float = START[2]) -> Any:
    return carla.Transform(carla.Location(x, y, z), carla.Rotation(0.0, yaw, 0.0))


def _car(world: Any, place: Any = None, kind: str = "vehicle.tesla.model3", **attributes: str) -> Any:
    blueprint = world.get_blueprint_library().find(kind)
    for name, value in attributes.items():
        blueprint.set_attribute(name, value)
    return world.spawn_actor(blueprint, place or _place())


def _ticks(world: Any, count: int) -> int:
    return [world.tick() for _ in range(count)][-1]


def _speed(actor: Any) -> float:
    velocity = actor.get_velocity()
    return math.hypot(velocity.x, velocity.y)


# server, maps, settings


def test_version_and_maps(client: Any, world: Any) -> None:
    assert client.get_server_version() == client.get_client_version() == "0.9.16"
    assert client.get_available_maps() == ["/Game/Carla/Maps/Straight"]
    assert world.get_map().name == "Carla/Maps/Straight"
    points = world.get_map().get_spawn_points()
    assert len(points) > 50
    assert all(abs(abs(point.location.y) - 1.75) < 1e-3 for point in points)


def test_an_unknown_map_is_refused(client: Any) -> None:
    with pytest.raises(RuntimeError, match="not found"):
        client.load_world("Town99")


def test_settings_are_kept_and_steps_have_the_length_asked_for(world: Any) -> None:
    settings = world.get_settings()
    settings.fixed_delta_seconds, settings.substepping, settings.max_substeps = 0.02, False, 7
    world.apply_settings(settings)

    back = world.get_settings()
    before = world.get_snapshot()
    frame = world.tick()
    after = world.get_snapshot()

    assert (back.synchronous_mode, back.substepping, back.max_substeps) == (True, False, 7)
    assert back.fixed_delta_seconds == pytest.approx(0.02)
    assert after.frame == frame == before.frame + 1
    assert after.timestamp.delta_seconds == pytest.approx(0.02)
    assert after.timestamp.elapsed_seconds - before.timestamp.elapsed_seconds == pytest.approx(0.02)


def test_an_asynchronous_world_ticks_by_itself(client: Any, world: Any) -> None:
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = False, None
    world.apply_settings(settings)

    first = world.wait_for_tick(20.0)
    second = world.wait_for_tick(20.0)

    assert second.frame > first.frame
    assert second.timestamp.delta_seconds > 0


def test_loading_destroys_actors_and_begins_another_episode(client: Any, world: Any) -> None:
    _car(world)
    world.tick()
    before = world.id

    client.load_world("Straight")
    after = client.get_world()

    assert after.id != before
    assert len(after.get_actors().filter("vehicle.*")) == 0
    assert not after.get_settings().synchronous_mode


def test_a_map_that_is_sent_becomes_the_world(client: Any, world: Any, chained_map: str) -> None:
    sent = client.generate_opendrive_world(chained_map)
    road = sent.get_map().get_waypoint_xodr(2, -1, 10.0)

    assert sent.get_map().name == "Carla/Maps/OpenDriveMap"
    assert road.lane_width == pytest.approx(3.0)
    with pytest.raises(RuntimeError, match="cannot be used"):
        client.generate_opendrive_world("<OpenDRIVE></OpenDRIVE>")


def test_weather_comes_back(world: Any) -> None:
    world.set_weather(carla.WeatherParameters.HardRainSunset)

    found = world.get_weather()

    assert found.precipitation == carla.WeatherParameters.HardRainSunset.precipitation
    assert found.sun_altitude_angle == carla.WeatherParameters.HardRainSunset.sun_altitude_angle


def test_the_spectator_goes_where_it_is_put(world: Any) -> None:
    spectator = world.get_spectator()
    spectator.set_transform(carla.Transform(carla.Location(5, 6, 7), carla.Rotation(-30, 40, 0)))
    world.tick()

    found = spectator.get_transform()

    assert (found.location.x, found.location.y, found.location.z) == (5, 6, 7)
    assert found.rotation.pitch == pytest.approx(-30)


def test_drawing_is_accepted(world: Any) -> None:
    debug, place = world.debug, carla.Location(1, 2, 3)
    debug.draw_point(place)
    debug.draw_line(place, place + carla.Location(x=1))
    debug.draw_arrow(place, place + carla.Location(x=1))
    debug.draw_box(carla.BoundingBox(place, carla.Vector3D(1, 1, 1)), carla.Rotation())
    debug.draw_string(place, "text")

    assert world.tick() > 0


def test_rays_find_the_ground_and_cars(world: Any) -> None:
    _car(world, _place(z=0.0))
    world.tick()

    ground = world.ground_projection(carla.Location(50, 1.75, 5), 10.0)
    ahead = world.project_point(carla.Location(80, 1.75, 0.5), carla.Vector3D(1, 0, 0), 50.0)
    crossed = world.cast_ray(carla.Location(80, 1.75, 2.5), carla.Location(110, 1.75, -1.0))

    assert ground.label == carla.CityObjectLabel.Roads
    assert ground.location.z == pytest.approx(0.0, abs=1e-5)
    assert ahead.label == carla.CityObjectLabel.Car
    assert ahead.location.x == pytest.approx(100 - 2.396, abs=1e-3)
    assert carla.CityObjectLabel.Car in [point.label for point in crossed]


def test_level_boxes_have_the_labels_asked_for(world: Any) -> None:
    car = _car(world)
    world.tick()

    boxes = world.get_level_bbs(carla.CityObjectLabel.Car)

    assert len(boxes) == 1
    assert boxes[0].location.distance(car.get_transform().location) < 1.0
    assert world.get_level_bbs(carla.CityObjectLabel.Buildings) == []


# blueprints and actors


def test_blueprints_are_found_by_pattern_and_attribute(world: Any) -> None:
    library = world.get_blueprint_library()

    cars = library.filter("vehicle.*")
    four = [one for one in cars if int(one.get_attribute("number_of_wheels")) == 4]

    assert len(cars) > 40
    assert 20 < len(four) < len(cars)
    assert library.find("sensor.camera.rgb").get_attribute("fov").as_float() == 90.0
    assert len(library.filter("walker.pedestrian.*")) == 52
    with pytest.raises(IndexError):
        library.find("vehicle.no.such")


def test_spawning_finding_and_destroying(world: Any) -> None:
    car = _car(world, role_name="hero", color="255,0,0")
    world.tick()

    found = world.get_actor(car.id)
    listed = world.get_actors().filter("vehicle.tesla.*")

    assert found.attributes["role_name"] == "hero"
    assert found.attributes["color"] == "255,0,0"
    assert [actor.id for actor in listed] == [car.id]
    assert found.bounding_box.extent.x == pytest.approx(2.396)
    assert list(found.semantic_tags) == [14]
    assert car.destroy()
    world.tick()
    assert world.get_actors().find(car.id) is None


def test_nothing_spawns_where_something_stands(world: Any) -> None:
    _car(world)

    with pytest.raises(RuntimeError, match="Spawn failed because of collision at spawn position"):
        _car(world)
    assert world.try_spawn_actor(world.get_blueprint_library().find("vehicle.audi.tt"), _place()) is None
    assert _car(world, _place(x=110.0)) is not None


def test_a_car_settles_on_the_road_and_does_not_fall_through(world: Any) -> None:
    car = _car(world, _place(z=2.0))
    _ticks(world, 20)

    assert car.get_location().z == pytest.approx(0.0, abs=1e-4)


def test_what_is_attached_rides_along_and_goes_with_its_parent(world: Any) -> None:
    car = _car(world, _place(yaw=90.0))
    blueprint = world.get_blueprint_library().find("sensor.other.imu")
    imu = world.spawn_actor(blueprint, carla.Transform(carla.Location(x=1, y=0.5, z=2)), attach_to=car)
    world.tick()

    place = imu.get_transform()

    assert imu.parent.id == car.id
    assert place.location.x == pytest.approx(START[0] - 0.5, abs=1e-4)
    assert place.location.y == pytest.approx(START[1] + 1.0, abs=1e-4)
    assert place.rotation.yaw == pytest.approx(90.0)
    car.destroy()
    world.tick()
    assert world.get_actors().find(imu.id) is None


def test_transforms_and_locations_are_set(world: Any) -> None:
    car = _car(world)
    car.set_transform(_place(x=150.0, yaw=10.0))
    world.tick()
    turned = car.get_transform()
    car.set_location(carla.Location(160.0, -1.75, 0.0))
    world.tick()

    assert turned.location.x == pytest.approx(150.0)
    assert turned.rotation.yaw == pytest.approx(10.0, abs=1e-4)
    assert car.get_location().y == pytest.approx(-1.75, abs=1e-4)
    assert car.get_transform().rotation.yaw == pytest.approx(10.0, abs=1e-4)


def test_an_actor_that_is_gone_cannot_be_destroyed_again(client: Any, world: Any) -> None:
    car = _car(world)
    number = car.id
    car.destroy()

    (answer,) = client.apply_batch_sync([carla.command.DestroyActor(number)], False)

    assert answer.has_error()
    assert "unable to destroy actor: not found" in answer.error


# vehicles


def test_throttle_and_brake(world: Any) -> None:
    car = _car(world)
    car.apply_control(carla.VehicleControl(throttle=1.0))
    _ticks(world, 40)
    fast, shown, acceleration = _speed(car), car.get_control(), car.get_acceleration()
    car.apply_control(carla.VehicleControl(brake=1.0))
    _ticks(world, 40)

    # 4.5 m/s^2 for two seconds, less the lag of 0.2 s
    assert fast == pytest.approx(4.5 * (2.0 - 0.2), rel=0.02)
    assert shown.throttle == 1.0
    assert acceleration.x == pytest.approx(4.5, rel=0.02)
    assert _speed(car) == 0.0


def test_steering_right_turns_right_and_in_a_circle(world: Any) -> None:
    car = _car(world)
    car.set_target_velocity(carla.Vector3D(5.0, 0.0, 0.0))
    car.apply_control(carla.VehicleControl(steer=0.2))
    _ticks(world, 20)
    first = car.get_angular_velocity().z
    _ticks(world, 20)

    # to the right is clockwise, which is positive
    assert first > 5.0
    assert car.get_angular_velocity().z == pytest.approx(first, rel=1e-3)
    assert car.get_location().y > START[1] + 1.0
    assert car.get_wheel_steer_angle(carla.VehicleWheelLocation.FL_Wheel) == pytest.approx(
        0.2 * 70 * 0.91, rel=0.05
    )


def test_reverse_drives_backwards(world: Any) -> None:
    car = _car(world)
    car.apply_control(carla.VehicleControl(throttle=0.5, reverse=True))
    _ticks(world, 30)

    assert car.get_velocity().x < -1.0
    assert car.get_location().x < START[0]
    assert car.get_control().gear == -1


def test_the_hand_brake_holds(world: Any) -> None:
    car = _car(world)
    car.apply_control(carla.VehicleControl(throttle=1.0, hand_brake=True))
    _ticks(world, 20)

    assert car.get_location().x == pytest.approx(START[0])


def test_ackermann_control_reaches_speed_and_angle(world: Any) -> None:
    car = _car(world)
    car.apply_ackermann_control(carla.VehicleAckermannControl(steer=0.05, speed=6.0, acceleration=3.0))
    _ticks(world, 100)

    assert _speed(car) == pytest.approx(6.0, abs=0.2)
    angle = car.get_wheel_steer_angle(carla.VehicleWheelLocation.FR_Wheel)
    assert math.radians(angle) == pytest.approx(0.05, abs=1e-3)
    settings = car.get_ackermann_controller_settings()
    settings.speed_kp = 0.5
    car.apply_ackermann_controller_settings(settings)
    assert car.get_ackermann_controller_settings().speed_kp == pytest.approx(0.5)


def test_constant_velocity_is_held_until_released(world: Any) -> None:
    car = _car(world)
    car.enable_constant_velocity(carla.Vector3D(8.0, 0.0, 0.0))
    car.apply_control(carla.VehicleControl(brake=1.0))
    _ticks(world, 20)
    held = _speed(car)
    car.disable_constant_velocity()
    _ticks(world, 40)

    assert held == pytest.approx(8.0)
    assert car.get_location().x > START[0] + 7.9
    assert _speed(car) == 0.0


def test_target_velocity_impulse_and_force(world: Any) -> None:
    car = _car(world)
    mass = car.get_physics_control().mass
    car.set_target_velocity(carla.Vector3D(10.0, 0.0, 0.0))
    world.tick()
    first = _speed(car)
    car.add_impulse(carla.Vector3D(2.0 * mass, 0.0, 0.0))
    world.tick()
    second = _speed(car)
    car.add_force(carla.Vector3D(20.0 * mass, 0.0, 0.0))
    world.tick()

    assert (first, second, _speed(car)) == pytest.approx((10.0, 12.0, 13.0), abs=1e-3)


def test_angular_velocity_turns_a_car(world: Any) -> None:
    car = _car(world)
    car.set_target_angular_velocity(carla.Vector3D(0.0, 0.0, 40.0))
    world.tick()

    assert car.get_transform().rotation.yaw == pytest.approx(2.0, abs=1e-3)


def test_without_physics_a_car_stays(world: Any) -> None:
    car = _car(world, _place(z=3.0))
    car.set_simulate_physics(False)
    car.apply_control(carla.VehicleControl(throttle=1.0))
    _ticks(world, 10)
    stood = car.get_location()
    car.set_simulate_physics(True)
    _ticks(world, 20)

    assert (stood.x, stood.z) == pytest.approx((START[0], 3.0))
    assert car.get_location().x > START[0] + 1.0


def test_without_collisions_cars_pass_through_each_other(world: Any) -> None:
    one, other = _car(world), _car(world, _place(x=110.0))
    one.set_collisions(False)
    one.set_target_velocity(carla.Vector3D(20.0, 0.0, 0.0))
    _ticks(world, 20)

    assert one.get_location().x == pytest.approx(120.0, abs=0.1)
    assert other.get_location().x == pytest.approx(110.0)


def test_physics_control_is_changed(world: Any) -> None:
    car = _car(world)
    control = car.get_physics_control()
    control.mass = 2500.0
    control.steering_curve = [carla.Vector2D(0, 1), carla.Vector2D(50, 0.5)]
    car.apply_physics_control(control)

    back = car.get_physics_control()

    assert back.mass == 2500.0
    assert [(point.x, point.y) for point in back.steering_curve] == [(0, 1), (50, 0.5)]
    assert len(back.wheels) == 4
    assert back.wheels[0].max_steer_angle == 70.0


def test_lights_doors_and_telemetry(world: Any) -> None:
    car = _car(world)
    state = carla.VehicleLightState(carla.VehicleLightState.Brake | carla.VehicleLightState.LowBeam)
    car.set_light_state(state)
    car.open_door(carla.VehicleDoor.FL)
    car.close_door(carla.VehicleDoor.All)
    car.set_target_velocity(carla.Vector3D(7.0, 0.0, 0.0))
    world.tick()

    assert car.get_light_state() == state
    assert world.get_vehicles_light_states()[car.id] == state
    assert car.get_telemetry_data().speed == pytest.approx(7.0)


def test_speed_limit_and_traffic_light_come_with_the_snapshot(world: Any) -> None:
    car = _car(world)
    world.tick()

    assert car.get_speed_limit() == 30.0
    assert not car.is_at_traffic_light()
    assert car.get_traffic_light() is None


def test_a_push_moves_both(world: Any) -> None:
    behind, ahead = _car(world), _car(world, _place(x=108.0))
    behind.set_target_velocity(carla.Vector3D(10.0, 0.0, 0.0))
    _ticks(world, 40)

    assert ahead.get_location().x > 110.0
    assert _speed(ahead) == pytest.approx(5.0, rel=0.1)
    assert ahead.get_location().x - behind.get_location().x >= 2 * 2.396 - 1e-3


def test_props_stand_in_the_way(world: Any) -> None:
    library = world.get_blueprint_library()
    world.spawn_actor(library.find("static.prop.container"), _place(x=120.0, z=0.0))
    car = _car(world)
    car.set_target_velocity(carla.Vector3D(10.0, 0.0, 0.0))
    _ticks(world, 60)

    assert car.get_location().x <= 120.0 - 3.0 - 2.396 + 1e-3
    assert _speed(car) < 0.1


# walkers


def test_walkers_walk_and_turn(world: Any) -> None:
    blueprint = world.get_blueprint_library().find("walker.pedestrian.0005")
    walker = world.spawn_actor(blueprint, _place(y=5.0, z=1.0))
    walker.apply_control(carla.WalkerControl(direction=carla.Vector3D(0, 1, 0), speed=1.5, jump=False))
    _ticks(world, 40)

    assert walker.get_location().y == pytest.approx(5.0 + 3.0, abs=1e-3)
    assert walker.get_location().z == pytest.approx(0.93, abs=1e-3)
    assert walker.get_transform().rotation.yaw == pytest.approx(90.0, abs=0.1)
    assert walker.get_control().speed == pytest.approx(1.5)
    assert walker.get_velocity().y == pytest.approx(1.5)


def test_ai_walkers_can_be_asked_for_but_find_no_way(world: Any) -> None:
    library = world.get_blueprint_library()
    walker = world.spawn_actor(library.find("walker.pedestrian.0001"), _place(y=6.0, z=1.0))
    controller = world.spawn_actor(library.find("controller.ai.walker"), carla.Transform(), attach_to=walker)
    world.tick()

    assert world.get_random_location_from_navigation() is None
    assert controller.parent.id == walker.id


# batches


def test_a_batch_answers_one_by_one(client: Any, world: Any) -> None:
    blueprint = world.get_blueprint_library().find("vehicle.audi.tt")
    spawn = [carla.command.SpawnActor(blueprint, _place(x=x)) for x in (100.0, 101.0, 120.0)]
    moving = carla.command.ApplyTargetVelocity(carla.command.FutureActor, carla.Vector3D(5.0, 0.0, 0.0))
    spawn[2] = spawn[2].then(moving)

    answers = client.apply_batch_sync(spawn, True)

    assert [bool(answer.has_error()) for answer in answers] == [False, True, False]
    assert "collision" in answers[1].error
    third = world.get_actor(answers[2].actor_id)
    assert _speed(third) == pytest.approx(5.0)


def test_every_command_of_a_batch(client: Any, world: Any) -> None:
    car = _car(world)
    walker = world.spawn_actor(
        world.get_blueprint_library().find("walker.pedestrian.0003"), _place(y=6.0, z=1.0)
    )
    command, vector = carla.command, carla.Vector3D(1.0, 0.0, 0.0)
    batch = [
        command.ApplyVehicleControl(car, carla.VehicleControl(throttle=0.3)),
        command.ApplyVehicleAckermannControl(car, carla.VehicleAckermannControl(speed=1.0)),
        command.ApplyWalkerControl(walker, carla.WalkerControl(vector, 1.0, False)),
        command.ApplyVehiclePhysicsControl(car, car.get_physics_control()),
        command.ApplyTransform(car, _place(x=130.0)),
        command.ApplyWalkerState(walker, _place(x=130.0, y=7.0, z=1.0), 1.0),
        command.ApplyTargetVelocity(car, vector),
        command.ApplyTargetAngularVelocity(car, vector),
        command.ApplyImpulse(car, vector),
        command.ApplyForce(car, vector),
        command.ApplyAngularImpulse(car, vector),
        command.ApplyTorque(car, vector),
        command.SetSimulatePhysics(car, True),
        command.SetEnableGravity(car, True),
        command.SetVehicleLightState(car, carla.VehicleLightState.Position),
        command.DestroyActor(walker),
    ]

    answers = client.apply_batch_sync(batch, True)

    assert [answer.error for answer in answers] == [""] * len(batch)
    assert car.get_light_state() == carla.VehicleLightState.Position
    assert car.get_location().x == pytest.approx(130.0, abs=0.2)
    assert world.get_actors().find(walker.id) is None


def test_a_batch_without_waiting_is_carried_out(client: Any, world: Any) -> None:
    car = _car(world)
    client.apply_batch([carla.command.ApplyTransform(car, _place(x=140.0))])
    world.tick()

    assert car.get_location().x == pytest.approx(140.0)


# what there is not


def test_recording_is_refused_in_words(client: Any) -> None:
    with pytest.raises(RuntimeError, match="does not record"):
        client.start_recorder("file.log")


def test_a_sensor_that_is_not_simulated_is_no_blueprint(world: Any) -> None:
    with pytest.raises(IndexError):
        world.get_blueprint_library().find("sensor.camera.dvs")


def test_snapshots_list_actors_and_call_back(world: Any) -> None:
    car, seen = _car(world), queue.Queue()  # type: ignore[var-annotated]
    number = world.on_tick(seen.put)
    frame = world.tick()

    snapshot = seen.get(timeout=20.0)
    world.remove_on_tick(number)

    assert snapshot.frame == frame
    assert snapshot.has_actor(car.id)
    assert world.get_snapshot().find(car.id).get_transform().location.x == pytest.approx(START[0])
