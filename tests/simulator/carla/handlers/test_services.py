"""What stands beside the world."""

from __future__ import annotations

import socket
from typing import Any

import pytest

carla = pytest.importorskip("carla")


def test_recording_is_refused_in_words(client: Any) -> None:
    with pytest.raises(RuntimeError, match="does not record"):
        client.start_recorder("file.log")


def test_a_traffic_manager_is_known_to_other_clients_until_it_ends(
    client: Any, port: int, tools: Any
) -> None:
    with socket.socket() as probe:
        probe.bind(("", 0))
        free = int(probe.getsockname()[1])
    manager = client.get_trafficmanager(free)
    other = tools.connect(port).get_trafficmanager(free)

    assert manager.get_port() == other.get_port() == free
    manager.shut_down()
