"""GNSS and IMU. Noise is as the attributes say, from a generator of ``noise_seed``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgpack
import numpy as np

from simulator.carla.poses import rotation
from simulator.carla.sensors.device import Sensor

if TYPE_CHECKING:
    from simulator.carla.episode import Episode

GRAVITY_MPS2 = 9.81


class Gnss:
    """Latitude, longitude, altitude."""

    def __init__(self, sensor: Sensor) -> None:
        """Read the noise."""
        self._rng = np.random.default_rng(int(abs(sensor.number_of("noise_seed", 0))))
        names = [f"noise_{axis}" for axis in ("lat", "lon", "alt")]
        self._bias = [sensor.number_of(f"{name}_bias", 0.0) for name in names]
        self._spread = [abs(sensor.number_of(f"{name}_stddev", 0.0)) for name in names]

    def measure(self, sensor: Sensor, episode: Episode, step_s: float) -> bytes:
        """Where it is."""
        noise = self._rng.standard_normal(3)
        place = episode.town.geolocation(sensor.pose[:3])
        values = [
            value + bias + spread * float(part)
            for value, bias, spread, part in zip(place, self._bias, self._spread, noise, strict=True)
        ]
        packed: bytes = msgpack.packb(values)
        return packed


class Imu:
    """Acceleration with gravity, turn rates and compass, in the sensor's own axes."""

    def __init__(self, sensor: Sensor) -> None:
        """Read the noise."""
        self._rng = np.random.default_rng(int(abs(sensor.number_of("noise_seed", 0))))
        self._spread = np.array(
            [
                abs(sensor.number_of(f"noise_{kind}_stddev_{axis}", 0.0))
                for kind in ("accel", "gyro")
                for axis in "xyz"
            ]
        )
        self._bias = np.array(
            [0.0, 0.0, 0.0, *(sensor.number_of(f"noise_gyro_bias_{axis}", 0.0) for axis in "xyz")]
        )

    def measure(self, sensor: Sensor, episode: Episode, step_s: float) -> bytes:
        """How it moves."""
        to_own = np.array(rotation(sensor.pose)).T
        felt = to_own @ np.add(sensor.acceleration, (0.0, 0.0, GRAVITY_MPS2))
        turning = to_own @ np.radians(sensor.angular_velocity)
        values = np.concatenate([felt, turning]) + self._bias
        values = (values + self._spread * self._rng.standard_normal(6)).tolist()
        # north is where y falls
        compass = math.radians(sensor.pose[4] + 90.0) % (2 * math.pi)
        packed: bytes = msgpack.packb([values[:3], values[3:], compass])
        return packed
