"""``dirtyroad bench``: how fast dirtyroad is on this machine."""

from __future__ import annotations

import argparse
from typing import Any

from scenarios.output import print_json, print_table, progress_bar
from simulator.errors import InvalidInput


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "bench",
        help="measure speed",
        description="Measure speed: 'loop' is the closed loop with the shipped driver at 20 Hz, model frame only, with "
        "one world on one thread and with 16 worlds on two; 'carla' is 'dirtyroad serve' with one car and "
        "the CARLA client that ticks it; 'bounds' is verified bounds of six small networks by six methods, on "
        "one thread; 'fusion' is one step of certified training with and without loss fusion; 'batch' is what 100 very "
        "short episodes cost beyond themselves, on one worker and on two.",
    )
    parser.add_argument(
        "what", choices=["loop", "carla", "bounds", "fusion", "batch"], help="what to measure"
    )
    parser.add_argument(
        "--network", action="append", metavar="NAME", help="of 'bounds', bound this network only; repeatable"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    if arguments.network and arguments.what != "bounds":
        raise InvalidInput(f"--network: '{arguments.what}' bounds no networks")
    if arguments.what == "carla":
        return carla(arguments.json)
    if arguments.what == "bounds":
        return bounds(arguments.network, arguments.json)
    if arguments.what == "fusion":
        return fusion(arguments.json)
    if arguments.what == "batch":
        return batch(arguments.json)
    from scenarios.benchmarks.loop import loop

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
    from scenarios.benchmarks.carla import throughput

    measured = throughput()
    if as_json:
        print_json({"carla": [vars(one) for one in measured]})
        return 0
    rows = [(one.camera, f"{one.ticks_per_s:.0f}") for one in measured]
    print_table("CARLA server and client, one synchronous world", ("camera", "ticks per second"), rows)
    return 0


def bounds(networks: list[str] | None, as_json: bool) -> int:
    """Bound some networks, all of them by default; returns the exit code."""
    from defenses.bounds import keep_freed_memory
    from scenarios.benchmarks import bounds as bench_bounds

    cases = bench_bounds.cases(networks)
    measured = []
    keep_freed_memory()
    with progress_bar("bounds", len(cases) * len(bench_bounds.METHODS)) as advance:
        for case in cases:
            for one in bench_bounds.measure(*case):
                measured.append(one)
                advance(1)
    if as_json:
        print_json({"bounds": [vars(one) for one in measured]})
        return 0
    rows = [
        (
            one.network,
            str(one.batch),
            one.method,
            f"{one.seconds:.3f}",
            _mib(one.peak_mib),
            f"{one.width:.6g}",
        )
        for one in measured
    ]
    columns = ("network", "batch", "method", "time [s]", "memory [MiB]", "mean width")
    print_table("bounds of networks, one thread", columns, rows)
    return 0


def fusion(as_json: bool) -> int:
    """Measure steps of training; returns the exit code."""
    from defenses.bounds import keep_freed_memory
    from scenarios.benchmarks.fusion import CLASSES, steps

    keep_freed_memory()
    measured = [step for classes in CLASSES for step in steps(classes)]
    if as_json:
        print_json({"fusion": [vars(one) for one in measured]})
        return 0
    rows = [
        (str(one.classes), one.loss, f"{one.seconds:.3f}", _mib(one.peak_mib), f"{one.value:.4g}")
        for one in measured
    ]
    columns = ("classes", "loss", "time [s]", "memory [MiB]", "value")
    print_table("one step of training with 32 inputs, one thread", columns, rows)
    return 0


def batch(as_json: bool) -> int:
    """Measure batches; returns the exit code."""
    from scenarios.benchmarks.batch import EPISODES, overhead

    with progress_bar("episodes", 2 * EPISODES) as advance:
        measured = [overhead(workers, advance) for workers in (1, 2)]
    if as_json:
        print_json({"batch": [vars(one) for one in measured]})
        return 0
    rows = [
        (str(one.workers), f"{one.wall_s:.1f}", f"{one.episodes_s:.1f}", f"{one.overhead_ms:.0f}")
        for one in measured
    ]
    columns = ("workers", "wall time [s]", "episodes [s]", "beyond each [ms]")
    print_table(f"a batch of {EPISODES} very short episodes", columns, rows)
    return 0


def _mib(size: float | None) -> str:
    return "-" if size is None else f"{size:.0f}"
