"""``dirtyroad certify``: prove what perturbations cannot do."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenarios.commands.certified_training import add_digits, add_landscape, add_language
from scenarios.commands.selection import check_file, check_numbers
from scenarios.output import print_json, print_table, progress_bar
from simulator.errors import InvalidInput

if TYPE_CHECKING:
    from scenarios.results.driver_bounds import CurvatureBound

RADII = (1.0, 2.0, 4.0, 8.0, 16.0)


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("certify", help="prove what perturbations cannot do")
    subjects = parser.add_subparsers(metavar="SUBJECT", required=True)
    _add_driver(subjects)
    add_digits(subjects)
    add_landscape(subjects)
    add_language(subjects)


def _add_driver(subjects: Any) -> None:
    parser = subjects.add_parser(
        "driver",
        help="prove how little a road patch can do to the driver",
        description="Drive along a scenario's road without its attack, and at places along it bound the curvature that "
        "the driver desires, over all patches ahead of it of a budget: 'pixels' lets every pixel that shows the patch "
        "change by itself, 'cells' the patch's own cells, as the camera sees them. The planner stands as its tangent, "
        "with the weights of the clean frame. A patch is harmless if it cannot bend the path by more than keeps the "
        "car in its lane for one second. The exit code is 1 if an attack leaves the bounds.",
    )
    parser.add_argument("scenario", metavar="FILE|NAME", help="what to drive")
    parser.add_argument(
        "--driver",
        action="append",
        metavar="NAME|FILE",
        help="weights of a driver, or 'small' for the one trained for tight bounds; repeatable (default: standard)",
    )
    parser.add_argument(
        "--threat", choices=["pixels", "cells"], default="pixels", help="what changes (default: pixels)"
    )
    parser.add_argument(
        "--radius",
        type=float,
        action="append",
        metavar="R",
        help="budget in steps of brightness, 255 from black to white; repeatable (default: 1 2 4 8 16)",
    )
    parser.add_argument(
        "--every", type=float, default=50.0, metavar="M", help="from place to place (default: 50 m)"
    )
    parser.add_argument("--places", type=int, default=3, metavar="N", help="at most so many (default: 3)")
    parser.add_argument(
        "--frames", type=int, default=1, metavar="N", help="frames with a patch in them (default: 1)"
    )
    parser.add_argument("--ahead", type=float, default=7.0, metavar="M", help="of the patch (default: 7 m)")
    parser.add_argument(
        "--length", type=float, default=37.8, metavar="M", help="of the patch (default: 37.8)"
    )
    parser.add_argument("--width", type=float, default=5.7, metavar="M", help="of the patch (default: 5.7 m)")
    parser.add_argument("--cell", type=float, default=0.3, metavar="M", help="of the patch (default: 0.3 m)")
    parser.add_argument(
        "--attacks", type=int, default=0, metavar="N", help="beneath every bound (default: 0)"
    )
    parser.add_argument(
        "--effort",
        type=float,
        metavar="N",
        help="coefficients for the bounds of one layer (default: 1e8); 'inf' for the tightest bounds, which take "
        "minutes for the shipped driver",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the attacks (default: 0)")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw the certified radius along the road, as .png or .svg"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(execute=execute_driver)


def execute_driver(arguments: argparse.Namespace) -> int:
    """Bound the driver's desired curvature; returns the exit code."""
    _check(arguments)
    import torch

    from attacks.threat import RoadPatchThreat
    from defenses.bounds import Backward, keep_freed_memory
    from scenarios.files import load, locate
    from scenarios.results.driver_bounds import bound, load_network, places

    paths = locate(arguments.scenario)
    if len(paths) != 1:
        raise InvalidInput(f"{arguments.scenario}: means {len(paths)} scenarios; name one")
    scenario = load(paths[0])
    patch = RoadPatchThreat(
        arguments.length, arguments.width, arguments.cell, arguments.ahead, keep_marks=False
    )
    radii = sorted(arguments.radius or RADII)
    networks = {name: load_network(name) for name in arguments.driver or ["standard"]}
    method = None if arguments.effort is None else Backward(effort=arguments.effort)
    generator = torch.Generator().manual_seed(arguments.seed)
    found: dict[str, list[CurvatureBound]] = {}
    keep_freed_memory()
    with progress_bar("bounding", len(networks) * arguments.places * len(radii)) as advance:
        for name, network in networks.items():
            found[name] = []
            seen = places(scenario, network, patch, arguments.every, arguments.frames)
            for _, place in zip(range(arguments.places), seen, strict=False):
                for radius in radii:
                    one = bound(
                        place,
                        arguments.threat,
                        radius / 255,
                        method,
                        attacks=arguments.attacks,
                        generator=generator,
                    )
                    found[name].append(one)
                    advance(1)
    if not all(found.values()):
        raise InvalidInput(f"{scenario.name}: nowhere is there room for the patch; make it shorter")
    if arguments.plot is not None:
        from scenarios.results.driver_bounds_plot import draw

        draw(found, arguments.plot)
    every = [(name, one) for name, bounds in found.items() for one in bounds]
    if arguments.json:
        print_json(
            {
                "bounds": [
                    {"driver": name, **vars(one), "harmless": one.harmless, "vacuous": one.vacuous}
                    for name, one in every
                ]
            }
        )
    else:
        title = f"desired curvature on {scenario.name}: patch of {arguments.threat}, [1/km]"
        columns = (
            "driver",
            "at [m]",
            "budget",
            "clean",
            "least",
            "greatest",
            "attacks reach",
            "harmless",
            "time [s]",
        )
        print_table(title, columns, [(name, *_row(one)) for name, one in every])
    return 1 if any(one.violated for _, one in every) else 0


def _check(arguments: argparse.Namespace) -> None:
    if arguments.effort is not None and not arguments.effort > 0:
        raise InvalidInput(f"--effort {arguments.effort}: give a positive number")
    for name in ("radius", "length", "width", "cell", "every"):
        value = getattr(arguments, name)
        if any(
            not 0 < one < 1e4 for one in (value if isinstance(value, list) else [value]) if one is not None
        ):
            raise InvalidInput(f"--{name} {value}: give a positive number below 10000")
    least = {"places": 1, "frames": 1, "attacks": 0, "seed": 0, "ahead": 0}
    check_numbers(arguments, **{name: (low, math.inf) for name, low in least.items()})
    if arguments.threat == "cells" and arguments.frames > 1:
        raise InvalidInput("--frames: cells are bounded in one frame; take --threat pixels for several")
    check_file("--plot", arguments.plot, ".png", ".svg")


def _row(one: CurvatureBound) -> tuple[str, ...]:
    reached = "-"
    if one.attacked_per_m is not None:
        reached = " to ".join(f"{1e3 * value:.3f}" for value in one.attacked_per_m)
    proved = "yes" if one.harmless else "says nothing" if one.vacuous else "not proved"
    return (
        f"{one.s_m:.0f}",
        f"{255 * one.radius:g}/255",
        *(f"{1e3 * value:.4g}" for value in (one.clean_per_m, one.lower_per_m, one.upper_per_m)),
        reached,
        "VIOLATED" if one.violated else proved,
        f"{one.seconds:.1f}",
    )
