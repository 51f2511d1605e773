"""What stands beside the world."""

from __future__ import annotations

import socket
from typing import Any

import pytest

carla = pytest.importorskip("carla")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def test_a_recorder_says_that_it_writes_nothing(client: Any) -> None:
    # scenario runners begin with it: an error would end their run
    assert client.start_recorder("run.log", True) == "run.log is not written: this server does not record\n"
    assert client.stop_recorder() is None


def test_no_recording_is_found_afterwards(client: Any) -> None:
    client.start_recorder("run.log")
    client.stop_recorder()
    missing = "File run.log not found on server: this server does not record\n"

    assert client.show_recorder_file_info("run.log", True) == missing
    assert client.show_recorder_collisions("run.log", "v", "w") == missing
    assert client.show_recorder_actors_blocked("run.log", 30.0, 10.0) == missing


def test_a_replay_moves_nobody(client: Any, world: Any, tools: Any) -> None:
    car = tools.car(world)
    client.set_replayer_time_factor(2.0)
    client.set_replayer_ignore_hero(True)
    client.set_replayer_ignore_spectator(True)
    answer = client.replay_file("run.log", 0.0, 0.0, car.id, True, tools.place(x=50.0))
    tools.ticks(world, 5)
    client.stop_replayer(True)
    world.tick()

    assert answer == "File run.log not found on server: this server does not record\n"
    assert [found.id for found in world.get_actors().filter("vehicle.*")] == [car.id]
    assert car.get_location().x == pytest.approx(tools.start[0])


def test_a_traffic_manager_is_known_to_other_clients_until_it_ends(
    client: Any, port: int, tools: Any
) -> None:
    free = _free_port()
    manager = client.get_trafficmanager(free)
    other = tools.connect(port).get_trafficmanager(free)

    assert manager.get_port() == other.get_port() == free
    manager.shut_down()


def test_a_manager_that_has_ended_leaves_its_port_to_another(client: Any, port: int, tools: Any) -> None:
    free = _free_port()
    client.get_trafficmanager(free).shut_down()

    # were it still registered, the client would look for the one that is gone, and find nobody
    after = tools.connect(port).get_trafficmanager(free)

    after.set_synchronous_mode(False)
    assert after.get_port() == free
    after.shut_down()
