"""Numbers and binary layouts of CARLA's wire format that differ between versions, one table a version.

All are little-endian and packed. Which number stands for which sensor is the sensor's place in a list that is compiled
into the client, so it changes whenever a sensor is added.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from simulator.world import InvalidInput


@dataclass(frozen=True)
class Layout:
    """The wire format of one version.

    Attributes:
        version: what the server says it is.
        world_observer: number of the stream of snapshots.
        sensor_types: number by blueprint id, of the sensors that have a stream on the server.
        box_has_actor: whether a bounding box ends with the id of its actor.
    """

    version: str
    world_observer: int
    sensor_types: dict[str, int]
    box_has_actor: bool

    def box(
        self, centre: Sequence[float], half_size: Sequence[float], angles: Sequence[float], actor: int
    ) -> list[Any]:
        """A ``BoundingBox`` message; ``angles`` are pitch, yaw and roll [deg]."""
        message: list[Any] = [list(centre), list(half_size), list(angles)]
        return [*message, actor] if self.box_has_actor else message


LAYOUTS = {
    "0.9.16": Layout(
        version="0.9.16",
        world_observer=17,
        sensor_types={
            "sensor.other.collision": 0,
            "sensor.camera.depth": 1,
            "sensor.other.gnss": 4,
            "sensor.other.imu": 5,
            "sensor.other.obstacle": 7,
            "sensor.other.radar": 9,
            "sensor.lidar.ray_cast_semantic": 10,
            "sensor.lidar.ray_cast": 11,
            "sensor.camera.rgb": 13,
            "sensor.camera.semantic_segmentation": 14,
            "sensor.camera.instance_segmentation": 15,
        },
        box_has_actor=True,
    )
}
"""By version. A client of another version needs a table of its own, and none other has been tried."""

SENSOR_HEADER = struct.Struct("<QQd6f")
"""Kind of sensor, frame, time [s], then x, y, z [m], pitch, yaw, roll [deg] of the sensor."""

SNAPSHOT_HEADER = struct.Struct("<Qdf3iI")
"""Episode, platform time [s], length of the step [s], origin of the map, state of the simulation."""

IMAGE_HEADER = struct.Struct("<IIf")
"""Width, height [px], horizontal field of view [deg]; B, G, R, A of every pixel follow, top row first."""

ACTOR = struct.Struct("<IB15f54s")
"""Id, state, transform, velocity, angular velocity, acceleration, and one of the following filled up with zeros."""

ACTOR_ACTIVE = 1

VEHICLE_STATE = struct.Struct("<fff???ifB?IB")
"""Throttle, steer, brake, hand brake, reverse, manual gears, gear, speed limit [km/h], light's state, whether there is
a light, its id, failure."""

WALKER_STATE = struct.Struct("<3ff?")
"""Direction, speed [m/s], jump."""

LIGHT_STATE = struct.Struct("<32sffffI?B")
"""Sign id, green, yellow, red, elapsed time [s], pole index, frozen, state."""


def layout(version: str) -> Layout:
    """The table of a version.

    Raises:
        InvalidInput: there is none.
    """
    if version not in LAYOUTS:
        raise InvalidInput(f"CARLA version {version!r}: this server speaks {', '.join(LAYOUTS)}")
    return LAYOUTS[version]
