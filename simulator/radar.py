"""A radar that looks ahead: what stands in the way that a car takes if it goes on turning as it does."""

from __future__ import annotations

import torch
from torch import Tensor

from simulator.geometry import rotate
from simulator.objects import Boxes
from simulator.vehicle import VehicleParameters
from simulator.world import VehicleState

GAP, CLOSING = "radar_gap_m", "radar_closing_mps"
"""Names under which an observation's ``info`` holds what a radar sees."""

FARTHEST_M = 150.0
"""How far it sees."""


def look(car: VehicleState, own: VehicleParameters, boxes: Boxes, speed_mps: Tensor) -> dict[str, Tensor]:
    """Distance to the nearest box in the car's way, and how fast it comes nearer.

    Walls beside the road are no target: a radar takes what stands still and runs along the road for its furniture.

    Args:
        car: N cars.
        own: their size.
        boxes: up to K things in each world.
        speed_mps: ``(N, K)`` of the things along their headings.

    Returns:
        ``GAP`` from the front bumper, inf where nothing is in the way, and ``CLOSING``, positive when they come nearer;
        ``(N,)`` each.
    """
    corners = boxes.footprints()
    dx, dy = corners[..., 0] - car.x_m[:, None, None], corners[..., 1] - car.y_m[:, None, None]
    ahead, left = rotate(dx, dy, -car.yaw_rad[:, None, None])
    turning = car.yaw_rate_radps / car.speed_mps.clamp_min(1.0)
    left = left - 0.5 * turning[:, None, None] * ahead.square()
    gap = ahead.amin(-1) - (own.length_m - own.rear_overhang_m)
    beside = (left.amin(-1) > 0.5 * own.width_m) | (left.amax(-1) < -0.5 * own.width_m)
    seen = boxes.present & ~beside & (ahead.amax(-1) > 0) & (gap < FARTHEST_M)
    nearest, which = torch.where(seen, gap.clamp_min(0.0), torch.inf).min(1)
    approach = car.speed_mps[:, None] - speed_mps * torch.cos(boxes.yaw_rad - car.yaw_rad[:, None])
    closing = approach.gather(1, which[:, None])[:, 0]
    return {GAP: nearest, CLOSING: torch.where(torch.isfinite(nearest), closing, torch.zeros_like(closing))}
