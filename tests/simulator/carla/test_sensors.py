"""Every sensor, as the unmodified client receives it."""

from __future__ import annotations

import math
import queue
from typing import Any

import numpy as np
import pytest

carla = pytest.importorskip("carla")

SMALL = {"image_size_x": "64", "image_size_y": "48", "fov": "90"}


def _pose(x: float, y: float = 1.75, z: float = 0.0, yaw: float = 0.0, pitch: float = 0.0) -> Any:
    return carla.Transform(carla.Location(x, y, z), carla.Rotation(pitch, yaw, 0.0))


def _car(world: Any, x: float = 100.0, kind: str = "vehicle.tesla.model3", speed: float = 0.0) -> Any:
    car = world.spawn_actor(world.get_blueprint_library().find(kind), _pose(x, z=0.1))
    car.set_target_velocity(carla.Vector3D(speed, 0.0, 0.0))
    return car


class _Sensor:
    """A sensor on a car, and what it sends."""

    def __init__(self, world: Any, kind: str, car: Any, place: Any = None, **attributes: str) -> None:
        blueprint = world.get_blueprint_library().find(kind)
        for name, value in attributes.items():
            blueprint.set_attribute(name, value)
        self.world, self.queue = world, queue.Queue()  # type: ignore[var-annotated]
        self.actor = world.spawn_actor(blueprint, place or _pose(0.0, 0.0, 1.5), attach_to=car)
        self.actor.listen(self.queue.put)

    def after_tick(self) -> Any:
        frame = self.world.tick()
        message = self.queue.get(timeout=60.0)
        assert message.frame == frame
        return message

    def nothing(self) -> bool:
        """Whether nothing came, by when something that was sent later is there."""
        self.world.tick()
        return self.queue.empty()


def _bgra(image: Any) -> np.ndarray:  # type: ignore[type-arg]
    return np.frombuffer(image.raw_data, np.uint8).reshape(image.height, image.width, 4)


def test_a_colour_camera_sees_road_and_sky_and_cars(world: Any) -> None:
    car = _car(world)
    camera = _Sensor(world, "sensor.camera.rgb", car, **SMALL)

    empty = _bgra(camera.after_tick()).astype(int)
    _car(world, 112.0)
    occupied = _bgra(camera.after_tick()).astype(int)

    assert empty.shape == (48, 64, 4)
    assert (empty[..., 3] == 255).all()
    # blue above, grey below
    sky, road = empty[:12, :, :3].mean((0, 1)), empty[40:, 28:36, :3].mean((0, 1))
    assert sky[0] > sky[2] + 20
    assert abs(road[0] - road[2]) < 20
    assert np.abs(occupied - empty)[20:32, 24:40].mean() > 5


def test_depth_is_along_the_axis(world: Any) -> None:
    car = _car(world)
    camera = _Sensor(world, "sensor.camera.depth", car, **SMALL)
    _car(world, 120.0)

    image = camera.after_tick()
    code = _bgra(image).astype(float)
    depth = 1000 * (code[..., 2] + 256 * code[..., 1] + 65536 * code[..., 0]) / (2**24 - 1)

    # the row whose middle lies 20.5 px below the axis at a focal length of 32 px meets the road at 1.5 m * 32 / 20.5
    assert depth[44, 2] == pytest.approx(1.5 * 32 / 20.5, rel=1e-3)
    assert depth[25, 32] == pytest.approx(20.0 - 2.396, rel=1e-3)
    assert depth[5, 5] == pytest.approx(1000.0)
    image.convert(carla.ColorConverter.LogarithmicDepth)


def test_labels_are_carlas(world: Any) -> None:
    car = _car(world)
    camera = _Sensor(world, "sensor.camera.semantic_segmentation", car, **SMALL)
    other = _car(world, 115.0)

    tags = _bgra(camera.after_tick())[..., 2]

    assert tags[5, 32] == 11
    assert tags[25, 32] == 14
    assert tags[46, 32] == 1
    assert {1, 10, 11, 14} <= set(np.unique(tags).tolist())
    assert other.is_alive


def test_instances_carry_ids(world: Any) -> None:
    car = _car(world)
    camera = _Sensor(world, "sensor.camera.instance_segmentation", car, **SMALL)
    other = _car(world, 115.0)

    pixels = _bgra(camera.after_tick())

    assert pixels[25, 32, 2] == 14
    assert int(pixels[25, 32, 1]) + 256 * int(pixels[25, 32, 0]) == other.id


def test_a_collision_names_the_other_and_the_impulse(world: Any) -> None:
    car = _car(world, speed=10.0)
    sensor = _Sensor(world, "sensor.other.collision", car)
    other = _car(world, 106.0)
    calm = sensor.nothing()
    for _ in range(5):
        world.tick()

    event = sensor.queue.get(timeout=60.0)

    assert calm
    assert (event.actor.id, event.other_actor.id) == (car.id, other.id)
    assert event.normal_impulse.x < -1000.0


def test_an_obstacle_ahead_is_reported_with_its_distance(world: Any) -> None:
    car = _car(world)
    sensor = _Sensor(world, "sensor.other.obstacle", car, _pose(0.0, 0.0, 0.7), distance="30")
    far = sensor.nothing()
    other = _car(world, 120.0)

    event = sensor.after_tick()

    assert far
    assert event.other_actor.id == other.id
    assert event.distance == pytest.approx(20.0 - 2.396, abs=0.01)


def test_lane_invasion_is_found_by_the_client(world: Any) -> None:
    car = _car(world, speed=10.0)
    sensor = _Sensor(world, "sensor.other.lane_invasion", car)
    car.apply_control(carla.VehicleControl(steer=-0.08))
    for _ in range(40):
        world.tick()

    event = sensor.queue.get(timeout=60.0)

    assert event.crossed_lane_markings[0].type == carla.LaneMarkingType.Broken


def test_gnss_agrees_with_the_clients_map(world: Any) -> None:
    car = _car(world, speed=5.0)
    sensor = _Sensor(world, "sensor.other.gnss", car)

    fix = sensor.after_tick()
    expected = world.get_map().transform_to_geolocation(sensor.actor.get_location())

    assert fix.latitude == pytest.approx(expected.latitude, abs=1e-9)
    assert fix.longitude == pytest.approx(expected.longitude, abs=1e-9)
    assert fix.altitude == pytest.approx(1.5, abs=1e-3)


def test_an_imu_feels_gravity_turns_and_north(world: Any) -> None:
    car = _car(world)
    sensor = _Sensor(world, "sensor.other.imu", car)
    still = sensor.after_tick()
    car.set_target_velocity(carla.Vector3D(8.0, 0.0, 0.0))
    car.apply_control(carla.VehicleControl(steer=0.1))
    for _ in range(10):
        sensor.after_tick()
    turning = sensor.after_tick()
    rate, speed = math.radians(car.get_angular_velocity().z), 8.0

    assert (still.accelerometer.x, still.accelerometer.z) == pytest.approx((0.0, 9.81), abs=1e-4)
    # east, where x grows, is a quarter turn from north
    assert still.compass == pytest.approx(math.pi / 2, abs=1e-3)
    assert turning.gyroscope.z == pytest.approx(rate, rel=1e-4)
    assert turning.accelerometer.y == pytest.approx(rate * speed, rel=0.02)


def test_noise_is_the_seeds(world: Any) -> None:
    car = _car(world)
    noisy = {"noise_accel_stddev_x": "1.0", "noise_seed": "5"}
    sensors = [_Sensor(world, "sensor.other.imu", car, **noisy) for _ in range(2)]
    world.tick()

    one, two = (sensor.queue.get(timeout=60.0) for sensor in sensors)

    assert one.accelerometer.x == two.accelerometer.x != 0.0


def test_lidar_points_lie_on_the_ground_and_on_cars(world: Any) -> None:
    car = _car(world)
    quiet = {"dropoff_general_rate": "0", "dropoff_intensity_limit": "0", "dropoff_zero_intensity": "0"}
    place = _pose(0.0, 0.0, 2.0)
    lidar = _Sensor(
        world,
        "sensor.lidar.ray_cast",
        car,
        place,
        range="50",
        channels="16",
        rotation_frequency="20",
        **quiet,
    )
    _car(world, 110.0)

    scan = lidar.after_tick()
    points = np.frombuffer(scan.raw_data, np.float32).reshape(-1, 4)

    assert scan.channels == 16
    assert sum(scan.get_point_count(channel) for channel in range(16)) == len(points) == len(scan)
    low = points[points[:, 2] < -1.99]
    assert len(low) > 500
    assert np.allclose(low[:, 2], -2.0, atol=1e-4)
    hit = points[(points[:, 2] > -1.9) & (points[:, 0] > 0)]
    assert hit[:, 0].min() == pytest.approx(10.0 - 2.396, abs=1e-3)
    assert (points[:, 3] <= 1).all()


def test_semantic_lidar_says_what_it_hit(world: Any) -> None:
    car = _car(world)
    lidar = _Sensor(
        world,
        "sensor.lidar.ray_cast_semantic",
        car,
        _pose(0.0, 0.0, 2.0),
        range="50",
        rotation_frequency="20",
    )
    other = _car(world, 110.0)

    detections = list(lidar.after_tick())
    on_car = [found for found in detections if found.object_tag == 14]
    on_road = [found for found in detections if found.object_tag == 1]

    assert {found.object_idx for found in on_car} == {other.id}
    assert on_road
    assert all(0 <= found.cos_inc_angle <= 1 for found in detections)


def test_radar_measures_how_fast_others_move_away(world: Any) -> None:
    car = _car(world, speed=5.0)
    radar = _Sensor(world, "sensor.other.radar", car, _pose(0.0, 0.0, 0.8), points_per_second="20000")
    _car(world, 120.0, speed=9.0)
    radar.after_tick()

    detections = list(radar.after_tick())
    ahead = [d for d in detections if abs(d.azimuth) < 0.03 and abs(d.altitude) < 0.01 and d.depth < 30]

    assert ahead
    assert all(found.velocity == pytest.approx(4.0, abs=0.05) for found in ahead)
    assert ahead[0].depth == pytest.approx(20.0 + 0.4 - 2.396, abs=0.05)


def test_a_sensor_may_measure_less_often_than_the_world_ticks(world: Any) -> None:
    imu = _Sensor(world, "sensor.other.imu", _car(world), sensor_tick="0.2")
    frames = [world.tick() for _ in range(9)]

    received = [imu.queue.get(timeout=60.0).frame for _ in range(3)]

    assert received == [frames[0], frames[4], frames[8]]


def test_a_sensor_that_stops_listening_gets_nothing(world: Any) -> None:
    imu = _Sensor(world, "sensor.other.imu", _car(world))
    imu.after_tick()
    imu.actor.stop()
    world.tick()
    world.tick()

    assert imu.queue.qsize() <= 1
    assert imu.actor.destroy()


def test_cameras_rest_without_rendering(world: Any) -> None:
    settings = world.get_settings()
    settings.no_rendering_mode = True
    world.apply_settings(settings)
    car = _car(world)
    camera, imu = _Sensor(world, "sensor.camera.rgb", car, **SMALL), _Sensor(world, "sensor.other.imu", car)

    imu.after_tick()

    assert camera.queue.empty()


def test_a_texture_appears_on_the_road(world: Any) -> None:
    car = _car(world)
    camera = _Sensor(world, "sensor.camera.rgb", car, **SMALL)
    before = _bgra(camera.after_tick()).astype(int)
    (name,) = (name for name in world.get_names_of_all_objects() if name.endswith("Lane_-1"))
    texture = carla.TextureColor(4, 4)
    for u in range(4):
        for v in range(4):
            texture.set(u, v, carla.Color(255, 0, 0, 255))

    world.apply_color_texture_to_object(name, carla.MaterialParameter.Diffuse, texture)
    after = _bgra(camera.after_tick()).astype(int)

    red = after[..., 2] - after[..., 0]
    assert red[44, 32] > 150
    assert np.abs(after - before)[:20].max() < 25
    assert red[44, 2] < 40
