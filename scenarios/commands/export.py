"""``dirtyroad export``: the driver as a file that other programs can run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from scenarios.commands.selection import check_file
from scenarios.output import print_json, print_table
from simulator.errors import InvalidInput, MissingExtra

EPILOG = """\
layouts, each named after the openpilot release that brought it:
  0.7.3            frames as (x - 128) / 128, a line point at every metre
  0.8.2            five plans over ten seconds, lines at 33 distances, traffic convention
  0.8.5 0.8.10     shorter plans; more about the car ahead
  0.8.13           also a wide camera
  0.9.6            feature vectors of the last five seconds instead of a recurrent state
0.6.6 and 0.7 show one frame at a time, of which the driver cannot tell how it moves: they are read, not written.

example:
  dirtyroad export lane_keeping --layout 0.8.2 --out driver.onnx
  dirtyroad run benign/highway_straight --set 'assistant={type: supercombo, model: driver.onnx}'
"""


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "export",
        help="write the driver as an ONNX file in one of openpilot's layouts",
        description="Write the driver as an ONNX file with exactly the inputs and the output vector that driving "
        "networks of an openpilot release have. Needs the extra 'openpilot'.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=["lane_keeping"], help="what to export")
    parser.add_argument("--layout", required=True, metavar="VERSION", help="one of those below")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="an .onnx file")
    parser.add_argument(
        "--weights",
        default="standard",
        metavar="NAME|FILE",
        help="of the driver: a name of 'dirtyroad train', or a .safetensors file (default: standard)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    if arguments.out.suffix != ".onnx":
        raise InvalidInput(f"--out {arguments.out}: give a name that ends in .onnx")
    check_file("--out", arguments.out)
    try:
        import onnxscript  # noqa: F401 (the exporter imports it late, and says less)

        from lkas.export import export_driver
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"export needs {error.name}, which is not installed: pip install 'dirtyroad[openpilot]'"
        ) from error
    from lkas.driver import load_driver
    from lkas.layouts import LAYOUTS
    from lkas.zoo.supercombo_inputs import INPUTS

    export_driver(load_driver(arguments.weights), arguments.layout, arguments.out)
    ports = [("input", port.name, (1, *port.shape)) for port in INPUTS[arguments.layout]]
    ports.append(("output", "outputs", (1, LAYOUTS[arguments.layout].size)))
    if arguments.json:
        shapes = [{"kind": kind, "name": name, "shape": shape} for kind, name, shape in ports]
        print_json({"file": str(arguments.out), "layout": arguments.layout, "ports": shapes})
    else:
        rows = [(kind, name, " x ".join(map(str, shape))) for kind, name, shape in ports]
        print_table(f"{arguments.out}, layout of openpilot {arguments.layout}", ("", "name", "shape"), rows)
    return 0
