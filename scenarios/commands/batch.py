"""``dirtyroad batch``: run a suite and judge it by its gates."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenarios.commands.selection import check_file, check_numbers
from scenarios.output import print_json, print_table
from simulator.errors import InvalidInput

if TYPE_CHECKING:
    from scenarios.batches.batch import BatchResult

SHOWN_EPISODES = 20


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "batch",
        help="run a suite of scenarios and judge it by its gates",
        description="Run every episode of a suite, each in a process that may crash or hang alone, and judge the suite "
        "by its gates. A batch that was killed goes on with --resume: nothing that was finished is repeated or lost. "
        "Exit codes: 0 all gates met, 1 a gate not met, 2 invalid input, 3 an episode without a result.",
    )
    parser.add_argument("suite", metavar="SUITE", help="a suite file, or a packaged suite (ci)")
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="episodes at a time on this machine (default: 1)"
    )
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="use the workers of this Dask scheduler, tcp://host:port"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the batch (default: batches/ and the suite's name)"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the batch that is in the folder")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML")
    parser.add_argument("--limit", type=int, metavar="K", help="run the first K episodes only")
    parser.add_argument(
        "--maps",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help="folder of OpenDRIVE maps, or of recorded drives; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    check_numbers(arguments, workers=(1, 1024), limit=(1, 10**6))
    check_file("--junit", arguments.junit)
    if arguments.scheduler is not None and arguments.workers != 1:
        raise InvalidInput("--workers: the workers of --scheduler are used; give one of the two")
    if arguments.junit is not None:
        from scenarios.batches.junit import write_junit  # before the work, not after it
    from scenarios.batches.batch import Crew, run_batch
    from scenarios.batches.expansion import load_batch
    from scenarios.batches.progress import progress

    batch = load_batch(arguments.suite, arguments.maps)
    out = arguments.out or Path("batches") / batch.suite.name
    crew = Crew(arguments.workers, arguments.scheduler)
    total = len(batch.episodes[: arguments.limit])
    with progress(batch.suite.name, total) as note:
        result = run_batch(batch, out, arguments.resume, arguments.limit, crew, note)
    if arguments.junit is not None:
        write_junit(result, arguments.junit)
    if arguments.json:
        print_json({"exit_code": result.exit_code, "folder": str(out), **result.to_json()})
    else:
        show(result)
        print(f"results: {out}; a page of them: dirtyroad report {out}")
    return result.exit_code


def show(result: BatchResult) -> None:
    """Gates, and the episodes that need a look."""
    counts = Counter(episode.verdict for episode in result.episodes)
    listed = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
    print(f"{result.batch.suite.name}: {len(result.episodes)} episodes: {listed}")
    bad = [episode for episode in result.episodes if episode.verdict != "met"]
    if bad:
        rows = [(str(one.episode.labels), one.verdict, one.reason) for one in bad[:SHOWN_EPISODES]]
        more = f", the first {SHOWN_EPISODES} of {len(bad)}" if len(bad) > SHOWN_EPISODES else ""
        print_table(f"episodes that are not met{more}", ("episode", "verdict", "why"), rows)
    if result.gates:
        rows = [
            (str(one.gate), one.reason if one.interval is None else str(one.interval), one.verdict)
            for one in result.gates
        ]
        print_table("gates", ("gate", "figure", "verdict"), rows)
