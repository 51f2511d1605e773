"""``dirtyroad run``: drive scenarios, print what came of it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenarios.commands import selection
from scenarios.commands.output import print_json, print_table, progress_bar
from simulator.world import InvalidInput

if TYPE_CHECKING:
    from scenarios.runner import Judgement, Outcome
    from scenarios.schema import Criterion

SUMMARY = {
    "lateral_offset_p99": "offset p99",
    "lateral_offset_max": "offset max",
    "time_to_lane_departure": "departure",
    "steering_saturation": "saturation",
    "collision": "collision",
}
"""What is shown of each of several runs; ``metrics.json`` has everything."""


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "run",
        help="drive scenarios and judge them",
        description="Drive scenarios and judge them by their criteria.",
    )
    selection.add_arguments(parser)
    parser.add_argument(
        "--seeds", type=int, metavar="K", default=1, help="repeat every scenario with K successive seeds"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs"), metavar="DIR", help="where run folders go (default: runs)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    if not 1 <= arguments.seeds <= 1000:
        raise InvalidInput(f"--seeds {arguments.seeds}: give a number from 1 to 1000")
    scenarios = [
        scenario.with_seed(scenario.seed + repetition)
        for scenario in selection.chosen(arguments)
        for repetition in range(arguments.seeds)
    ]
    from scenarios.runner import run
    from scenarios.store import Store

    store = Store(arguments.out)
    iterations = sum(getattr(scenario.attack, "iterations", 0) for scenario in scenarios)
    steps = sum(scenario.steps for scenario in scenarios)
    with progress_bar("optimising and driving" if iterations else "driving", iterations + steps) as advance:
        outcomes = run(scenarios, advance, advance, store)
    folders = [outcome.save(store) for outcome in outcomes]
    met = all(outcome.met for outcome in outcomes)
    if arguments.json:
        runs = [
            {**outcome.to_json(), "folder": folder, "timing": outcome.timing}
            for outcome, folder in zip(outcomes, folders, strict=True)
        ]
        print_json({"met": met, "runs": runs})
    elif len(outcomes) == 1:
        show_one(outcomes[0], folders[0])
    else:
        show_many(outcomes)
        print(f"run folders: {arguments.out}")
    return 0 if met else 1


def show_one(outcome: Outcome, folder: str) -> None:
    """Every metric of one run, with its criterion."""
    bounds = {judgement.criterion.metric: judgement for judgement in outcome.judgements}
    rows = []
    for name, value in outcome.metrics.items():
        judgement = bounds.get(name)
        if not value.valid and judgement is None and outcome.scenario.attack is None:
            continue  # what is measured of attacks only
        rows.append(
            (name, str(value), describe(judgement.criterion) if judgement else "", verdict(judgement))
        )
    title = (
        f"{outcome.scenario.name}, seed {outcome.scenario.seed}, driven by {outcome.scenario.assistant.type}"
    )
    print_table(title, ("metric", "value", "criterion", "verdict"), rows)
    factor = outcome.timing["real_time_factor"]
    print(f"{outcome.recording.duration_s:g} s driven at {factor:.1f} times real time; run folder: {folder}")


def show_many(outcomes: Sequence[Outcome]) -> None:
    """One line for each of several runs."""
    rows = [
        (
            outcome.scenario.name,
            str(outcome.scenario.seed),
            *(str(outcome.metrics[name]) for name in SUMMARY),
            "met" if outcome.met else "NOT MET: " + ", ".join(failed(outcome)),
        )
        for outcome in outcomes
    ]
    print_table(f"{len(outcomes)} runs", ("scenario", "seed", *SUMMARY.values(), "criteria"), rows)


def failed(outcome: Outcome) -> list[str]:
    """The metrics whose criteria were not met."""
    return [judgement.criterion.metric for judgement in outcome.judgements if not judgement.met]


def verdict(judgement: Judgement | None) -> str:
    """``met``, ``not met``, or nothing where there is no criterion."""
    if judgement is None:
        return ""
    return "met" if judgement.met else "not met (optional)" if judgement.criterion.optional else "NOT MET"


def describe(criterion: Criterion) -> str:
    """A criterion in signs."""
    low = "" if criterion.min is None else f">= {criterion.min:g}"
    high = "" if criterion.max is None else f"<= {criterion.max:g}"
    return " and ".join(filter(None, (low, high)))
