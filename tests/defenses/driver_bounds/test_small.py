"""The small driver: what is bounded is what drives, and training against bounds makes them tighter."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from defenses.bounds import IBP, Ball, BoundedModel
from defenses.driver_bounds.curvature import FIRST_ROW, LinearPlan
from defenses.driver_bounds.small import PACKED, SmallCurvature, SmallDriver, is_small, load_small_driver
from defenses.driver_bounds.small_training import SPEC, SmallRecipe, learn, patch_region, save_small_driver
from defenses.driver_bounds.threats import SHAPE
from lkas.clips import render_episode
from lkas.frames import pack_yuv
from lkas.network import SKY_ROWS, parse
from lkas.perception import Perception
from lkas.planner import Planner
from simulator.errors import InvalidInput

PLANNER = Planner()
RECIPE = SmallRecipe(epochs=4, batch=8, warm_up=0.2, weight=1.0)


def plan(perception: Perception) -> Tensor:
    """Desired curvature of a car at 25 m/s that drives straight on."""
    one = torch.ones(1, dtype=torch.float64)
    planned, _ = PLANNER(perception, 25 * one, 0 * one, PLANNER.initial_memory(1))
    return planned.curvature_per_m


def test_the_curvature_that_is_bounded_is_the_planners():
    torch.manual_seed(3)
    driver = SmallDriver().requires_grad_(False)
    frame = torch.rand(1, *SHAPE)
    output, hidden = driver.look(pack_yuv(frame), pack_yuv(frame), driver.initial_hidden(1))
    model = SmallCurvature(driver, LinearPlan.of(plan, output))
    assert model(hidden, frame, frame).item() == pytest.approx(plan(parse(output.double())).item(), abs=1e-8)
    assert parse(output).lane_prob.max() < 1e-6
    assert PACKED[1] == SHAPE[1] // 2 == 128 - SKY_ROWS == (256 - FIRST_ROW) // 2


def test_a_patch_in_the_lane_lies_in_the_region_trained_for():
    region = patch_region()
    assert region.shape == PACKED
    assert 0.1 < region.float().mean() < 0.7
    assert not region[:, 0].any()
    assert region[:, 60, 128].all()  # the road before the car


def test_training_against_bounds_makes_them_tighter_and_is_the_same_every_time():
    clips = render_episode(replace(SPEC, clips=16), 0, 0)
    ordinary, certified, again = (
        learn(recipe, clips) for recipe in (replace(RECIPE, weight=0.0), RECIPE, RECIPE)
    )
    for name, value in certified.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    frame = clips[0].frames[1:, SKY_ROWS:].permute(0, 3, 1, 2).float()
    widths = []
    for network in (ordinary, certified):
        found = BoundedModel.of(network, frame).bounds(frame, Ball(4.0, mask=patch_region()), IBP())
        widths.append((found.upper - found.lower).mean().item())
    assert widths[1] < 0.9 * widths[0]


def test_weights_are_kept_and_told_apart(tmp_path):
    torch.manual_seed(3)
    driver = SmallDriver()
    weights = save_small_driver(driver, RECIPE, {"path_mae_10m": 0.1}, tmp_path)
    assert is_small(weights)
    assert torch.equal(load_small_driver(weights).mind.path.weight, driver.mind.path.weight)
    weights.write_bytes(b"something else")
    assert not is_small(weights)
    with pytest.raises(InvalidInput, match="does not hold"):
        load_small_driver(weights)
