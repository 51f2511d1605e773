"""How the CARLA world is made from what a scenario says. Imported when it is first used."""

from __future__ import annotations

from scenarios.factories import Setting
from scenarios.plugins.carla import CarlaOptions
from simulator.carla.world_client import CarlaWorld, Place


def carla_world(options: CarlaOptions, setting: Setting) -> CarlaWorld:
    """One scenario on a CARLA server."""
    place = Place(options.host, options.port, options.timeout_s, options.town, options.patch, options.car)
    return CarlaWorld(
        place,
        setting.scenes[0],
        setting.starts[0],
        setting.vehicle,
        setting.cameras,
        options.latency_s,
        setting.layers,
    )
