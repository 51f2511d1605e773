"""Objectives by pencil and paper."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from attacks.coupling import Rollout
from attacks.objectives import OBJECTIVES, SURPLUS_STEPS, Goal
from simulator.world import DISTANCES_M

STEP = 1e-3
GOAL = Goal(1.0, torch.tensor([STEP], dtype=torch.float64))
OTHER = Goal(-1.0, GOAL.step_per_m)


def rollout(desired: list[float], slope: float = 0.0, polynomial: bool = True) -> Rollout:
    """One world that may go 0.01 / m to either side, and sees a straight path that leads away."""
    frames = len(desired)
    column: Tensor = torch.tensor(desired, dtype=torch.float64)[:, None].requires_grad_()
    limit = torch.full_like(column, 0.01).detach()
    path = (slope * DISTANCES_M).expand(frames, 1, -1)
    d_poly = torch.tensor([0.3, slope, 0.0, 0.0], dtype=torch.float64).expand(frames, 1, -1)
    offset = torch.linspace(0, 0.5, frames, dtype=torch.float64)[:, None]
    return Rollout(column, limit, -limit, path, d_poly if polynomial else None, offset, column.detach())


def test_lane_bending_adds_up_slopes_over_24_metres() -> None:
    assert float(OBJECTIVES["lane_bending"](rollout([0.0, 0.0], 0.02), GOAL).detach()) == pytest.approx(-0.5)
    assert float(OBJECTIVES["lane_bending"](rollout([0.0, 0.0], 0.02), OTHER).detach()) == pytest.approx(0.5)


def test_lane_bending_does_without_a_polynomial() -> None:
    loss = OBJECTIVES["lane_bending"](rollout([0.0], 0.02, polynomial=False), GOAL)
    assert -0.5 <= float(loss.detach()) < -0.3


def test_path_offset_is_that_at_32_metres() -> None:
    loss = OBJECTIVES["path_offset"](rollout([0.0], 0.02), GOAL)
    assert float(loss.detach()) == pytest.approx(-0.02 * 32, rel=0.06)


def test_deviation_is_where_the_car_ends_up() -> None:
    assert float(OBJECTIVES["deviation"](rollout([0.0] * 3), GOAL).detach()) == pytest.approx(-0.5)


def test_steering_that_is_asked_for_beyond_the_limit_costs_nothing() -> None:
    asked = 0.01 + SURPLUS_STEPS * STEP
    assert float(OBJECTIVES["steering"](rollout([asked, 0.1]), GOAL).detach()) == pytest.approx(0.0, abs=1e-9)
    assert float(OBJECTIVES["steering"](rollout([-asked, -0.1]), OTHER).detach()) == pytest.approx(
        0.0, abs=1e-9
    )


def test_steering_counts_early_frames_most() -> None:
    """Two frames weigh 4 to 1; each falls short by its limit in steps."""
    short = 0.01 / STEP + SURPLUS_STEPS
    first = OBJECTIVES["steering"](rollout([0.0, 1.0]), GOAL)
    last = OBJECTIVES["steering"](rollout([1.0, 0.0]), GOAL)
    assert float(first.detach()) == pytest.approx(0.8 * short)
    assert float(last.detach()) == pytest.approx(0.2 * short)


@pytest.mark.parametrize("name", ["steering"])
def test_gradients_ask_for_more_steering_to_the_side_wanted(name: str) -> None:
    for goal, sign in ((GOAL, -1.0), (OTHER, 1.0)):
        asked = rollout([0.0, 0.0])
        (gradient,) = torch.autograd.grad(OBJECTIVES[name](asked, goal), asked.desired_per_m)
        assert bool((gradient * sign > 0).all())
