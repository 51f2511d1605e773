"""A connection to a CARLA server that leaves it as it was: settings restored, everything spawned destroyed.

The client's functions wait by themselves and raise RuntimeError when a time is over; here all of that is an
InfrastructureError, which is never taken for bad driving.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from simulator.world import InfrastructureError, InvalidInput

if TYPE_CHECKING:
    import carla


@contextmanager
def reaching(address: str) -> Iterator[None]:
    """Turn what the client raises into an error of the infrastructure."""
    try:
        yield
    except (InfrastructureError, InvalidInput):
        raise
    except (RuntimeError, IndexError) as error:
        raise InfrastructureError(f"CARLA server at {address}: {error}") from error
    except queue.Empty:
        raise InfrastructureError(f"CARLA server at {address}: no sensor data within the time-out") from None


class Session:
    """One user of a server.

    Attributes:
        address: host and port, for messages.
        timeout_s: of every call, and of waiting for sensor data.
        world: the server's world now.
    """

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        """Connect.

        Raises:
            InfrastructureError: nobody answers.
        """
        import carla

        self.address, self.timeout_s = f"{host}:{port}", timeout_s
        self._actors: list[carla.Actor] = []
        self._before: carla.WorldSettings | None = None
        with reaching(self.address):
            self._client = carla.Client(host, port)
            self._client.set_timeout(timeout_s)
            self.world: carla.World = self._client.get_world()
            self._before = self.world.get_settings()

    def load_text(self, text: str) -> None:
        """Let the server build a map out of OpenDRIVE."""
        import carla

        with reaching(self.address):
            flat = carla.OpendriveGenerationParameters(
                vertex_distance=2.0, max_road_length=500.0, wall_height=0.0, additional_width=2.0
            )
            self.world = self._client.generate_opendrive_world(text, flat)

    def load_town(self, name: str) -> None:
        """Let the server load one of its own maps, unless it is loaded."""
        with reaching(self.address):
            if self.world.get_map().name.rsplit("/", 1)[-1] != name:
                self.world = self._client.load_world(name)

    def synchronise(self, step_s: float) -> None:
        """From now on the server waits for ticks."""
        with reaching(self.address):
            settings = self.world.get_settings()
            settings.synchronous_mode, settings.fixed_delta_seconds = True, step_s
            settings.no_rendering_mode = False
            self.world.apply_settings(settings)

    def tick(self) -> int:
        """One step; the frame."""
        with reaching(self.address):
            return int(self.world.tick(self.timeout_s))

    def spawn(
        self, blueprint: carla.ActorBlueprint, pose: carla.Transform, parent: carla.Actor | None = None
    ) -> carla.Actor:
        """Spawn an actor that is destroyed in the end."""
        with reaching(self.address):
            actor = self.world.spawn_actor(blueprint, pose, attach_to=parent)
        self._actors.append(actor)
        return actor

    def listen(self, sensor: carla.Actor) -> Inbox:
        """Collect what a sensor sends."""
        inbox = Inbox(self.address, self.timeout_s)
        with reaching(self.address):
            sensor.listen(inbox.put)
        return inbox

    def clear(self) -> None:
        """Destroy everything that was spawned; what the server does not answer is left."""
        while self._actors:
            actor = self._actors.pop()
            try:
                if hasattr(actor, "stop") and actor.is_listening:
                    actor.stop()
                actor.destroy()
            except RuntimeError:
                continue

    def close(self) -> None:
        """Leave the server as it was."""
        self.clear()
        if self._before is None:
            return
        before, self._before = self._before, None
        try:
            self.world.apply_settings(before)
        except RuntimeError:
            # a server that has gone has no settings to restore
            return


class Inbox:
    """Messages of one sensor, found by their frame."""

    def __init__(self, address: str, timeout_s: float) -> None:
        """Nothing yet."""
        self._address, self._timeout_s = address, timeout_s
        self._queue: queue.Queue[Any] = queue.Queue()

    @property
    def put(self) -> Callable[[Any], None]:
        """To be called by the client, in a thread of its own."""
        return self._queue.put

    def of_frame(self, frame: int) -> Any:
        """The message of a frame; older ones are dropped.

        Raises:
            InfrastructureError: it has not come in time, or has been skipped.
        """
        with reaching(self._address):
            while True:
                message = self._queue.get(timeout=self._timeout_s)
                if message.frame == frame:
                    return message
                if message.frame > frame:
                    raise InfrastructureError(
                        f"CARLA server at {self._address}: frame {message.frame} came, {frame} did not"
                    )

    def all_until(self, frame: int) -> list[Any]:
        """What has come so far, of frames up to one."""
        found = []
        while not self._queue.empty():
            message = self._queue.get_nowait()
            if message.frame <= frame:
                found.append(message)
        return found
