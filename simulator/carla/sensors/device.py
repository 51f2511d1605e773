"""What every sensor of the server has in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from simulator.carla.actors import Actor

if TYPE_CHECKING:
    from simulator.carla.episode import Episode


class Device(Protocol):
    """Makes measurements."""

    def measure(self, sensor: Sensor, episode: Episode, step_s: float) -> bytes | None:
        """What a sensor has to say now.

        Args:
            sensor: whose device this is.
            episode: the world.
            step_s: how much time has passed since the last measurement.

        Returns:
            The message without its header; None for nothing.
        """


@dataclass(eq=False)
class Sensor(Actor):
    """A sensor.

    Attributes:
        device: what it measures with; None if the client measures by itself (lane invasion).
        last_s: when it measured last.
    """

    device: Device | None = None
    last_s: float | None = None

    def due(self, time_s: float) -> bool:
        """Whether it is time for another measurement (``sensor_tick``)."""
        tick = self.number_of("sensor_tick", 0.0)
        return self.last_s is None or time_s - self.last_s >= tick - 1e-6


def vehicle_of(sensor: Sensor, episode: Episode) -> Actor | None:
    """The actor that carries a sensor, directly or through others."""
    actor: Actor | None = episode.actors.get(sensor.parent)
    while actor is not None and actor.parent:
        actor = episode.actors.get(actor.parent)
    return actor
