"""How the frames of an attack hang together: what the car sees next depends on how it was steered before.

A patch is seen in tens of frames, each from where the frames before have steered the car. Two ways to treat that:

- ``fixed_point``: poses are taken as they are. In every iteration the loop is driven with the patch as it is now, and
  gradients are those of the frames at these poses; so frames are synthesised anew for every iteration, and the
  dependence is resolved as a fixed-point iteration (Sato et al., USENIX Security 2021, section 4.3).
- ``unrolled``: gradients go through camera, network, planner, controller and vehicle as well, over a few frames at a
  time (truncated back-propagation through time).

In both, the recurrent memory is unrolled over all frames, each frame after the one before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from attacks.rehearsal import Rehearsal, Warm, branch
from simulator.surface.layer import SurfaceLayer
from simulator.vehicle import STEPS_PER_FRAME

Coupling = Literal["fixed_point", "unrolled"]


@dataclass(frozen=True)
class Rollout:
    """What T frames of N worlds came to; with gradients unless driven without.

    Attributes:
        desired_per_m: ``(T, N)`` curvature that the planner wants.
        left_per_m: ``(T, N)`` the furthest to the left that the car can get in this frame, without gradient.
        right_per_m: ``(T, N)`` and to the right.
        path_y_m: ``(T, N, 33)`` the path seen.
        d_poly: ``(T, N, 4)`` the path followed, lowest power first; None for assistants that have none.
        offset_m: ``(T, N)`` of the car from its lane's centre.
        steering_rad: ``(T, N)`` commanded.
    """

    desired_per_m: Tensor
    left_per_m: Tensor
    right_per_m: Tensor
    path_y_m: Tensor
    d_poly: Tensor | None
    offset_m: Tensor
    steering_rad: Tensor


def roll(
    rehearsal: Rehearsal,
    warm: Warm,
    layers: Sequence[SurfaceLayer],
    frames: int,
    coupling: Coupling = "fixed_point",
    truncation_frames: int = 10,
) -> Rollout:
    """Drive up to time zero, where the patch is in sight before, and on from there.

    What is seen of the patch on the way to time zero counts as it is, without gradients.

    Args:
        rehearsal: the victim.
        warm: where it begins.
        layers: what lies on the road.
        frames: how many camera periods from time zero on.
        coupling: which gradients are kept.
        truncation_frames: of ``unrolled``: after so many frames poses are cut from the graph.
    """
    world, vehicle = rehearsal.world, rehearsal.vehicle
    assistant, state = branch(warm.assistant), warm.state
    still = [replace(layer, add=layer.add.detach()) for layer in layers]
    with torch.no_grad():
        for _ in range(rehearsal.approach_steps):
            seen = warm.sees(world.observe(state, still))
            state = world.advance(state, assistant(seen).command)
    reach = torch.full((1,), float(STEPS_PER_FRAME), dtype=torch.float64)
    rows: list[tuple[Tensor, ...]] = []
    offsets, d_polys = [], []
    command = state.vehicle.steering_rad
    for frame in range(frames):
        if coupling == "fixed_point" or (frame and frame % truncation_frames == 0):
            state, command = state.detach(), command.detach()
        seen = warm.sees(world.observe(state, layers))
        decision = assistant(seen)
        speed = state.vehicle.speed_mps.detach()
        extremes = [
            vehicle.reachable(command.detach(), torch.full_like(speed, limit), speed, reach)[:, 0]
            for limit in (vehicle.steering_limit_rad, -vehicle.steering_limit_rad)
        ]
        left, right = (vehicle.curvature_of(extreme, speed) for extreme in extremes)
        command = decision.command.steering_rad
        rows.append((decision.desired_curvature_per_m, left, right, decision.perception.path_y_m, command))
        if "d_poly" in decision.info:
            d_polys.append(decision.info["d_poly"])
        offsets.append(seen.truth.offset_m)
        state = world.advance(state, decision.command)
    desired, left, right, path, steering = (torch.stack(column) for column in zip(*rows, strict=True))
    return Rollout(
        desired, left, right, path, torch.stack(d_polys) if d_polys else None, torch.stack(offsets), steering
    )
