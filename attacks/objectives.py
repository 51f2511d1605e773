"""What an attacker wants of a rehearsed drive: losses on a rollout, to be made small."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from attacks.coupling import Rollout
from attacks.rehearsal import Rehearsal, Warm
from simulator.world import DISTANCES_M

Direction = Literal["left", "right"]

SIGN: dict[Direction, float] = {"left": 1.0, "right": -1.0}
"""Of lateral positions and of curvatures, by where the car shall go."""

BENT_OVER_M = 24
"""The published lane-bending objective adds up the path's derivative at every metre up to here."""

OFFSET_AT_M = 32.0
"""Where ``path_offset`` looks at the path."""


@dataclass(frozen=True)
class Goal:
    """Where to, and what else a loss needs to know.

    Attributes:
        sign: 1 to the left, -1 to the right.
        step_per_m: ``(N,)`` how far the car's curvature can move in one frame.
    """

    sign: float
    step_per_m: Tensor

    @classmethod
    def of(cls, direction: Direction, rehearsal: Rehearsal, warm: Warm) -> Goal:
        """To one side, for cars at time zero."""
        return cls(SIGN[direction], rehearsal.curvature_step_per_m(warm.set_speed_mps))


def lane_bending(rollout: Rollout, goal: Goal) -> Tensor:
    """The published objective: the derivative of the path followed, summed over 24 m and meant over the frames.

    Sato et al., USENIX Security 2021, eq. 5. Assistants without a blended polynomial are judged by the path they see.
    """
    if rollout.d_poly is None:
        ahead = DISTANCES_M <= BENT_OVER_M
        rise = rollout.path_y_m[..., ahead][..., -1] - rollout.path_y_m[..., 0]
        return -goal.sign * rise.mean()
    x = torch.arange(BENT_OVER_M + 1, dtype=rollout.d_poly.dtype)
    slopes = torch.stack([torch.zeros_like(x), torch.ones_like(x), 2 * x, 3 * x**2])
    return -goal.sign * (rollout.d_poly @ slopes).sum(-1).mean()


def path_offset(rollout: Rollout, goal: Goal) -> Tensor:
    """Where the path is 32 m ahead, meant over the frames."""
    index = int((DISTANCES_M - OFFSET_AT_M).abs().argmin())
    return -goal.sign * rollout.path_y_m[..., index].mean()


def deviation(rollout: Rollout, goal: Goal) -> Tensor:
    """Where the car ends up: only unrolled couplings give it a gradient."""
    return -goal.sign * rollout.offset_m[-1].mean()


def steering(rollout: Rollout, goal: Goal) -> Tensor:
    """How much the steering wanted falls short of the furthest that the car can follow, in steps of its rate limit.

    Bang-bang steering is the fastest way off the lane, and more than it needs no effort: so a frame that already asks
    for the limit costs nothing, and the patch's capacity goes to the others. A change of curvature in frame t of T
    moves the car at the end in proportion to ``(T - t)**2``, and frames count accordingly.
    """
    extreme = rollout.left_per_m if goal.sign > 0 else rollout.right_per_m
    shortfall = goal.sign * (extreme - rollout.desired_per_m) / goal.step_per_m
    left = torch.arange(len(shortfall), 0, -1, dtype=shortfall.dtype)
    weight = left**2 / (left**2).sum()
    return (weight[:, None] * torch.relu(shortfall + SURPLUS_STEPS)).sum(0).mean()


SURPLUS_STEPS = 1.0
"""What is aimed for beyond the limit, so that noise does not undo it."""

OBJECTIVES: dict[str, Callable[[Rollout, Goal], Tensor]] = {
    "lane_bending": lane_bending,
    "path_offset": path_offset,
    "deviation": deviation,
    "steering": steering,
}
"""Every objective by name."""
