"""``dirtyroad schema``: what a scenario or suite file may hold, as JSON Schema, for editors."""

from __future__ import annotations

import argparse
from typing import Any

from scenarios.output import print_json


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    description = (
        "Print the JSON Schema of scenario or suite files, the options of all installed plugins included."
    )
    parser = subparsers.add_parser(
        "schema", help="print the JSON Schema of scenario and suite files", description=description
    )
    parser.add_argument(
        "what", nargs="?", choices=("scenario", "suite"), default="scenario", help="default: scenario"
    )
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    from pydantic import BaseModel

    from scenarios.batches.suite import Suite
    from scenarios.schema import Scenario

    models: dict[str, type[BaseModel]] = {"scenario": Scenario, "suite": Suite}
    print_json(models[arguments.what].model_json_schema())
    return 0
