"""Figures of driving are taken from the runs they belong to."""

from __future__ import annotations

import pytest

from scenarios.benchmarks.loop import Speed, closed_loop
from scenarios.files import load, locate
from scenarios.results.driving import deviations, lane_width
from scenarios.runner import run


def test_deviation_is_the_largest_distance_to_the_other_run() -> None:
    scenario = load(
        locate("control/random_dirt_local")[0], ["assistant=ground_truth", "duration_s=0.5", "attack=null"]
    )
    aside = scenario.model_copy(update={"ego": scenario.ego.model_copy(update={"offset_m": 0.3})})
    assert lane_width(scenario) == pytest.approx(2.7)
    assert deviations(run([aside]), run([scenario])) == [pytest.approx(0.3, abs=0.02)]


def test_the_benchmark_splits_the_time() -> None:
    speed = closed_loop(worlds=2, thread_count=1, steps=2, repetitions=1)
    assert isinstance(speed, Speed)
    parts_ms = speed.render_ms + speed.network_ms + speed.rest_ms
    assert min(speed.render_ms, speed.network_ms, speed.rest_ms) > 0
    assert speed.real_time_factor == pytest.approx(50.0 / parts_ms)
