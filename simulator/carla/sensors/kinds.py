"""Which device a sensor's blueprint stands for."""

from __future__ import annotations

from collections.abc import Callable

from simulator.carla.sensors.cameras import DepthCamera, InstanceCamera, RgbCamera, SemanticCamera
from simulator.carla.sensors.device import Device, Sensor
from simulator.carla.sensors.events import CollisionDetector, ObstacleDetector
from simulator.carla.sensors.inertial import Gnss, Imu
from simulator.carla.sensors.ranging import Lidar, Radar

DEVICES: dict[str, Callable[[Sensor], Device]] = {
    "sensor.camera.rgb": RgbCamera,
    "sensor.camera.depth": DepthCamera,
    "sensor.camera.semantic_segmentation": SemanticCamera,
    "sensor.camera.instance_segmentation": InstanceCamera,
    "sensor.lidar.ray_cast": Lidar,
    "sensor.lidar.ray_cast_semantic": Lidar,
    "sensor.other.collision": CollisionDetector,
    "sensor.other.obstacle": ObstacleDetector,
    "sensor.other.gnss": Gnss,
    "sensor.other.imu": Imu,
    "sensor.other.radar": Radar,
}
"""By blueprint id. Lane invasion is found out by the client itself."""
