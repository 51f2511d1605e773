"""``dirtyroad run``: drive scenarios, print what came of it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenarios.commands import selection
from scenarios.output import print_json, print_table, progress_bar
from simulator.errors import InvalidInput

if TYPE_CHECKING:
    from scenarios.metrics import MetricValue
    from scenarios.runner import Judgement, Watch
    from scenarios.schema import Criterion, Scenario

SUMMARY = {
    "lateral_offset_p99": "offset p99",
    "lateral_offset_max": "offset max",
    "time_to_lane_departure": "departure",
    "steering_saturation": "saturation",
    "collision": "collision",
}
"""What is shown of each of several runs; ``metrics.json`` has everything."""


@dataclass(frozen=True)
class Saved:
    """A run that was driven and saved, without its recording.

    Attributes:
        scenario: as it was run.
        met: whether every criterion was met that is not optional.
        metrics: by name.
        judgements: one for every criterion.
        timing: of the batch that it was in.
        duration_s: that was driven.
        folder: where it is.
        report: as in ``metrics.json``.
    """

    scenario: Scenario
    met: bool
    metrics: dict[str, MetricValue]
    judgements: tuple[Judgement, ...]
    timing: dict[str, float]
    duration_s: float
    folder: str
    report: dict[str, Any]


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
    parser.add_argument("--view", action="store_true", help="watch in Rerun while it is driven")
    parser.add_argument("--web", action="store_true", help="with --view: in a web browser on this machine")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    if arguments.web and not arguments.view:
        raise InvalidInput("--web: says how --view is shown; give both")
    selection.check_numbers(arguments, seeds=(1, 1000))
    scenarios = [
        scenario.with_seed(scenario.seed + repetition)
        for scenario in selection.chosen(arguments)
        for repetition in range(arguments.seeds)
    ]
    from scenarios.runner import run_all
    from scenarios.store import Store

    store = Store(arguments.out)
    store.prepare()
    saved: dict[int, Saved] = {}
    iterations = sum(getattr(scenario.attack, "iterations", 0) for scenario in scenarios)
    steps = sum(scenario.steps for scenario in scenarios)
    with watching(arguments.view, arguments.web) as watch:
        title = "optimising and driving" if iterations else "driving"
        with progress_bar(title, iterations + steps) as advance:
            for index, outcome in run_all(scenarios, advance, advance, store, watch):
                saved[index] = Saved(
                    outcome.scenario,
                    outcome.met,
                    outcome.metrics,
                    outcome.judgements,
                    outcome.timing,
                    outcome.recording.duration_s,
                    outcome.save(store),
                    outcome.to_json(),
                )
        runs = [saved[index] for index in range(len(scenarios))]
        met = all(run.met for run in runs)
        if arguments.json:
            entries = [{**run.report, "folder": run.folder, "timing": run.timing} for run in runs]
            print_json({"met": met, "runs": entries})
        elif len(runs) == 1:
            show_one(runs[0])
        else:
            show_many(runs)
            print(f"run folders: {arguments.out}")
    return 0 if met else 1


@contextmanager
def watching(view: bool, web: bool) -> Iterator[Watch | None]:
    """What looks on while scenarios are driven, in a viewer that stays until it is closed; None without ``view``."""
    if not view:
        yield None
        return
    from scenarios.metrics import CAR_WIDTH_M
    from scenarios.reports.viewing import live_viewer
    from simulator.viewer import Live

    with live_viewer(web) as address:
        live = Live(address, CAR_WIDTH_M)
        try:
            yield live
        finally:
            live.close()


def show_one(run: Saved) -> None:
    """Every metric of one run, with its criterion."""
    bounds = {judgement.criterion.metric: judgement for judgement in run.judgements}
    rows = []
    for name, value in run.metrics.items():
        judgement = bounds.get(name)
        if not value.valid and judgement is None and run.scenario.attack is None:
            continue  # what is measured of attacks only
        rows.append(
            (name, str(value), describe(judgement.criterion) if judgement else "", verdict(judgement))
        )
    title = f"{run.scenario.name}, seed {run.scenario.seed}, driven by {run.scenario.assistant.type}"
    print_table(title, ("metric", "value", "criterion", "verdict"), rows)
    factor = run.timing["real_time_factor"]
    print(f"{run.duration_s:g} s driven at {factor:.1f} times real time; run folder: {run.folder}")


def show_many(runs: Sequence[Saved]) -> None:
    """One line for each of several runs."""
    rows = [
        (
            run.scenario.name,
            str(run.scenario.seed),
            *(str(run.metrics[name]) for name in SUMMARY),
            "met" if run.met else "NOT MET: " + ", ".join(failed(run)),
        )
        for run in runs
    ]
    print_table(f"{len(runs)} runs", ("scenario", "seed", *SUMMARY.values(), "criteria"), rows)


def failed(run: Saved) -> list[str]:
    """The metrics whose criteria were not met."""
    return [judgement.criterion.metric for judgement in run.judgements if not judgement.met]


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
