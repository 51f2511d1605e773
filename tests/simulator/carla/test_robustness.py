"""Nothing that one client does or suffers harms the server or another client."""

from __future__ import annotations

import contextlib
import itertools
import queue
import random
import socket
import struct
import subprocess
import sys
import time
from typing import Any

import msgpack
import pytest

carla = pytest.importorskip("carla")

METHODS = (
    "version", "get_episode_info", "get_map_info", "set_episode_settings", "spawn_actor", "destroy_actor",
    "apply_control_to_vehicle", "get_actors_by_id", "apply_batch", "set_weather_parameters", "get_sensor_token",
    "apply_physics_control", "set_actor_transform", "copy_opendrive_to_file", "load_new_episode", "cast_ray",
    "apply_color_texture_to_objects", "set_traffic_light_state", "no_such_call", "add_traffic_manager_running",
)  # fmt: skip


def learnt_of(world: Any, frame: int) -> bool:
    """Whether a client hears of a frame that another one made: snapshots come by a stream, when they come."""
    deadline = time.monotonic() + 20.0
    while world.get_snapshot().frame < frame and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(world.get_snapshot().frame == frame)


def test_two_clients_see_one_world(port: int, world: Any, tools: Any) -> None:
    other = tools.connect(port).get_world()
    library = world.get_blueprint_library()
    car = world.spawn_actor(library.find("vehicle.audi.tt"), world.get_map().get_spawn_points()[5])
    frame = world.tick()

    assert learnt_of(other, frame)
    assert [actor.id for actor in other.get_actors().filter("vehicle.*")] == [car.id]
    assert other.tick() == frame + 1
    assert learnt_of(world, frame + 1)


KILLED = """
import sys, carla
client = carla.Client("127.0.0.1", int(sys.argv[1])); client.set_timeout(20.0)
world = client.get_world()
library = world.get_blueprint_library()
camera = library.find("sensor.lidar.ray_cast")
camera.set_attribute("points_per_second", "1000000")
sensor = world.spawn_actor(camera, carla.Transform(carla.Location(50, 0, 2)))
sensor.listen(lambda scan: None)
world.tick()
print("listening", flush=True)
while True:
    world.tick()
"""


def test_a_client_that_is_killed_mid_stream_is_not_missed(port: int, world: Any) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(port)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "listening\n"
    process.kill()
    process.wait(10)
    process.stdout.close()

    frames = [world.tick() for _ in range(20)]

    assert frames == list(range(frames[0], frames[0] + 20))


def test_a_server_that_dies_mid_tick_is_a_time_out_for_its_client(tools: Any) -> None:
    def tick_on() -> None:
        while True:
            world.tick()

    with tools.serving() as (process, port, _):
        client = tools.connect(port)
        world = client.get_world()
        tools.synchronise(world)
        client.set_timeout(1.0)
        # the client keeps Python's lock while it waits, so somebody else has to do it
        killer = "import os, sys, time; time.sleep(0.5); os.kill(int(sys.argv[1]), 9)"
        murder = subprocess.Popen([sys.executable, "-c", killer, str(process.pid)])
        with pytest.raises(RuntimeError, match="time-out of 1000ms while waiting for the simulator"):
            tick_on()
        murder.wait(10)


def _mutated(generator: random.Random) -> bytes:
    """A request that is wrong somehow: in its arguments, its bytes or its length."""
    values: list[Any] = [
        None, True, -1, 0, 1, 2**40, 1.5, float("nan"), "x", b"x", [], [[]], [0, 0, 0], {"a": 1}, [[1, [2]]],
    ]  # fmt: skip
    arguments = [generator.choice(values) for _ in range(generator.randrange(5))]
    data = bytearray(
        msgpack.packb([0, generator.randrange(99), generator.choice(METHODS), [[False], *arguments]])
    )
    fate = generator.randrange(4)
    if fate == 0:
        data = data[: generator.randrange(len(data))]
    elif fate == 1:
        for _ in range(generator.randrange(1, 5)):
            data[generator.randrange(len(data))] = generator.randrange(256)
    elif fate == 2:
        data = bytearray(generator.randbytes(generator.randrange(1, 200)))
    return bytes(data)


def _bombard(port: int, data_port: int, count: int) -> None:
    generator = random.Random(1)
    connection: socket.socket | None = None
    for index in range(count):
        if index % 4 == 3:
            # the server may hang up first
            with (
                contextlib.suppress(ConnectionError),
                socket.create_connection(("127.0.0.1", data_port), 20) as reader,
            ):
                reader.sendall(
                    struct.pack("<I", generator.randrange(10))[: generator.randrange(5)]
                    + generator.randbytes(generator.randrange(3))
                )
            continue
        try:
            if connection is None:
                connection = socket.create_connection(("127.0.0.1", port), 20)
            connection.sendall(_mutated(generator))
        except OSError:
            # the server has hung up, as it should
            if connection is not None:
                connection.close()
            connection = None
        if connection is not None and generator.random() < 0.2:
            connection.close()
            connection = None
    if connection is not None:
        connection.close()


@pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_mutated_messages_harm_nobody(count: int, tools: Any) -> None:
    with tools.serving() as (process, port, data_port):
        client = tools.connect(port, 60.0)
        world = client.get_world()
        tools.synchronise(world)
        library, fixes = world.get_blueprint_library(), queue.Queue()  # type: ignore[var-annotated]
        car = world.spawn_actor(library.find("vehicle.audi.tt"), world.get_map().get_spawn_points()[5])
        sensor = world.spawn_actor(library.find("sensor.other.gnss"), carla.Transform(), attach_to=car)
        sensor.listen(fixes.put)
        # a process of its own: the client keeps Python's lock while it waits
        attack = subprocess.Popen([sys.executable, __file__, str(port), str(data_port), str(count)])
        frames = [world.tick()]
        while attack.poll() is None:
            frames.append(world.tick())
        received = {fixes.get(timeout=60.0).frame}
        while frames[-1] not in received:
            received.add(fixes.get(timeout=60.0).frame)

        assert attack.returncode == 0
        assert process.poll() is None
        assert len(frames) > 20
        # some messages are right by chance, and tick as well
        assert all(before < after for before, after in itertools.pairwise(frames))
        assert set(frames) <= received
        assert world.get_actor(car.id).type_id == "vehicle.audi.tt"
        sensor.stop()
        assert tools.connect(port, 60.0).get_world().tick() > frames[-1]


if __name__ == "__main__":
    _bombard(*map(int, sys.argv[1:]))
