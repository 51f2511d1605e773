"""``dirtyroad bench``: how fast dirtyroad is on this machine."""

from __future__ import annotations

import argparse
from typing import Any

from scenarios.commands.output import print_json, print_table


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "bench",
        help="measure speed",
        description="Measure speed: 'loop' is the closed loop with the shipped driver at 20 Hz, model frame only, with "
        "one world on one thread and with 16 worlds on two; 'carla' is 'dirtyroad serve' with one car and "
        "the CARLA client that ticks it.",
    )
    parser.add_argument("what", choices=["loop", "carla"], help="what to measure")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    if arguments.what == "carla":
        return carla(arguments.json)
    from scenarios.bench import loop

    speeds = loop()
    if arguments.json:
        print_json({"loop": [vars(speed) for speed in speeds]})
        return 0
    columns = ("worlds", "threads", "times real time", "render [ms]", "network [ms]", "rest [ms]")
    rows = [
        (
            str(speed.worlds),
            str(speed.threads),
            f"{speed.real_time_factor:.1f}",
            f"{speed.render_ms:.2f}",
            f"{speed.network_ms:.2f}",
            f"{speed.rest_ms:.2f}",
        )
        for speed in speeds
    ]
    print_table("closed loop; times for one frame of one world", columns, rows)
    return 0


def carla(as_json: bool) -> int:
    """Measure the server; returns the exit code."""
    from scenarios.bench_carla import throughput

    measured = throughput()
    if as_json:
        print_json({"carla": [vars(one) for one in measured]})
        return 0
    rows = [(one.camera, f"{one.ticks_per_s:.0f}") for one in measured]
    print_table("CARLA server and client, one synchronous world", ("camera", "ticks per second"), rows)
    return 0
