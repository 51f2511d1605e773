"""A server that is used for long does not grow."""

from __future__ import annotations

import queue
from pathlib import Path
from typing import Any

import pytest

carla = pytest.importorskip("carla")

HOUR_S = 3600.0
ROUND_S = 30.0
WARM_UP_ROUNDS = 10
"""What is kept for the next time (noise, fonts, code) has been made once by then."""

MOST_GROWTH_MB = 50.0

SENSORS: dict[str, dict[str, str]] = {
    "sensor.camera.rgb": {"image_size_x": "160", "image_size_y": "120"},
    "sensor.camera.depth": {"image_size_x": "64", "image_size_y": "48"},
    "sensor.camera.semantic_segmentation": {"image_size_x": "64", "image_size_y": "48"},
    "sensor.camera.instance_segmentation": {"image_size_x": "64", "image_size_y": "48"},
    "sensor.lidar.ray_cast": {"points_per_second": "5000"},
    "sensor.lidar.ray_cast_semantic": {"points_per_second": "5000"},
    "sensor.other.radar": {},
    "sensor.other.gnss": {},
    "sensor.other.imu": {},
    "sensor.other.obstacle": {},
    "sensor.other.collision": {},
}


def _resident_mb(process_id: int) -> float:
    status = Path(f"/proc/{process_id}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def _round(world: Any, ticks: int) -> int:
    """Spawn a car with every sensor, let it drive and measure for a while, destroy all; how many messages came."""
    library, received = world.get_blueprint_library(), queue.Queue()  # type: ignore[var-annotated]
    start = carla.Transform(carla.Location(100.0, 1.75, 0.3))
    car = world.spawn_actor(library.find("vehicle.tesla.model3"), start)
    sensors = []
    for kind, attributes in SENSORS.items():
        blueprint = library.find(kind)
        for name, value in ({"sensor_tick": "1.0"} | attributes).items():
            if blueprint.has_attribute(name):
                blueprint.set_attribute(name, value)
        sensors.append(world.spawn_actor(blueprint, carla.Transform(carla.Location(z=1.5)), attach_to=car))
        sensors[-1].listen(received.put)
    car.apply_control(carla.VehicleControl(throttle=0.03))
    for _ in range(ticks):
        world.tick()
    for sensor in sensors:
        sensor.stop()
        sensor.destroy()
    car.destroy()
    return received.qsize()


@pytest.mark.slow
def test_an_hour_of_sensors_leaves_no_memory_behind(tools: Any) -> None:
    with tools.serving() as (process, port, _):
        world = tools.connect(port, 120.0).get_world()
        tools.synchronise(world)
        sizes = []
        for _ in range(round(HOUR_S / ROUND_S)):
            assert _round(world, round(ROUND_S / 0.05)) > 200
            sizes.append(_resident_mb(process.pid))

    growth_mb = max(sizes[WARM_UP_ROUNDS:]) - sizes[WARM_UP_ROUNDS - 1]
    shown = ", ".join(f"{size:.0f}" for size in sizes[::10])
    print(f"resident memory every {10 * ROUND_S:g} s: {shown} MB; growth {growth_mb:.1f} MB")
    assert growth_mb < MOST_GROWTH_MB
