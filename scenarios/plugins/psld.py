"""PSLD: how far a single frame moves a car that is steered by the truth before and after it.

Per-frame simulated lateral deviation, Sato and Chen, CVPR 2022 ("Towards Driving-Oriented Metric for Lane Detection
Models"): a car on its lane's centre is steered by what was decided about one frame for one camera period, and then
along the true lane; PSLD is the largest lateral deviation within T_p frames, divided by T_p. As in the publication
the steering has no limits here, so that it is the perception that is judged.

Convention: lateral positions and headings are relative to the lane, positive to the left.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lkas.perception import Perception
from lkas.planner import Planner, PlannerParameters
from simulator.roads.ahead import CAMERA_FOOT_M
from simulator.world import CAMERA_PERIOD_S, DISTANCES_M, DYNAMICS_PERIOD_S

HORIZON_FRAMES = 5
"""T_p: of the values that the authors tried, the one whose PSLD tells most about attacked drives."""

_STD_M = 0.05


def lane_ahead(offset_m: Tensor, heading_rad: Tensor) -> Perception:
    """A straight lane's centre, as a car beside it sees it without a fault; nothing else is to be seen.

    Args:
        offset_m: ``(N,)`` of the rear axle from the lane's centre.
        heading_rad: ``(N,)`` relative to the lane.
    """
    ahead = DISTANCES_M + CAMERA_FOOT_M
    path = -(offset_m[:, None] + ahead * torch.sin(heading_rad)[:, None]) / torch.cos(heading_rad)[:, None]
    lines = path[:, None].expand(-1, 4, -1)
    none = torch.zeros_like(offset_m)
    return Perception(
        path_y_m=path,
        path_std_m=torch.full_like(path, _STD_M),
        lane_y_m=lines,
        lane_std_m=torch.full_like(lines, _STD_M),
        lane_prob=torch.zeros_like(lines[..., 0]),
        lead_distance_m=none,
        lead_std_m=none + _STD_M,
        lead_prob=none,
        pose=torch.zeros(len(path), 6, dtype=path.dtype),
    )


def psld_m(curvature_per_m: Tensor, speed_mps: Tensor) -> Tensor:
    """PSLD of frames.

    Args:
        curvature_per_m: ``(N,)`` float64, desired of each frame, beyond that of the lane.
        speed_mps: ``(N,)`` of the car.

    Returns:
        ``(N,)`` m.
    """
    planner = Planner(PlannerParameters(delay_s=DYNAMICS_PERIOD_S, steering_rate_limit_radps=math.inf))
    memory = planner.initial_memory(len(curvature_per_m))
    step_m = speed_mps * CAMERA_PERIOD_S
    offset, heading = torch.zeros_like(step_m), torch.zeros_like(step_m)
    furthest, curvature = torch.zeros_like(step_m), curvature_per_m
    for frame in range(HORIZON_FRAMES):
        if frame:
            plan, memory = planner(lane_ahead(offset, heading), speed_mps, curvature, memory.after(curvature))
            curvature = plan.curvature_per_m
        offset = offset + step_m * torch.sin(heading + 0.5 * step_m * curvature)
        heading = heading + step_m * curvature
        furthest = torch.maximum(furthest, offset.abs())
    return furthest / HORIZON_FRAMES
