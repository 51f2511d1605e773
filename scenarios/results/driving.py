"""Figures of driving without an attack, or with random dirt only, and of the loop's speed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scenarios.benchmarks.loop import loop
from scenarios.build import road_of
from scenarios.files import load, locate
from scenarios.metrics import CAR_WIDTH_M
from scenarios.output import progress_bar
from scenarios.results.tables import Means, Table
from scenarios.runner import Outcome, run
from scenarios.schema import Scenario

BENIGN_SEEDS = 3
DIRT_SEEDS = 40


def drive(title: str, scenarios: Sequence[Scenario]) -> list[Outcome]:
    """Run scenarios without keeping pictures."""
    light = [
        scenario.model_copy(update={"record": scenario.record.model_copy(update={"model_frames": False})})
        for scenario in scenarios
    ]
    with progress_bar(title, sum(scenario.steps for scenario in light)) as advance:
        return run(light, advance)


def seeded(scenario: Scenario, count: int) -> list[Scenario]:
    """A scenario with so many seeds."""
    return [scenario.with_seed(scenario.seed + repetition) for repetition in range(count)]


def benign(means: Means) -> Table:
    """Every packaged road without an attack, the worst of some seeds."""
    scenarios = [load(path, maps=means.maps) for path in locate("benign/*")]
    outcomes = drive(
        "benign", [repeated for scenario in scenarios for repeated in seeded(scenario, BENIGN_SEEDS)]
    )
    rows = []
    for index, scenario in enumerate(scenarios):
        runs = outcomes[index * BENIGN_SEEDS : (index + 1) * BENIGN_SEEDS]
        bound = next(c.max for c in scenario.criteria if c.metric == "lateral_offset_p99")
        rows.append(
            (
                scenario.name.removeprefix("benign/"),
                scenario.description,
                worst(runs, "lateral_offset_p99"),
                f"{bound:g}",
                worst(runs, "lateral_offset_max"),
                f"{departures(runs)} of {len(runs)}",
            )
        )
    columns = ("road", "what", "p99 offset [m]", "bar [m]", "largest offset [m]", "lane departures")
    return Table(columns, tuple(rows), all(outcome.met for outcome in outcomes))


def maps_table(means: Means) -> Table:
    """Roads of real maps."""
    scenarios = [load(path, maps=means.maps) for path in locate("maps/*")]
    outcomes = drive("maps", scenarios)
    rows = tuple(
        (
            outcome.scenario.name.removeprefix("maps/"),
            outcome.scenario.description,
            f"{outcome.metrics['distance_driven'].value:.0f}",
            worst([outcome], "lateral_offset_p99"),
            worst([outcome], "lateral_offset_max"),
            f"{departures([outcome])} of 1",
        )
        for outcome in outcomes
    )
    columns = ("map", "what", "driven [m]", "p99 offset [m]", "largest offset [m]", "lane departures")
    return Table(columns, rows, all(outcome.met for outcome in outcomes))


def dirt(means: Means) -> Table:
    """How far random dirt moves the car from where it drives without."""
    rows, met = [], True
    for path in locate("control/random_dirt_*"):
        dirty = seeded(load(path, maps=means.maps), DIRT_SEEDS)
        clean = [scenario.model_copy(update={"attack": None}) for scenario in dirty]
        moved_m = deviations(drive(dirty[0].name, dirty), drive("the same without dirt", clean))
        lane_m = lane_width(clean[0])
        bar_m = 0.5 * 0.5 * (lane_m - CAR_WIDTH_M)
        p95_m = float(np.percentile(moved_m, 95))
        met &= p95_m <= bar_m
        rows.append(
            (
                dirty[0].name.removeprefix("control/"),
                f"{dirty[0].ego.speed_mps:g}",
                f"{lane_m:g}",
                str(len(moved_m)),
                f"{np.median(moved_m):.3f}",
                f"{p95_m:.3f}",
                f"{max(moved_m):.3f}",
                f"{bar_m:.4g}",
            )
        )
    columns = (
        "road",
        "speed [m/s]",
        "lane [m]",
        "seeds",
        "median [m]",
        "95th percentile [m]",
        "largest [m]",
        "bar [m]",
    )
    return Table(columns, tuple(rows), met)


def speed(means: Means) -> Table:
    """How fast the closed loop is on this machine."""
    bars = {1: 8.0, 16: 20.0}
    speeds = loop()
    rows = tuple(
        (
            str(one.worlds),
            str(one.threads),
            f"{one.real_time_factor:.1f}",
            f"{bars[one.worlds]:g}",
            f"{one.render_ms:.2f}",
            f"{one.network_ms:.2f}",
            f"{one.rest_ms:.2f}",
        )
        for one in speeds
    )
    columns = ("worlds", "threads", "times real time", "bar", "render [ms]", "network [ms]", "rest [ms]")
    return Table(columns, rows, all(one.real_time_factor >= bars[one.worlds] for one in speeds))


def worst(runs: Sequence[Outcome], metric: str) -> str:
    """The largest value of a metric, or that one could not be computed."""
    values = [outcome.metrics[metric] for outcome in runs]
    return (
        f"{max(value.value for value in values):.3f}" if all(value.valid for value in values) else "invalid"
    )


def departures(runs: Sequence[Outcome]) -> int:
    """In how many runs the lane was left, or may have been."""
    return sum(outcome.metrics["lane_departure"].value != 0 for outcome in runs)


def deviations(attacked: Sequence[Outcome], clean: Sequence[Outcome]) -> list[float]:
    """Largest lateral distance between each run and the one without an attack."""
    return [
        float(np.max(np.abs(one.recording["truth/offset_m"] - other.recording["truth/offset_m"])))
        for one, other in zip(attacked, clean, strict=True)
    ]


def lane_width(scenario: Scenario) -> float:
    """Width of the lane that is driven on, where it is widest."""
    road = road_of(scenario)
    return float(np.max(road.ego_lane.left_m - road.ego_lane.right_m))
