"""The ``dirtyroad`` command.

Exit codes: 0 all criteria met, 1 a criterion not met, 2 invalid input, 3 infrastructure error. Results go to
standard output (as one JSON object with ``--json``), everything else to standard error.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from simulator.errors import InfrastructureError, InvalidInput

COMMANDS = (
    "run",
    "batch",
    "report",
    "compare",
    "view",
    "validate",
    "list",
    "schema",
    "train",
    "check_assistant",
    "bench",
    "certify",
    "gap",
    "export",
    "picture",
    "rlog",
    "results",
    "serve",
)
"""Modules of ``scenarios.commands``; each has ``add_parser(subparsers)`` and the function that it names."""


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="dirtyroad", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in COMMANDS:
        import_module(f"scenarios.commands.{name}").add_parser(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit code and never raises."""
    try:
        parsed = make_parser().parse_args(arguments)
        return int(parsed.execute(parsed))
    except SystemExit as stop:  # argparse: 0 after --help, 2 after a wrong command line
        return int(stop.code or 0)
    except InvalidInput as error:
        print(f"invalid input: {error}", file=sys.stderr)
        return 2
    except InfrastructureError as error:
        print(f"infrastructure error: {error}", file=sys.stderr)
        return 3
    except BrokenPipeError:  # whoever read the output has seen enough
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (for what Python flushes when it ends)
        return 0
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 3
    except Exception:
        # not exit code 1, which would say that a car drove badly
        traceback.print_exc()
        print("this is a fault of dirtyroad or of a plugin; please report it", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
