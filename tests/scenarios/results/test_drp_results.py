"""The tables of the benchmark count what counts, and ask for the variations that they name."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from attacks.perturbation import RoadPatch
from scenarios.files import locate
from scenarios.metrics import MetricValue
from scenarios.plugins.attacks import DirtyRoadOptions, RandomDirtOptions, SavedPatchOptions
from scenarios.plugins.rehearsals import patch_folder
from scenarios.results import drp_drivers, drp_results, drp_robustness, drp_victims, trials
from scenarios.results.tables import Means
from scenarios.results.trials import Trial
from scenarios.schema import Scenario
from scenarios.store import Store
from simulator.world import InvalidInput

NAMES = ("highway_01_left", "highway_01_right", "local_06_left", "local_06_right")
Answer = Callable[[Scenario], dict[str, float]]
FIGURES = {
    "attack_success": 1.0,
    "time_to_success": 1.0,
    "time_to_success_floor": 0.9,
    "deviation_from_benign": 0.05,
    "benign_offset_p99": 0.02,
    "e2e_ld": 0.5,
    "psld": 0.04,
    "patch_l2": 0.2,
    "patch_ssim_7m": 0.8,
}


class Drives:
    """Stands in for driving: notes what was asked for, and answers by a rule."""

    def __init__(self, answer: Answer) -> None:
        self.answer, self.asked = answer, list[Scenario]()

    def __call__(self, means: Means, title: str, scenarios: Sequence[Scenario]) -> list[Trial]:
        self.asked += scenarios
        for one in scenarios if means.out.is_dir() else ():
            if isinstance(one.attack, DirtyRoadOptions):
                folder = patch_folder(one, Store(means.out.resolve()))
                folder.mkdir(parents=True, exist_ok=True)
                RoadPatch(torch.zeros(4, 2), 1.5 + one.ego.speed_mps + 7.0, 0.0, 8.0, 4.0).save(folder)
        return [Trial(one, self.figures(one), 60.0) for one in scenarios]

    def figures(self, one: Scenario) -> dict[str, MetricValue]:
        threshold = {"attack_threshold": 0.735 if "highway" in one.name else 0.285}
        return {k: MetricValue(v, "1") for k, v in {**FIGURES, **threshold, **self.answer(one)}.items()}


@pytest.fixture
def drives(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], Drives]:
    """Four scenarios instead of eighty, and a rule instead of a simulator."""

    def install(answer: Answer) -> Drives:
        stand_in = Drives(answer)
        paths = [locate(f"drp80/{name}")[0] for name in NAMES]
        for module in (drp_results, drp_drivers, drp_robustness, drp_victims):
            monkeypatch.setattr(module, "drive", stand_in)
        for module in (drp_results, drp_robustness, trials):
            monkeypatch.setattr(module, "locate", lambda group: paths)
        return stand_in

    return install


MEANS = Means((), Path("nowhere"))


def cells(rows: Sequence[Sequence[str]], *start: str) -> Sequence[str]:
    (found,) = [row for row in rows if tuple(row[: len(start)]) == start]
    return found


def test_what_random_dirt_moves_does_not_count(drives: Callable[[Answer], Drives]) -> None:
    def answer(one: Scenario) -> dict[str, float]:
        if isinstance(one.attack, RandomDirtOptions):
            # of twenty draws two are this strong, so that the 95th percentile is
            return {"deviation_from_benign": 0.3 if "local" in one.name and one.seed % 1000 < 2 else 0.0}
        failed = one.name.endswith("highway_01_right")
        return {"attack_success": float(not failed), "time_to_success": math.inf if failed else 1.0}

    asked = drives(answer)
    table = drp_results.drp80(MEANS)
    everything = cells(table.rows, "paint", "all")
    assert everything[2] == "2 of 4"
    assert everything[3].startswith("1 of 2 ")
    assert everything[4].startswith("3 of 4 ")
    assert everything[7] == "1.11"
    assert cells(table.rows, "published", "local")[2] == "0 of 2"
    assert not table.met
    budgets = {one.attack.budget for one in asked.asked if isinstance(one.attack, DirtyRoadOptions)}
    assert budgets == {"paint", "published"}
    dirt = [one for one in asked.asked if isinstance(one.attack, RandomDirtOptions)]
    assert len({(one.name, one.seed) for one in dirt}) == 2 * drp_results.DIRT_DRAWS
    each = drp_results.drp80_each(MEANS)
    assert cells(each.rows, "highway_01_right")[4:] == ("yes", "0.90", "never", "never")
    assert cells(each.rows, "local_06_left")[4] == "no"


def test_ours_must_do_what_controls_do_not(drives: Callable[[Answer], Drives]) -> None:
    def weak(one: Scenario) -> dict[str, float]:
        return {"attack_success": float(isinstance(one.attack, DirtyRoadOptions)), "patch_l2": 0.123}

    asked = drives(weak)
    table = drp_results.drp16(MEANS)
    assert table.met
    rivals = 3 + len(drp_results.RIVALS)
    assert [row[0] for row in table.rows].count("published") == rivals
    assert [row[0] for row in table.rows].count("paint") == rivals + len(drp_results.SCHEMES)
    dirt = [one.attack for one in asked.asked if isinstance(one.attack, RandomDirtOptions)]
    assert {attack.rms_brightness for attack in dirt} == {0.123}
    drives(lambda one: {})
    assert not drp_results.drp16(MEANS).met


def test_patches_go_from_every_driver_to_every_other(drives: Callable[[Answer], Drives]) -> None:
    def answer(one: Scenario) -> dict[str, float]:
        own = isinstance(one.attack, DirtyRoadOptions) and one.attack.victim is None
        return {"attack_success": float(own), "benign_offset_p99": 0.07}

    asked = drives(answer)
    with_truth = Means((), Path("nowhere"), drivers={"map": {"type": "ground_truth"}})
    table = drp_drivers.transfer(with_truth)
    names = [*drp_drivers.shipped_drivers(), "map"]
    assert table.columns[1:] == tuple(names)
    *made, dirt, benign = table.rows
    for index, row in enumerate(made):
        assert [cell.startswith("4 of 4") for cell in row[1:]] == [k == index for k in range(len(names))]
    assert [cell.startswith("0 of 4") for cell in dirt[1:]] == [True] * len(names)
    assert {cell.split()[0] for cell in benign[1:]} == {"0.070"}
    attacks = [(one.assistant.type, one.attack) for one in asked.asked]
    pairs = {
        (driven_by, attack.victim and attack.victim.type)
        for driven_by, attack in attacks
        if isinstance(attack, DirtyRoadOptions)
    }
    assert {("ground_truth", "lane_keeping"), ("lane_keeping", "ground_truth")} <= pairs


def test_one_driver_has_nobody_to_transfer_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drp_drivers, "shipped_drivers", lambda: {"standard": {}})
    with pytest.raises(InvalidInput, match="--driver"):
        drp_drivers.transfer(MEANS)


def test_every_defense_is_judged_plain_and_adaptive(drives: Callable[[Answer], Drives]) -> None:
    def answer(one: Scenario) -> dict[str, Any]:
        dirt = isinstance(one.attack, RandomDirtOptions)
        return {"benign_offset_p99": 0.02 + 0.01 * len(one.defenses), "attack_success": float(not dirt)}

    asked = drives(answer)
    table = drp_drivers.defenses(MEANS)
    for name in drp_drivers.TRANSFORMATIONS:
        for attacker in ("plain", "adaptive"):
            row = cells(table.rows, name, attacker)
            assert row[-1] == "0.010 [0.010, 0.010]"
            assert [row[2].split(" [")[0], row[4].split(" [")[0]] == ["4 of 4", "0 of 4"]
    assert cells(table.rows, "none")[-1] == "0.000 [0.000, 0.000]"
    behind = [one.attack for one in asked.asked if one.defenses and isinstance(one.attack, DirtyRoadOptions)]
    assert sum(attack.adaptive for attack in behind) * 2 == len(behind)


def test_a_driver_that_has_seen_dirt_is_judged_plain_and_adaptive(
    drives: Callable[[Answer], Drives], monkeypatch: pytest.MonkeyPatch
) -> None:
    drivers = {"standard": {"type": "lane_keeping"}, "dirt_augmented": {"type": "ground_truth"}}
    monkeypatch.setattr(drp_drivers, "shipped_drivers", lambda: drivers)
    drives(lambda one: {"attack_success": float(getattr(one.attack, "victim", None) is None)})
    table = drp_drivers.defenses(MEANS)
    assert table.met
    assert cells(table.rows, "driver dirt_augmented", "plain")[2].startswith("0 of 4")
    assert cells(table.rows, "driver dirt_augmented", "adaptive")[2].startswith("4 of 4")


def test_saved_patches_are_laid_on_other_days(drives: Callable[[Answer], Drives], tmp_path: Path) -> None:
    def answer(one: Scenario) -> dict[str, float]:
        return {"attack_success": float(one.weather.preset != "ClearSunset")}

    asked = drives(answer)
    table = drp_robustness.reuse(Means((), tmp_path))
    assert table.met
    assert cells(table.rows, "sunset")[1].startswith("0 of 4")
    assert table.rows[-1][1].startswith(
        f"{4 * (len(drp_robustness.DAYS) - 1)} of {4 * len(drp_robustness.DAYS)}"
    )
    laid = [one for one in asked.asked if isinstance(one.attack, SavedPatchOptions)]
    made = {one.name: one for one in asked.asked if isinstance(one.attack, DirtyRoadOptions)}
    assert {one.seed - made[one.name].seed for one in laid} == {drp_robustness.OTHER_SEEDS}
    shifts = {(one.attack.along_m, one.attack.across_m) for one in laid}  # type: ignore[union-attr]
    assert shifts == {(0.0, 0.0), (-0.3, 0.0), (0.3, 0.0), (0.0, -0.3), (0.0, 0.3)}
    factors = {round(one.ego.speed_mps / made[one.name].ego.speed_mps, 2) for one in laid}  # type: ignore[operator]
    assert factors == {0.9, 1.0, 1.1}


def test_sweeps_are_a_table_and_a_plot(drives: Callable[[Answer], Drives], tmp_path: Path) -> None:
    drives(lambda one: {})
    table = drp_robustness.sweeps(Means((), tmp_path))
    assert {row[0] for row in table.rows} == drp_robustness.SWEEPS.keys()
    assert (tmp_path / drp_robustness.PLOT).stat().st_size > 10_000


def test_every_victim_is_attacked_and_controlled(
    drives: Callable[[Answer], Drives], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = drives(lambda one: {"deviation_from_benign": 0.01 * (one.seed % 1000)})
    monkeypatch.setattr(drp_victims, "RECORDED", "drp80/highway_01_left")
    table = drp_victims.victims(Means((), Path("nowhere"), drivers={"map": {"type": "ground_truth"}}))
    assert [row[:2] for row in table.rows] == [
        ("recorded", "standard"),
        ("recorded", "map"),
        ("rendered", "map"),
    ]
    assert cells(table.rows, "rendered", "map")[2].startswith("4 of 4")
    assert {row[-1] for row in table.rows} == {f"{0.01 * (drp_victims.DIRT_DRAWS - 1):.3f}"}
    assert {one.assistant.type for one in asked.asked} == {"lane_keeping", "ground_truth"}
