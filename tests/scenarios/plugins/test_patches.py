"""Patches lie where the scenario says and from when it says, are the same every time, and are in the recording."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from attacks.perturbation import RoadPatch
from lkas.perception import Assistant
from scenarios.build import check_buildable, road_of, scene_of
from scenarios.cli import main
from scenarios.files import check, load, locate, to_yaml
from scenarios.plugins.defenses import JpegOptions
from scenarios.plugins.patches import LaidPatches, check_attack, target_of, time_zero_frame
from scenarios.plugins.rehearsals import patch_key, rehearsed_with, run_attack
from scenarios.runner import make_assistant, run
from scenarios.schema import Scenario
from scenarios.store import Store
from simulator.world import InvalidInput


def make(scenario: Scenario) -> Assistant:
    return make_assistant([scenario])


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
    first, again = (run_attack(scenario, scene, make) for _ in range(2))
    other = run_attack(scenario.model_copy(update={"seed": 1}), scene, make)
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


BAD: dict[str, tuple[list[str], str]] = {
    "larger than the road": (["attack.length_m=200", "road.segments.0.length_m=150"], "does not lie on road"),
    "wider than the road": (["attack.width_m=20"], "wider than road"),
    "of no budget": (["attack.darker=0", "attack.brighter=0"], "nothing may change"),
    "of no area": (["attack.area_share=0"], "nothing may change"),
    "behind the car": (["attack.ahead_m=-5"], "attack.ahead_m: must be greater than or equal to 0"),
}


@pytest.mark.parametrize("fault", sorted(BAD))
def test_patches_that_cannot_be_are_bad_input(fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    changes, message = BAD[fault]
    options = [part for change in [*OVERRIDES[:2], *changes] for part in ("--set", change)]
    assert main(["run", "control/random_dirt_highway", *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("fault", ["unreadable", "in colour", "missing", "behind the car"])
def test_saved_patches_that_cannot_be_laid_are_bad_input(
    fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = saved(tmp_path, 1.0 if fault == "behind the car" else 30.0)
    if fault == "unreadable":
        (folder / "patch.png").write_bytes(b"no picture")
    if fault == "in colour":
        cv2.imwrite(str(folder / "patch.png"), np.zeros((4, 4, 3), np.uint8))
    if fault == "missing":
        (folder / "patch.png").unlink()
    attack = f"attack={{type: saved_patch, path: {folder}}}"
    words = ["run", "control/random_dirt_highway", "--set", OVERRIDES[0], "--set", attack]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert ("behind the car" if fault == "behind the car" else "patch.png") in said


def test_where_nothing_may_be_brighter_there_is_nothing_to_attack(scenario: Scenario) -> None:
    bright = scenario.model_copy(
        update={"surface": scenario.surface.model_copy(update={"asphalt_brightness": 0.7})}
    )
    attack = scenario.attack.model_copy(update={"budget": "published"})
    with pytest.raises(InvalidInput, match="as bright as that"):
        run_attack(bright.model_copy(update={"attack": attack}), scene_of(bright), make)


def test_who_does_not_know_the_defenses_makes_the_same_patch_with_and_without(scenario: Scenario) -> None:
    directed = [f"attack={{type: dirty_road, adaptive: {word}}}" for word in ("false", "true")]
    plain, adaptive = (load(locate("control/random_dirt_highway")[0], [change]) for change in directed)
    defended = {"defenses": (JpegOptions(type="jpeg"),)}
    keys = [patch_key(rehearsed_with(one.model_copy(update=defended))) for one in (plain, adaptive)]
    assert keys[0] == patch_key(rehearsed_with(plain)) == patch_key(rehearsed_with(adaptive))
    assert keys[1] != keys[0]


def test_a_patch_can_be_made_for_another_assistant() -> None:
    own = load(locate("drp16/local_01_left")[0], ["defenses=[jpeg]"])
    other = load(
        locate("drp16/local_01_left")[0], ["assistant=ground_truth", "attack.victim={type: lane_keeping}"]
    )
    assert rehearsed_with(other).assistant == own.assistant
    assert patch_key(rehearsed_with(other)) == patch_key(own.model_copy(update={"defenses": ()}))
    named = load(locate("drp16/local_01_left")[0], ["attack.victim={type: lane_keeping, weights: nowhere}"])
    with pytest.raises(InvalidInput, match="attack"):
        check_buildable(named, "file")


@pytest.mark.parametrize("budget", ["paint", "published", "custom"])
def test_a_budget_is_the_same_when_it_is_written_and_read_again(budget: str, tmp_path: Path) -> None:
    own = ["attack.darker=0.1", "attack.area_share=0.4"] if budget == "custom" else []
    scenario = load(locate("drp16/local_01_left")[0], [f"attack.budget={budget}", *own])
    assert Scenario.model_validate(scenario.model_dump(mode="json")) == scenario
    (tmp_path / "again.yaml").write_text(to_yaml(scenario))
    assert load(tmp_path / "again.yaml") == scenario


def test_a_worn_patch_has_lost_contrast(scenario: Scenario, tmp_path: Path) -> None:
    attack = {"type": "saved_patch", "path": str(saved(tmp_path, 30.0)), "wear": 0.25}
    result = run_attack(
        check({**scenario.model_dump(mode="json"), "attack": attack}, "test"), scene_of(scenario), make
    )
    assert result is not None
    assert float(result.patch.cells.mean()) == pytest.approx(0.075, abs=1e-4)


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
