"""``dirtyroad compare``: what differs between two batches beyond noise."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenarios.output import print_json, print_table

if TYPE_CHECKING:
    from scenarios.reports.compare import Comparison

COLUMNS = ("driver, attack, defense", "metric", "before", "after", "pairs differing", "p", "beyond noise")


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "compare",
        help="say what differs between two batches",
        description="Say what differs between two batches of the same episodes, and which differences are beyond "
        "noise (signed ranks over all episodes of an attack and defense, false discovery rate 5 %). Looking never "
        "fails: the exit code is 0 whatever differs; gates are what fails a batch.",
    )
    parser.add_argument("before", type=Path, metavar="A", help="folder of a batch or of runs")
    parser.add_argument("after", type=Path, metavar="B", help="another one")
    parser.add_argument("--format", choices=("text", "md", "json"), default="text", help="default: text")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    from scenarios.reports.compare import compare
    from scenarios.reports.data import read_results

    comparison = compare(read_results([arguments.before]), read_results([arguments.after]))
    if arguments.format == "json":
        print_json(comparison.to_json())
        return 0
    for title, columns, rows in tables(comparison):
        if arguments.format == "md":
            print(f"{title}\n\n{markdown(columns, rows)}\n")
        else:
            print_table(title, columns, rows)
    if not tables(comparison):
        print("nothing differs")
    return 0


def tables(comparison: Comparison) -> list[tuple[str, tuple[str, ...], list[tuple[str, ...]]]]:
    """Title, columns and rows of what there is to show."""
    differences: list[tuple[str, ...]] = [
        (
            ", ".join(one.group),
            one.metric,
            f"{one.before:.4g}",
            f"{one.after:.4g}",
            f"{one.differing} of {one.pairs}",
            f"{one.p:.2g}",
            "YES" if one.beyond_noise else "no",
        )
        for one in comparison.differences
    ]
    found: list[tuple[str, tuple[str, ...], list[tuple[str, ...]]]] = [
        ("differences", COLUMNS, differences),
        ("other verdicts of gates", ("gate", "before", "after"), list(comparison.gates)),
        ("other verdicts of episodes", ("episode", "before", "after"), list(comparison.verdicts)),
        ("only before", ("episode",), [(one,) for one in comparison.only_before]),
        ("only after", ("episode",), [(one,) for one in comparison.only_after]),
    ]
    return [(title, columns, rows) for title, columns, rows in found if rows]


def markdown(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table for a pull request."""
    lines = [columns, ("---",) * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
