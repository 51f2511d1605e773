"""LiDAR, semantic LiDAR and radar: rays against the ground and against boxes, nothing else.

There is no weather in them, no reflection and no material; what they hit are the boxes of cars, walkers and props and
the level ground. Directions and drop-out are random where CARLA's are, from a generator of ``noise_seed``.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simulator.carla.poses import rotation
from simulator.carla.raycast import GROUND, SKY, Array, Body, Hits, bodies_of, cast
from simulator.carla.sensors.device import Sensor, vehicle_of

if TYPE_CHECKING:
    from simulator.carla.episode import Episode

SKY_LABEL = 11

MOST_RAYS = 500_000
"""In one measurement; more are not cast."""


class Lidar:
    """A spinning LiDAR; the plain one gives intensity, the semantic one incidence, actor and label."""

    def __init__(self, sensor: Sensor) -> None:
        """Read the attributes."""
        self.semantic = sensor.kind.endswith("semantic")
        self.channels = int(min(max(sensor.number_of("channels", 32), 1), 512))
        self.range_m = sensor.number_of("range", 10.0)
        self.points_per_s = max(sensor.number_of("points_per_second", 56000), 0.0)
        self.turns_per_s = sensor.number_of("rotation_frequency", 10.0)
        self.elevations = np.radians(
            np.linspace(
                sensor.number_of("upper_fov", 10.0), sensor.number_of("lower_fov", -30.0), self.channels
            )
        )
        self.field_deg = min(max(sensor.number_of("horizontal_fov", 360.0), 0.0), 360.0)
        self.attenuation = sensor.number_of("atmosphere_attenuation_rate", 0.004)
        self.drop = min(max(sensor.number_of("dropoff_general_rate", 0.45), 0.0), 1.0)
        self.drop_limit = sensor.number_of("dropoff_intensity_limit", 0.8)
        self.drop_at_zero = sensor.number_of("dropoff_zero_intensity", 0.4)
        self.spread_m = abs(sensor.number_of("noise_stddev", 0.0))
        self._rng = np.random.default_rng(int(abs(sensor.number_of("noise_seed", 0))))
        self._azimuth_deg = 0.0

    def measure(self, sensor: Sensor, episode: Episode, step_s: float) -> bytes:
        """The points of the part of a turn that has passed."""
        per_channel = round(min(self.points_per_s * step_s, MOST_RAYS) / self.channels)
        turn_deg = min(self.turns_per_s * 360.0 * step_s, 360.0)
        azimuths = self._azimuth_deg + turn_deg * np.arange(per_channel) / max(per_channel, 1)
        self._azimuth_deg = (self._azimuth_deg + turn_deg) % 360.0
        # a narrow field is swept back and forth over the same directions
        azimuths = np.radians(np.mod(azimuths, 360.0) * (self.field_deg / 360.0) - 0.5 * self.field_deg)
        elevation, azimuth = (grid.ravel() for grid in np.meshgrid(self.elevations, azimuths, indexing="ij"))
        own = _directions(azimuth, elevation)
        hits, bodies = _look(sensor, episode, own)
        kept = np.isfinite(hits.distance_m) & (hits.distance_m <= self.range_m)
        intensity = np.exp(-self.attenuation * np.where(kept, hits.distance_m, 0.0))
        if not self.semantic:
            kept &= self._survives(intensity)
        distance = hits.distance_m[kept]
        if self.spread_m > 0:
            distance = distance + self.spread_m * self._rng.standard_normal(len(distance))
        points = own[kept] * distance[:, None]
        counts = np.bincount(np.repeat(np.arange(self.channels), per_channel)[kept], minlength=self.channels)
        header = struct.pack("<fI", math.radians(self._azimuth_deg), self.channels)
        header += counts.astype("<u4").tobytes()
        if not self.semantic:
            return header + np.column_stack([points, intensity[kept]]).astype("<f4").tobytes()
        record = np.zeros(
            len(points),
            dtype=[("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("c", "<f4"), ("i", "<u4"), ("t", "<u4")],
        )
        record["x"], record["y"], record["z"] = points.T
        record["c"] = hits.cos_incidence[kept]
        body = hits.body[kept]
        numbers = np.array([0, *(found.actor.number for found in bodies)])
        record["i"] = numbers[np.maximum(body, -1) + 1]
        record["t"] = labels_of(body, bodies, episode, sensor, points)
        return header + record.tobytes()

    def _survives(self, intensity: Array) -> NDArray[np.bool_]:
        """Which points come back: fewer in general, and fewer the weaker they are."""
        chance = self._rng.random((2, len(intensity)))
        slope = self.drop_at_zero / max(self.drop_limit, 1e-6)
        weak = (intensity < self.drop_limit) & (chance[1] < self.drop_at_zero - slope * intensity)
        return (chance[0] >= self.drop) & ~weak


class Radar:
    """Detections in random directions of a cone: speed away from it, azimuth, altitude and distance."""

    def __init__(self, sensor: Sensor) -> None:
        """Read the attributes."""
        self.half_rad = [
            math.radians(min(sensor.number_of(name, 30.0), 179.0)) / 2
            for name in ("horizontal_fov", "vertical_fov")
        ]
        self.range_m = sensor.number_of("range", 100.0)
        self.points_per_s = max(sensor.number_of("points_per_second", 1500), 0.0)
        self._rng = np.random.default_rng(int(abs(sensor.number_of("noise_seed", 0))))

    def measure(self, sensor: Sensor, episode: Episode, step_s: float) -> bytes:
        """What comes back."""
        count = round(min(self.points_per_s * step_s, MOST_RAYS))
        radius, angle = np.sqrt(self._rng.random(count)), 2 * math.pi * self._rng.random(count)
        azimuth = self.half_rad[0] * radius * np.cos(angle)
        altitude = self.half_rad[1] * radius * np.sin(angle)
        own = _directions(azimuth, altitude)
        hits, bodies = _look(sensor, episode, own)
        kept = hits.distance_m <= self.range_m
        directions = own[kept] @ np.array(rotation(sensor.pose)).T
        speeds = np.array([[0.0, 0.0, 0.0], *(body.actor.velocity for body in bodies)])
        relative = speeds[np.maximum(hits.body[kept], -1) + 1] - np.array(sensor.velocity)
        away = (relative * directions).sum(1)
        rows = np.column_stack([away, azimuth[kept], altitude[kept], hits.distance_m[kept]])
        return rows.astype("<f4").tobytes()


def _directions(azimuth: Array, elevation: Array) -> Array:
    """Unit vectors in the sensor's axes; azimuth to the right, elevation upwards."""
    return np.column_stack(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
        ]
    )


def _look(sensor: Sensor, episode: Episode, own: Array) -> tuple[Hits, list[Body]]:
    """Cast rays given in the sensor's axes."""
    bodies = bodies_of(episode, without=vehicle_of(sensor, episode))
    directions = own @ np.array(rotation(sensor.pose)).T
    ground = episode.town.ground_m(sensor.pose[0], sensor.pose[1])
    return cast(np.array(sensor.pose[:3]), directions, bodies, ground), bodies


def labels_of(
    body: NDArray[np.int64], bodies: list[Body], episode: Episode, sensor: Sensor, points: Array
) -> NDArray[np.int64]:
    """Labels of what rays met, ``points (M, 3)`` in the sensor's axes."""
    tags = np.array([*(found.actor.tag for found in bodies), SKY_LABEL, 0])
    labels = tags[np.where(body == SKY, len(bodies), np.where(body == GROUND, len(bodies) + 1, body))]
    on_ground = np.flatnonzero(body == GROUND)
    if len(on_ground):
        world = points[on_ground] @ np.array(rotation(sensor.pose)).T + np.array(sensor.pose[:3])
        labels[on_ground] = episode.scenery.ground_labels(world[:, 0], world[:, 1], sensor.pose)
    return labels
