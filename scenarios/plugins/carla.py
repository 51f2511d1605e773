"""The CARLA world as a scenario file names it: which server, and how dirt gets onto its roads."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from scenarios.plugins.lane_keeping import EmbeddedOptions
from scenarios.registry import Plugin, WorldOptions

Port = Annotated[int, Field(ge=1, le=65535)]


class CarlaOptions(WorldOptions):
    """A CARLA server, such as that of ``dirtyroad serve``.

    Attributes:
        latency_s: in whole camera periods (0.05 s).
        host: its address.
        port: of its calls.
        timeout_s: of every call, and of waiting for sensor data.
        town: one of the server's own maps, which must be the scenario's; if not given, the scenario's map is sent.
        patch: ``composite`` lays dirt into the pictures, ``texture`` sends it to the server (``dirtyroad serve`` only);
            what the server can do best if not given.
        car: blueprint id; if not given, the scenario's own car where the server has it.
    """

    type: Literal["carla"]
    host: Annotated[str, Field(min_length=1, max_length=255)] = "127.0.0.1"
    port: Port = 2000
    timeout_s: Annotated[float, Field(ge=0.1, le=3600.0)] = 60.0
    town: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    patch: Literal["composite", "texture"] | None = None
    car: Annotated[str, Field(min_length=1, max_length=255)] | None = None

    @property
    def rehearsed(self) -> EmbeddedOptions:
        """The embedded world: the same road and the same car, and it keeps gradients."""
        return EmbeddedOptions(type="embedded", latency_s=self.latency_s)


CARLA = Plugin(
    "carla",
    "A CARLA 0.9.16 server, or the small one that 'dirtyroad serve' is",
    "scenarios.plugins.carla_worlds:carla_world",
    CarlaOptions,
)
