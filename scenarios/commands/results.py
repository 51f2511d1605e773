"""``dirtyroad results``: run the README's slow figures again, and rewrite its tables."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from scenarios.commands.selection import check_file, check_numbers
from scenarios.output import print_json, print_table
from scenarios.results import sections
from simulator.errors import InvalidInput

OUT = Path("batches/results")


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "results",
        help="run the README's slow figures again",
        description="Run the figures of the README again that are too slow for the tests, and rewrite its tables. "
        "Those of attacks take hours; they keep every drive in a folder, and go on there when they are begun again. "
        "The exit code is 1 if a bar is not met.",
    )
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"of {', '.join(sections.SECTIONS)} (default: all)"
    )
    parser.add_argument(
        "--readme", type=Path, default=Path("README.md"), metavar="FILE", help="default: README.md"
    )
    parser.add_argument(
        "--maps",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help="folder of the OpenDRIVE maps, or of the recorded drives; may be repeated",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=OUT,
        metavar="DIR",
        help=f"where attacks keep drives (default: {OUT})",
    )
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="attacked drives at a time (default: 1)"
    )
    parser.add_argument(
        "--driver",
        action="append",
        default=[],
        metavar="NAME=ASSISTANT",
        help="one more driver for the transfer of patches, such as "
        "twinlitenet='{type: twinlitenet, weights: best.pth}'; may be repeated",
    )
    parser.add_argument("--dry", action="store_true", help="print, and leave the README as it is")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    check_numbers(arguments, workers=(1, 1024))
    unknown = [name for name in arguments.sections if name not in sections.SECTIONS]
    if unknown:
        known = ", ".join(sections.SECTIONS)
        raise InvalidInput(f"results: there is no section {unknown[0]}; there are {known}")
    chosen = arguments.sections or [
        name
        for name in sections.SECTIONS
        if name not in sections.NEEDED or getattr(arguments, sections.NEEDED[name])
    ]
    from scenarios import yaml_text
    from scenarios.results.drp_drivers import shipped_drivers
    from scenarios.results.tables import Means

    if not arguments.dry:
        check_file("--readme", arguments.readme)
        for name in chosen:  # before the work, not after it
            sections.find(arguments.readme, name)
    drivers = {}
    for words in arguments.driver:
        name, equals, text = words.partition("=")
        if not (name and equals and text):
            raise InvalidInput(f"--driver {words}: write it as NAME=ASSISTANT")
        if name in drivers or name in shipped_drivers():
            raise InvalidInput(f"--driver {words}: there is a driver of that name already; give another name")
        drivers[name] = yaml_text.parse(text, f"--driver {name}").data
    means = Means(arguments.maps, arguments.out, arguments.workers, drivers)
    tables = {}
    for name in chosen:
        tables[name] = sections.maker(name)(means)
        if not arguments.dry:
            sections.rewrite(arguments.readme, name, tables[name])
        if not arguments.json:
            met = "all bars met" if tables[name].met else "NOT ALL BARS MET"
            print_table(f"{name}: {met}", tables[name].columns, tables[name].rows)
    if arguments.json:
        print_json({name: {"met": t.met, "columns": t.columns, "rows": t.rows} for name, t in tables.items()})
    return 0 if all(table.met for table in tables.values()) else 1
