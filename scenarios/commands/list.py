"""``dirtyroad list``: what there is to name in a scenario file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from scenarios.output import print_json, print_table
from scenarios.registry import GROUPS, faults, plugins


def _scenarios() -> list[tuple[str, str]]:
    from scenarios.files import packaged

    return _described(packaged())


def _suites() -> list[tuple[str, str]]:
    from scenarios.files import packaged_suites

    return _described(packaged_suites())


def _described(paths: Mapping[str, Path]) -> list[tuple[str, str]]:
    from scenarios.files import read

    return [(name, str(read(path).data.get("description", ""))) for name, path in paths.items()]


def _weathers() -> list[tuple[str, str]]:
    from simulator.weather import PRESETS, Weather

    plain = vars(Weather())
    return [
        (
            name,
            ", ".join(
                f"{field} {value:g}" for field, value in vars(weather).items() if value != plain[field]
            ),
        )
        for name, weather in sorted(PRESETS.items())
    ]


def _vehicles() -> list[tuple[str, str]]:
    from simulator.vehicle import PRESETS, VehicleParameters

    plain = vars(VehicleParameters())
    return [
        (
            name,
            ", ".join(f"{field} {value}" for field, value in vars(vehicle).items() if value != plain[field]),
        )
        for name, vehicle in PRESETS.items()
    ]


def _plugins(group: str) -> Callable[[], list[tuple[str, str]]]:
    return lambda: [(name, plugin.summary) for name, plugin in plugins(group).items()]


KINDS: dict[str, Callable[[], list[tuple[str, str]]]] = {
    "scenarios": _scenarios,
    "suites": _suites,
    **{group: _plugins(group) for group in GROUPS},
    "weathers": _weathers,
    "vehicles": _vehicles,
}


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    description = "List what is installed: packaged scenarios, and everything a scenario file may name."
    parser = subparsers.add_parser("list", help="list what is installed", description=description)
    parser.add_argument("kind", choices=KINDS, help="what to list")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    rows = KINDS[arguments.kind]()
    for fault in faults(arguments.kind).values() if arguments.kind in GROUPS else ():
        print(fault, file=sys.stderr)
    if arguments.json:
        print_json({arguments.kind: dict(rows)})
    else:
        print_table(arguments.kind, ("name", "description"), rows)
    return 0
