"""A server in a process of its own, as the client needs it, and a client connected to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scenarios.plugins.carla_process import Serving, serving

carla = pytest.importorskip("carla")

DELTA_S = 0.05

START = (100.0, 1.75, 0.3)
"""On the right lane of the straight road."""


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


def place(x: float = START[0], y: float = START[1], yaw: float = 0.0, z: float = START[2]) -> Any:
    """A transform."""
    return carla.Transform(carla.Location(x, y, z), carla.Rotation(0.0, yaw, 0.0))


def car(world: Any, where: Any = None, kind: str = "vehicle.tesla.model3", **attributes: str) -> Any:
    """A new car."""
    blueprint = world.get_blueprint_library().find(kind)
    for name, value in attributes.items():
        blueprint.set_attribute(name, value)
    return world.spawn_actor(blueprint, where or place())


def ticks(world: Any, count: int) -> int:
    """The frame after some ticks."""
    return [world.tick() for _ in range(count)][-1]


def speed(actor: Any) -> float:
    """In the plane."""
    velocity = actor.get_velocity()
    return math.hypot(velocity.x, velocity.y)


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


@pytest.fixture(scope="session")
def chained_map() -> str:
    """Road 1 (100 m, straight) goes over into road 2 (50 m, a left curve of radius 80 m)."""
    lanes = (
        '<lanes><laneSection s="0"><center><lane id="0" type="none" level="false"><roadMark sOffset="0" type="solid" '
        'color="yellow" width="0.15"/></lane></center><right><lane id="-1" type="driving" level="false"><link>{link}'
        '</link><width sOffset="0" a="3" b="0" c="0" d="0"/><roadMark sOffset="0" type="broken" color="white" '
        'width="0.15"/></lane></right></laneSection></lanes>'
    )
    return (
        '<OpenDRIVE><header revMajor="1" revMinor="4"><geoReference>+proj=tmerc +lat_0=48 +lon_0=11</geoReference>'
        '</header><road name="" id="1" length="100" junction="-1"><link><successor elementType="road" elementId="2" '
        'contactPoint="start"/></link><planView><geometry s="0" x="0" y="0" hdg="0" length="100"><line/></geometry>'
        f"</planView>{lanes.format(link='<successor id=' + chr(34) + '-1' + chr(34) + '/>')}</road>"
        '<road name="" id="2" length="50" junction="-1"><link><predecessor elementType="road" elementId="1" '
        'contactPoint="end"/></link><planView><geometry s="0" x="100" y="0" hdg="0" length="50">'
        '<arc curvature="0.0125"/></geometry></planView>'
        f"{lanes.format(link='<predecessor id=' + chr(34) + '-1' + chr(34) + '/>')}</road></OpenDRIVE>"
    )


@dataclass(frozen=True)
class Tools:
    """What tests need that start servers of their own."""

    serving: Callable[..., AbstractContextManager[Serving]] = serving
    connect: Callable[..., Any] = connect
    synchronise: Callable[..., None] = synchronise
    start: tuple[float, float, float] = START
    place: Callable[..., Any] = place
    car: Callable[..., Any] = car
    ticks: Callable[[Any, int], int] = ticks
    speed: Callable[[Any], float] = speed


@pytest.fixture(scope="session")
def tools() -> Tools:
    """They cannot be imported: test folders are no packages."""
    return Tools()
