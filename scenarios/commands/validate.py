"""``dirtyroad validate``: check scenario files without driving."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from scenarios.commands import selection
from scenarios.output import print_json, print_table
from simulator.errors import InvalidInput


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "validate",
        help="check scenario files",
        description="Check scenario files, their maps and roads included, without driving. Every file is checked; "
        "the exit code is 2 if there is a fault in any of them.",
    )
    selection.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    from scenarios.build import check_buildable
    from scenarios.files import load

    changes = selection.overrides(arguments)
    checked = []
    for path in selection.files(arguments):
        fault = None
        try:
            check_buildable(load(path, changes, arguments.maps), str(path))
        except InvalidInput as error:
            fault = str(error)
            print(f"invalid input: {fault}", file=sys.stderr)
        checked.append({"file": str(path), "valid": fault is None, "fault": fault})
    valid = all(entry["valid"] for entry in checked)
    if arguments.json:
        print_json({"valid": valid, "files": checked})
    else:
        rows = [(str(entry["file"]), "valid" if entry["valid"] else "INVALID") for entry in checked]
        print_table("scenario files", ("file", "verdict"), rows)
    return 0 if valid else 2
