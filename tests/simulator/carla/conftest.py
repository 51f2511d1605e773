"""A server in a process of its own, as the client needs it, and a client connected to it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

carla = pytest.importorskip("carla")

DELTA_S = 0.05


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """Run ``dirtyroad serve`` on free ports: the process and both ports."""
    command = [sys.executable, "-m", "scenarios.cli", "serve", "--port", "0", "--quiet", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("serving CARLA"), line
        port, data_port = (int("".join(filter(str.isdigit, word))) for word in line.split(":")[1:])
        yield process, port, data_port
    finally:
        process.kill()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def connect(port: int, timeout_s: float = 20.0) -> Any:
    """A client."""
    client = carla.Client("127.0.0.1", port)
    client.set_timeout(timeout_s)
    return client


def synchronise(world: Any, delta_s: float = DELTA_S) -> None:
    """Let the world wait for ticks."""
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, delta_s
    world.apply_settings(settings)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server with its own straight road."""
    with serving() as (_, port, _):
        yield port


@pytest.fixture(scope="module")
def client(port: int) -> Any:
    """A client of it."""
    return connect(port)


@pytest.fixture
def world(client: Any) -> Any:
    """Its world, empty and synchronous."""
    client.load_world("Straight")
    world = client.get_world()
    synchronise(world)
    return world


@pytest.fixture(scope="module")
def town_port(data: Path) -> Iterator[int]:
    """A server with Town01."""
    with serving("--maps", str(data / "opendrive"), "--map", "Town01") as (_, port, _):
        yield port
