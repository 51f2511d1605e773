"""Random dirt stays within its threat, differs from training's dirt, and is the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from attacks.perturbation import RoadPatch, Stealth, lay
from attacks.random_dirt import FAMILIES, RandomDirt
from attacks.target import RoadTarget
from attacks.threat import RoadPatchThreat
from lkas.dirt import TRAINING_FAMILIES
from simulator.roads.layout import LaneLayout, Paint, Strip
from simulator.roads.segments import Line, build_road
from simulator.world import InvalidInput

ROAD = build_road("line", [Line(200.0)], LaneLayout((Strip(3.6),), (Paint("solid"), Paint("broken")), 0))
TARGET = RoadTarget(ROAD, 10.0)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_families_keep_their_range_and_are_not_empty(name: str, rng: np.random.Generator) -> None:
    for _ in range(5):
        field = FAMILIES[name](378, 57, rng)
        assert field.shape == (378, 57)
        assert np.abs(field).max() <= 1.0 + 1e-6
        assert np.abs(field).mean() > 1e-3


def test_no_family_is_one_of_training() -> None:
    assert not set(FAMILIES) & set(TRAINING_FAMILIES)


def test_dirt_keeps_to_the_threat_and_off_the_marks() -> None:
    threat = RoadPatchThreat(darker=0.1, brighter=0.2)
    for seed in range(10):
        cells = RandomDirt().run(TARGET, threat, torch.Generator().manual_seed(seed)).patch.cells
        assert cells.shape == (378, 57)
        assert float(cells.min()) >= -0.1 - 1e-6
        assert float(cells.max()) <= 0.2 + 1e-6
        d = 2.85 - 0.1 * (np.arange(57) + 0.5)
        on_mark = np.abs(np.abs(d) - 1.8) < 0.07
        assert on_mark.sum() >= 2
        assert not cells[:, on_mark].any()


def test_the_same_seed_gives_the_same_dirt() -> None:
    one, same, other = (
        RandomDirt().run(TARGET, RoadPatchThreat(), torch.Generator().manual_seed(seed)).patch.cells
        for seed in (4, 4, 5)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    ("threat", "start", "word"),
    [
        (RoadPatchThreat(length_m=300.0), 10.0, "does not lie on road"),
        (RoadPatchThreat(), -5.0, "does not lie on road"),
        (RoadPatchThreat(darker=0.0, brighter=0.0), 10.0, "nothing may change"),
    ],
)
def test_impossible_patches_are_refused(threat: RoadPatchThreat, start: float, word: str) -> None:
    with pytest.raises(InvalidInput, match=word):
        RandomDirt().run(RoadTarget(ROAD, start), threat, torch.Generator())


def test_patches_of_several_worlds_make_one_layer() -> None:
    patches = [RoadPatch(torch.full((4, 3), float(k)), 10.0 * k, 0.1 * k, 4.0, 3.0) for k in range(3)]
    layer = lay(patches)
    assert layer.add.shape == (3, 1, 4, 3)
    assert layer.place(2) == (20.0, pytest.approx(0.2))


def test_stealth_counts_what_is_there() -> None:
    cells = torch.zeros(10, 10)
    cells[:5] = -0.2
    figures = Stealth.of(cells.numpy())
    assert figures == Stealth(pytest.approx(0.1), pytest.approx(0.2 / 2**0.5), pytest.approx(0.2), 0.5)
