"""The optimiser against a victim that steers to where the road is brighter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from attacks.coupling import roll
from attacks.dirty_road_patch import DirtyRoadPatch
from attacks.objectives import OBJECTIVES
from attacks.perturbation import AttackResult, lay
from attacks.target import RoadTarget
from attacks.threat import RoadPatchThreat
from simulator.world import InvalidInput

THREAT = RoadPatchThreat(
    length_m=12.0,
    width_m=4.0,
    cell_m=0.5,
    darker=0.0,
    brighter=0.4,
    area_share=0.5,
    keep_marks=False,
    road_brightness=0.4,
)


def attack(**changes: Any) -> DirtyRoadPatch:
    return DirtyRoadPatch(**{"iterations": 6, "frames": 4, "first_frames": 2, "variations": 0, **changes})


def run(target: RoadTarget, seed: int = 0, **changes: Any) -> AttackResult:
    return attack(**changes).run(target, THREAT, torch.Generator().manual_seed(seed))


def moved_m(target: RoadTarget, result: AttackResult) -> float:
    rehearsal = target.require_rehearsal()
    warm = rehearsal.warm(0)
    with torch.no_grad():
        clean, dirty = (roll(rehearsal, warm, layers, 12).offset_m for layers in ((), [lay([result.patch])]))
    return float(dirty[-1] - clean[-1])


@pytest.mark.parametrize("direction", ["left", "right"])
@pytest.mark.parametrize("coupling", ["fixed_point", "unrolled", "staged"])
def test_the_car_goes_where_it_shall(target: RoadTarget, direction: str, coupling: str) -> None:
    result = run(target, direction=direction, coupling=coupling)
    sign = 1 if direction == "left" else -1
    assert sign * moved_m(target, result) > 0.005
    half = result.patch.cells.shape[1] // 2
    left, right = result.patch.cells[:, :half].mean(), result.patch.cells[:, half:].mean()
    assert sign * float(left - right) > 0.05


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_every_objective_moves_it(target: RoadTarget, objective: str) -> None:
    result = run(target, objective=objective, coupling="unrolled", iterations=5)
    assert moved_m(target, result) > 0.003
    assert result.history["loss"][-1] < result.history["loss"][0]


def test_the_patch_keeps_to_the_threat(target: RoadTarget) -> None:
    cells = run(target).patch.cells
    low, high = THREAT.bounds(target)
    assert bool((cells >= low - 1e-5).all())
    assert bool((cells <= high + 1e-5).all())
    assert float((cells > 1e-3).float().mean()) <= 0.5


def test_the_same_seed_gives_the_same_patch(target: RoadTarget) -> None:
    one, same, other = (run(target, seed, variations=1, iterations=4).patch.cells for seed in (3, 3, 4))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_stages_count_ever_more_frames(target: RoadTarget) -> None:
    frames = run(target, iterations=10, done_at=-1.0).history["frames"]
    assert frames[0] == 2
    assert frames[-1] == 4
    assert frames == sorted(frames)


def test_it_stops_where_nothing_is_left_to_be_wished_for(target: RoadTarget) -> None:
    told: list[int] = []
    watched = replace(target, progress=told.append)
    result = run(watched, coupling="fixed_point", iterations=30, done_at=1e9)
    assert len(result.history["loss"]) == 1
    assert sum(told) == 30


def test_restarts_go_on_with_the_best(target: RoadTarget) -> None:
    result = run(target, restarts=2, iterations=10, coupling="fixed_point", done_at=-1.0)
    assert len(result.history["loss"]) == 10


def test_deviation_needs_gradients_through_poses() -> None:
    with pytest.raises(InvalidInput, match="deviation"):
        attack(objective="deviation", coupling="staged")


def test_it_needs_a_victim(target: RoadTarget) -> None:
    with pytest.raises(InvalidInput, match="none to be rehearsed with"):
        run(replace(target, rehearsal=None))
