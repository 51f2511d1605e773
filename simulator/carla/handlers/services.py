"""Calls about what stands beside the world: Traffic Managers, which run in clients, and no recorder."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from simulator.carla.rpc import Dispatcher

if TYPE_CHECKING:
    from simulator.carla.server import Server

LOG = logging.getLogger(__name__)


def register(dispatcher: Dispatcher, server: Server) -> None:
    """Answer these calls."""
    managers = server.traffic_managers
    value, done = dispatcher.value, dispatcher.done

    def add(entry: list[Any]) -> bool:
        address, port = entry
        if port in managers:
            return False
        managers[int(port)] = str(address)
        return True

    value("is_traffic_manager_running", lambda port: port in managers)
    value(
        "get_traffic_manager_running", lambda port: [managers.get(port, ""), port if port in managers else 0]
    )
    value("add_traffic_manager_running", add)
    value("destroy_traffic_manager", lambda port: managers.pop(port, None) is not None)
    done("set_ignored_vehicles", lambda *anything: None)
    value("start_recorder", _start_recorder)
    value("replay_file", _no_recording)
    for about in ("file_info", "collisions", "actors_blocked"):
        value(f"show_recorder_{about}", _no_recording)
    for name in (
        "stop_recorder",
        "stop_replayer",
        "set_replayer_time_factor",
        "set_replayer_ignore_hero",
        "set_replayer_ignore_spectator",
    ):
        done(name, lambda *anything: None)


def _start_recorder(name: str, additional_data: bool = False) -> str:
    """Where CARLA answers the path that it writes to: scenario runners begin every run so and do without the file."""
    LOG.warning("a client asks for the recording %r: this server does not record", name)
    return f"{name} is not written: this server does not record\n"


def _no_recording(name: str, *anything: Any) -> str:
    """Begins as CARLA's answer about a file that is not there."""
    return f"File {name} not found on server: this server does not record\n"
