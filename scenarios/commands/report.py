"""``dirtyroad report``: results as a page, as Markdown, or as JSON."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from scenarios.commands.selection import check_file
from simulator.errors import InfrastructureError


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "report",
        help="make a page of results",
        description="Make a report of batches or runs: a single self-contained HTML page, Markdown, or JSON.",
    )
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUNS", help="folders of batches, of runs, or full of runs"
    )
    parser.add_argument("--format", choices=("html", "md", "json"), default="html", help="default: html")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="default: report.html beside the first results, else printed"
    )
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    check_file("--out", arguments.out)
    from scenarios.reports import report
    from scenarios.reports.data import read_results

    results, out = read_results(arguments.runs), arguments.out
    if arguments.format == "html":
        out = out or arguments.runs[0] / "report.html"
        text = report.html(results)
    elif arguments.format == "md":
        text = report.markdown(results)
    else:
        text = json.dumps(report.to_json(results), indent=2, allow_nan=False)
    if out is None:
        print(text)
        return 0
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InfrastructureError(f"--out {out}: cannot be written ({error})") from error
    print(out)
    return 0
