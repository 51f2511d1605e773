"""The server: two ports, one world, and the clock that drives it.

Everything happens in one thread, one thing after the other: a request is answered, a step is made, a picture drawn.
Synchronous worlds advance by ``tick_cue`` alone; asynchronous ones by the wall clock. In a step snapshots go out first,
then sensor data, then the answer to whoever asked for it; slow readers are waited for in a synchronous world and miss
messages in an asynchronous one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from simulator.carla.blueprints import library
from simulator.carla.episode import Episode
from simulator.carla.handlers import actors, batch, lights, services, vehicles, world
from simulator.carla.layouts import SENSOR_HEADER, layout
from simulator.carla.poses import ORIGIN
from simulator.carla.rpc import Connection, Dispatcher, Refusal
from simulator.carla.sensors.device import Sensor
from simulator.carla.settings import Settings
from simulator.carla.streaming import Reader, Streams
from simulator.carla.town import SENT_NAME, STRAIGHT, MapFolder, Town
from simulator.world import InfrastructureError, InvalidInput

LOG = logging.getLogger(__name__)

LONGEST_STEP_S = 0.2
"""An asynchronous world that has fallen behind does not make up for more."""

WORLD_OBSERVER = 1
"""The stream of snapshots."""


@dataclass(frozen=True)
class Options:
    """What a server is told when it starts.

    Attributes:
        host: address to listen at.
        port: of the calls; 0 for any that is free.
        streaming_port: of the data; None for the one after ``port``, 0 for any that is free.
        version: of CARLA, to be compatible with.
    """

    host: str = "127.0.0.1"
    port: int = 2000
    streaming_port: int | None = None
    version: str = "0.9.16"


class Server:
    """A CARLA server without Unreal.

    Attributes:
        options: what it was told.
        layout: the wire format.
        library: blueprints by id.
        maps: what can be loaded.
        streams: who reads what.
        settings: of the episode.
        episode: the world.
        frame: counts steps over the server's life.
        sent_map: the last map that a client sent.
        traffic_managers: port to address of those that clients have announced.
    """

    def __init__(self, options: Options, maps: MapFolder, first_map: str = STRAIGHT) -> None:
        """Load the first map.

        Args:
            options: addresses and version.
            maps: what can be loaded.
            first_map: one of these.

        Raises:
            InvalidInput: the version or the map is not known.
        """
        self.options, self.maps = options, maps
        self.layout, self.library = layout(options.version), library(options.version)
        self.streams = Streams()
        self.settings = Settings()
        self.frame = 0
        self.sent_map: Town | None = None
        self.traffic_managers: dict[int, str] = {}
        self.dispatcher = Dispatcher()
        self._connections: set[Connection] = set()
        self._period: asyncio.TimerHandle | None = None
        self._last_step_s = time.monotonic()
        observer = self.streams.open()
        assert observer == WORLD_OBSERVER
        first = Town(*maps.read(first_map))
        self.episode = Episode(1, first, self.streams, self.library, self.layout)
        for group in (world, actors, vehicles, lights, batch, services):
            group.register(self.dispatcher, self)

    def load(self, name: str, reset_settings: bool) -> None:
        """Begin another episode on a map; all actors are destroyed.

        Args:
            name: of the map; empty for the one that is there, as a client's ``reload_world`` sends it.
            reset_settings: go back to an asynchronous world.

        Raises:
            Refusal: there is no such map, or it cannot be used.
        """
        short = name.rsplit("/", 1)[-1]
        try:
            if short == SENT_NAME and self.sent_map is not None:
                town = self.sent_map
            elif not name or short == self.episode.town.name:
                town = self.episode.town
            else:
                town = Town(*self.maps.read(name))
        except InvalidInput as error:
            LOG.warning("cannot load a map: %s", error)
            raise Refusal(f"Map '{name}' not found ({error})") from None
        old = self.episode
        old.clear()
        self.episode = Episode(
            old.number + 1, town, self.streams, self.library, self.layout, first_id=old.next_id()
        )
        if reset_settings:
            self.settings = Settings()
        self._restart_clock()
        LOG.info("map %s is loaded", town.name)

    def apply_settings(self, settings: Settings) -> int:
        """Take over settings; the frame from which they hold."""
        self.settings = settings
        self._restart_clock()
        return self.frame

    def step(self, duration_s: float) -> None:
        """Advance the world and tell everybody."""
        wait, episode = self.settings.synchronous, self.episode
        episode.advance(duration_s)
        self.frame += 1
        if self.streams.wanted(WORLD_OBSERVER):
            header = SENSOR_HEADER.pack(self.layout.world_observer, self.frame, episode.time_s, *ORIGIN)
            body = episode.snapshot(time.time(), duration_s)
            self.streams.publish(WORLD_OBSERVER, header + body, wait)
        for sensor, device in episode.sensors():
            if not self.streams.wanted(sensor.stream) or not sensor.due(episode.time_s):
                continue
            if self.settings.no_rendering and sensor.kind.startswith("sensor.camera."):
                continue
            since_s = duration_s if sensor.last_s is None else episode.time_s - sensor.last_s
            sensor.last_s = episode.time_s
            self._send(sensor, device.measure(sensor, episode, since_s), wait)

    def _send(self, sensor: Sensor, body: bytes | None, wait: bool) -> None:
        if body is None:
            return
        kind = self.layout.sensor_types[sensor.kind]
        header = SENSOR_HEADER.pack(kind, self.frame, self.episode.time_s, *sensor.pose)
        self.streams.publish(sensor.stream, header + body, wait)

    def tick(self) -> int | Awaitable[int]:
        """What ``tick_cue`` asks for: the frame that is made by it, or that comes next by itself."""
        if not self.settings.synchronous:
            return self.frame + 1
        if self.streams.awaited:
            return self._tick_later()
        self.step(self.settings.period_s)
        return self.frame if self.streams.settled else self._settle(self.frame)

    async def _tick_later(self) -> int:
        await self.streams.arrivals()
        self.step(self.settings.period_s)
        return await self._settle(self.frame)

    async def _settle(self, frame: int) -> int:
        await self.streams.settle()
        return frame

    def _restart_clock(self) -> None:
        if self._period is not None:
            self._period.cancel()
            self._period = None
        self._last_step_s = time.monotonic()
        if not self.settings.synchronous:
            self._schedule()

    def _schedule(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # nobody is served yet
            return
        late_s = time.monotonic() - self._last_step_s
        self._period = loop.call_later(max(self.settings.period_s - late_s, 0.001), self._step_by_clock)

    def _step_by_clock(self) -> None:
        now_s = time.monotonic()
        passed_s, self._last_step_s = now_s - self._last_step_s, now_s
        try:
            self.step(self.settings.step_s or min(max(passed_s, 0.001), LONGEST_STEP_S))
        finally:
            self._schedule()

    async def serve(self, started: Callable[[int, int], Any] = lambda port, streaming_port: None) -> None:
        """Listen and serve until cancelled.

        Args:
            started: called with both ports once clients can connect.

        Raises:
            InfrastructureError: a port is taken.
        """
        options, loop = self.options, asyncio.get_running_loop()
        calls = await self._listen(lambda: Connection(self.dispatcher, self._connections), options.port, loop)
        port = calls.sockets[0].getsockname()[1]
        wanted = port + 1 if options.streaming_port is None else options.streaming_port
        if options.streaming_port is None and options.port == 0:
            wanted = 0
        try:
            data = await self._listen(lambda: Reader(self.streams), wanted, loop)
        except InfrastructureError:
            calls.close()
            raise
        self.streams.port = data.sockets[0].getsockname()[1]
        self._restart_clock()
        started(port, self.streams.port)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            if self._period is not None:
                self._period.cancel()
            for listener in (calls, data):
                listener.close()
            for connection in list(self._connections):
                connection.close()
            for reader in list(self.streams.connections):
                reader.abort()

    async def _listen(
        self, protocol: Callable[[], asyncio.Protocol], port: int, loop: asyncio.AbstractEventLoop
    ) -> asyncio.Server:
        try:
            return await loop.create_server(protocol, self.options.host, port)
        except OSError as error:
            raise InfrastructureError(
                f"cannot listen at {self.options.host}:{port}: {error.strerror or error}; give another --port"
            ) from None
