"""Calls about what stands beside the world: Traffic Managers, which run in clients, and no recorder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.carla.rpc import Dispatcher, Refusal

if TYPE_CHECKING:
    from simulator.carla.server import Server


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
    for name in (
        "start_recorder",
        "show_recorder_file_info",
        "show_recorder_collisions",
        "show_recorder_actors_blocked",
        "replay_file",
    ):
        value(name, _refuse_recording)
    for name in (
        "stop_recorder",
        "stop_replayer",
        "set_replayer_time_factor",
        "set_replayer_ignore_hero",
        "set_replayer_ignore_spectator",
    ):
        done(name, lambda *anything: None)


def _refuse_recording(*anything: Any) -> str:
    raise Refusal("this server does not record")
