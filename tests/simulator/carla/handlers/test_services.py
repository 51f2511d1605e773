"""What stands beside the world."""

from __future__ import annotations

import socket
from typing import Any

import msgpack
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


def _ask(port: int, method: str, *arguments: object) -> object:
    """The result of a call on the wire, for what the client never shows."""
    with socket.create_connection(("127.0.0.1", port), 20.0) as line:
        line.sendall(msgpack.packb([0, 1, method, [[False], *arguments]]))
        unpacker = msgpack.Unpacker()
        while True:
            unpacker.feed(line.recv(4096))
            for _, _, error, result in unpacker:
                assert error is None
                return result[0][1]


def test_a_manager_that_has_ended_leaves_its_port_to_another(client: Any, port: int) -> None:
    free = _free_port()
    manager = client.get_trafficmanager(free)
    running = _ask(port, "is_traffic_manager_running", free)
    found = _ask(port, "get_traffic_manager_running", free)
    taken = _ask(port, "add_traffic_manager_running", ["127.0.0.1", free])
    manager.shut_down()

    assert (running, taken) == (True, False)
    assert found[1] == free  # type: ignore[index]
    assert _ask(port, "is_traffic_manager_running", free) is False
