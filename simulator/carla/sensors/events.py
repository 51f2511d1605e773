"""Sensors that only speak when something happens: collision, obstacle."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgpack
import numpy as np

from simulator.carla.poses import rotation
from simulator.carla.raycast import bodies_of, cast
from simulator.carla.sensors.device import Sensor, vehicle_of

if TYPE_CHECKING:
    from simulator.carla.episode import Episode


class CollisionDetector:
    """Says whom the actor that carries it touches, in every frame in which it does."""

    def __init__(self, sensor: Sensor) -> None:
        """Nothing to prepare."""

    def measure(self, sensor: Sensor, episode: Episode, step_s: float) -> bytes | None:
        """Both actors and the impulse that the own one got; of several contacts, the hardest."""
        own = vehicle_of(sensor, episode)
        found = [
            (other, impulse)
            for contact in episode.contacts
            for me, other, sign in (
                (contact.one, contact.other, 1.0),
                (contact.other, contact.one, -1.0),
            )
            if me is own
            for impulse in [[sign * part for part in contact.impulse_ns]]
        ]
        if own is None or not found:
            return None
        other, impulse = max(found, key=lambda entry: math.hypot(*entry[1]))
        packed: bytes = msgpack.packb([episode.message_of(own), episode.message_of(other), impulse])
        return packed


class ObstacleDetector:
    """Says what is ahead, within a distance, of a beam with some radius."""

    def __init__(self, sensor: Sensor) -> None:
        """Read the attributes."""
        self.distance_m = sensor.number_of("distance", 5.0)
        self.radius_m = sensor.number_of("hit_radius", 0.5)

    def measure(self, sensor: Sensor, episode: Episode, step_s: float) -> bytes | None:
        """Both actors and the distance to the nearest one ahead."""
        own = vehicle_of(sensor, episode)
        bodies = bodies_of(episode, without=own)
        if own is None or not bodies:
            return None
        frame = np.array(rotation(sensor.pose))
        # the beam is felt along its axis and at its rim
        offsets = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]]) * self.radius_m
        origins = np.array(sensor.pose[:3]) + offsets @ frame[:, 1:].T
        directions = np.broadcast_to(frame[:, 0], (5, 3))
        hits = cast(origins, directions, bodies, ground_m=-math.inf)
        nearest = int(hits.distance_m.argmin())
        distance = float(hits.distance_m[nearest])
        if distance > self.distance_m:
            return None
        other = bodies[int(hits.body[nearest])].actor
        packed: bytes = msgpack.packb([episode.message_of(own), episode.message_of(other), distance])
        return packed
