"""``dirtyroad serve``: a CARLA server without GPU and Unreal."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path
from typing import Any

from scenarios.commands.selection import check_numbers
from simulator.errors import InvalidInput

DESCRIPTION = """\
Serve CARLA clients: programs written for the `carla` package of version 0.9.16 connect to this process as to CARLA.

  dirtyroad serve --maps ~/maps --map Town01
  python -c "import carla; print(carla.Client('127.0.0.1', 2000).get_world().get_map().name)"

What there is: every OpenDRIVE map of the folder and those that clients send, synchronous and asynchronous ticking, cars
and walkers that move and push each other, traffic lights, weather, and the sensors camera (colour, depth, labels),
LiDAR, radar, IMU, GNSS, collision, obstacle and lane invasion. The client's Traffic Manager works.

What there is not: buildings, plants and terrain; tyres, suspension and engines (cars are kinematic bicycles on a level
road); a recorder; navigation meshes for walkers; other sensors. It has not been compared with CARLA's Unreal server.
"""


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "serve",
        help="be a CARLA server",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--port", type=int, default=2000, metavar="N", help="of the calls (default: 2000; 0: any)"
    )
    parser.add_argument(
        "--streaming-port", type=int, metavar="N", help="of sensor data (default: the one after --port)"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen at (default: 127.0.0.1, this machine only; clients are not asked who they are)",
    )
    parser.add_argument("--maps", type=Path, metavar="FOLDER", help="folder with OpenDRIVE maps (.xodr)")
    parser.add_argument(
        "--map",
        metavar="NAME",
        default="Straight",
        help="the first map, such as Town01 (default: a straight country road)",
    )
    parser.add_argument("--quiet", action="store_true", help="report errors only")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Run the command until it is interrupted; returns the exit code."""
    check_numbers(arguments, port=(0, 65535), streaming_port=(0, 65535))
    if arguments.streaming_port is None and arguments.port == 65535:
        raise InvalidInput(
            "--port 65535: there is no port after it for the data; give another or --streaming-port"
        )
    logging.basicConfig(
        level=logging.ERROR if arguments.quiet else logging.INFO,
        format="%(levelname)s %(message)s",
        stream=sys.stderr,
    )
    import torch

    from simulator.carla.server import Options, Server
    from simulator.carla.town import MapFolder

    # the client waits in a busy loop and needs a core of its own
    torch.set_num_threads(1)
    options = Options(arguments.host, arguments.port, arguments.streaming_port)
    server = Server(options, MapFolder(arguments.maps), arguments.map)

    def started(port: int, streaming_port: int) -> None:
        print(f"serving CARLA 0.9.16 at {arguments.host}:{port} (data: {streaming_port})", flush=True)

    try:
        asyncio.run(server.serve(started))
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    return 0
