"""Patches lie where the scenario says and from when it says, are the same every time, and are in the recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from attacks.perturbation import RoadPatch
from scenarios.build import road_of, scene_of
from scenarios.files import check, load, locate
from scenarios.patches import LaidPatches, check_attack, target_of, time_zero_frame
from scenarios.rehearsals import patch_key, run_attack
from scenarios.runner import make_assistant, run
from scenarios.schema import Scenario
from scenarios.store import Store
from simulator.world import InvalidInput

OVERRIDES = ["assistant=ground_truth", "duration_s=1.5", "attack.ahead_m=5.0", "attack.lateral_m=0.5"]


@pytest.fixture
def scenario() -> Scenario:
    return load(locate("control/random_dirt_highway")[0], OVERRIDES)


def saved(folder: Path, s_m: float) -> Path:
    RoadPatch(torch.full((8, 4), 0.1), s_m, 0.2, 8.0, 2.0, 0.4).save(folder)
    return folder


def test_the_patch_begins_ahead_of_the_camera_at_time_zero(scenario: Scenario) -> None:
    target = target_of(scenario.attack, scenario, road_of(scenario))
    assert target.start_m == pytest.approx(1.5 + 29.0 * 1.0 + 5.0)
    assert time_zero_frame(scenario.attack, scenario, target.start_m) == 20


def test_the_seed_decides_what_it_looks_like(scenario: Scenario) -> None:
    scene = scene_of(scenario)
    first, again = (run_attack(scenario, scene, lambda: make_assistant([scenario])) for _ in range(2))
    other = run_attack(scenario.model_copy(update={"seed": 1}), scene, lambda: make_assistant([scenario]))
    assert first is not None
    assert again is not None
    assert other is not None
    assert first.patch.cells.equal(again.patch.cells)
    assert not first.patch.cells.equal(other.patch.cells)
    assert float(first.patch.cells.abs().max()) <= 0.2 + 1e-5


def test_the_recording_holds_the_patch_and_the_benign_run(scenario: Scenario) -> None:
    (outcome,) = run([scenario])
    recording = outcome.recording
    np.testing.assert_allclose(recording["patch/place_m"], [35.5, 0.5, 37.8, 5.7])
    assert recording["patch/brightness"].shape == (378, 57)
    assert outcome.metrics["patch_linf"].value == pytest.approx(0.2, abs=4e-3)
    assert recording.meta["time_zero_s"] == pytest.approx(1.0)
    # who drives by the map is not impressed by dirt
    np.testing.assert_array_equal(recording["benign/offset_m"], recording["truth/offset_m"])
    clean = run([scenario.model_copy(update={"attack": None})])[0].recording
    assert "patch/brightness" not in clean


def test_what_appears_at_time_zero_is_not_there_before() -> None:
    patches = [RoadPatch(torch.full((4, 2), 0.1 * k), 10.0 * k, 0.0, 4.0, 2.0) for k in (1, 2)]
    laid = LaidPatches(patches, [3, 5], [3, 5])
    assert laid.at(2) == []
    (partly,) = laid.at(3)
    assert float(partly.add[0].min()) == pytest.approx(0.1)
    assert not partly.add[1].any()
    (wholly,) = laid.at(5)
    assert float(wholly.add[1].min()) == pytest.approx(0.2)
    assert laid.at(6)[0] is wholly


def test_a_saved_patch_is_laid_where_it_was_or_beside(scenario: Scenario, tmp_path: Path) -> None:
    folder = saved(tmp_path, 30.0)
    attack = {"type": "saved_patch", "path": str(folder), "along_m": 0.3, "across_m": -0.1}
    data = {**scenario.model_dump(mode="json"), "attack": attack}
    changed = check(data, "test")
    recording = run([changed])[0].recording
    np.testing.assert_allclose(recording["patch/place_m"], [30.3, 0.1, 8.0, 2.0])
    # 30.3 m - 7 m - 1.5 m are driven after 0.752 s
    assert recording.meta["time_zero_s"] == pytest.approx(0.8)
    with pytest.raises(InvalidInput, match="does not come near"):
        check_attack(changed.model_copy(update={"duration_s": 0.5}), road_of(changed))


def test_the_key_of_a_patch_knows_what_matters(scenario: Scenario) -> None:
    key = patch_key(scenario)
    assert patch_key(scenario.model_copy(update={"description": "words", "duration_s": 1.4})) == key
    assert patch_key(scenario.model_copy(update={"seed": 1})) != key


def test_patches_that_take_long_are_kept(tmp_path: Path) -> None:
    few = [
        "attack.iterations=2",
        "attack.frames=2",
        "attack.variations=0",
        "duration_s=1.2",
        "record.model_frames=false",
    ]
    small = ["attack.length_m=8.0", "attack.cell_m=0.5", "attack.coupling=fixed_point"]
    scenario = load(locate("drp16/local_01_left")[0], few + small)
    made: list[int] = []
    first = run([scenario], attacking=made.append, store=Store(tmp_path))[0]
    assert sum(made) == 2
    again = run([scenario], attacking=made.append, store=Store(tmp_path))[0]
    assert sum(made) == 2
    assert first.recording.to_bytes() == again.recording.to_bytes()
    (image,) = tmp_path.glob("artifacts/patches/*/patch.png")
    assert RoadPatch.load(image.parent).cells.shape == (16, 12)
