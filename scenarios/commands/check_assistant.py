"""``dirtyroad check-assistant``: what is wrong with an assistant."""

from __future__ import annotations

import argparse
from typing import Any

from scenarios.commands import selection
from scenarios.output import print_json, print_table
from scenarios.registry import plugin


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "check-assistant",
        help="say what is wrong with an assistant",
        description="Try every rule that an assistant has to keep in the closed loop, and say what is wrong with it. "
        "The exit code is 1 if anything is.",
    )
    parser.add_argument("name", help="of the assistant, as in `dirtyroad list assistants`")
    selection.add_options(parser, "assistant")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    from scenarios.assistant_checks import check_assistant
    from simulator.vehicle import VehicleParameters

    found = plugin("assistants", arguments.name)
    options = selection.parse_options("assistants", arguments.name, arguments.overrides)
    factory = found.load()
    factory(options, VehicleParameters(), 0.0)  # what cannot be made is no finding, but wrong input
    findings = list(check_assistant(lambda: factory(options, VehicleParameters(), 0.0), found.reads_truth))
    sound = not any(finding.fault for finding in findings)
    if arguments.json:
        print_json(
            {"assistant": arguments.name, "sound": sound, "findings": [vars(finding) for finding in findings]}
        )
    else:
        rows = [(finding.check, finding.fault or "yes") for finding in findings]
        print_table(f"assistant {arguments.name}", ("check", "result"), rows)
    return 0 if sound else 1
