"""Random dirt lies where the scenario says, is the same every time, and is in the recording."""

from __future__ import annotations

import numpy as np
import pytest

from scenarios.build import road_of
from scenarios.files import load, locate
from scenarios.patches import run_attack, target_of
from scenarios.runner import run
from scenarios.schema import Scenario


@pytest.fixture
def scenario() -> Scenario:
    overrides = ["assistant=ground_truth", "duration_s=0.5", "attack.ahead_m=5.0", "attack.lateral_m=0.5"]
    return load(locate("control/random_dirt_highway")[0], overrides)


def test_the_patch_begins_ahead_of_the_camera_at_time_zero(scenario: Scenario) -> None:
    target = target_of(scenario.attack, scenario, road_of(scenario))
    assert target.start_m == pytest.approx(1.5 + 29.0 * 1.0 + 5.0)


def test_the_seed_decides_what_it_looks_like(scenario: Scenario) -> None:
    road = road_of(scenario)
    first, again = run_attack(scenario, road), run_attack(scenario, road)
    other = run_attack(scenario.model_copy(update={"seed": 1}), road)
    assert first is not None
    assert again is not None
    assert other is not None
    assert first.patch.cells.equal(again.patch.cells)
    assert not first.patch.cells.equal(other.patch.cells)
    assert float(first.patch.cells.abs().max()) <= 0.2 + 1e-6


def test_the_recording_holds_the_patch(scenario: Scenario) -> None:
    recording = run([scenario])[0].recording
    np.testing.assert_allclose(recording["patch/place_m"], [35.5, 0.5, 37.8, 5.7])
    assert recording["patch/brightness"].shape == (378, 57)
    assert recording.meta["stealth"]["linf_brightness"] == pytest.approx(0.2, abs=1e-3)
    clean = run([scenario.model_copy(update={"attack": None})])[0].recording
    assert "patch/brightness" not in clean
    assert clean.meta["stealth"] == {}
