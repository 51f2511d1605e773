"""Read the output vector of any openpilot driving model into the same typed outputs.

Up to 0.7.3 lines are given at every metre of 0..191, y positive left, as values and softplus standard deviations; lane
lines are relative to 1.8 m left and right. From 0.8 they are given at ``DISTANCES_M``, y positive right and z down, as
values and log standard deviations, and the path is the likeliest of several plans over ``PLAN_TIMES_S``. Everything
returned from here is in this project's convention: y positive left, z up, angles counter-clockwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lkas.layouts import DENSE, LAYOUTS, LEAD_OLD, Layout, layout_of
from lkas.perception import Perception
from simulator.world import DISTANCES_M, InvalidInput

PLAN_TIMES_S = 10.0 * (torch.arange(33, dtype=torch.float64) / 32.0) ** 2
"""``(33,)`` openpilot's T_IDXS: when the car is where a plan says."""

LANE_CENTRE_M = 1.8
"""Old layouts give lane lines relative to here, left and right."""

UNSEEN_STD_M = 1e3
"""Standard deviation that openpilot 0.7.3 gives to what lies beyond the length it holds valid."""

# (x forward, y right, z down) to (x forward, y left, z up); rotations turn likewise
FLIP = (1.0, -1.0, -1.0)


@dataclass(frozen=True)
class ModelOutputs:
    """What a driving model said, in this project's convention. None where the layout does not have it.

    Attributes:
        perception: path, lane lines, lead and own motion. Layouts without far lane lines give them the near ones'
            places at probability 0; layouts without a pose give NaN.
        features: ``(N, 512)`` recurrent state or feature vector, for the next call.
        road_edge_y_m: ``(N, 2, 33)`` left and right road edge.
        road_edge_std_m: ``(N, 2, 33)``.
        plan: ``(N, 33, 15)`` at ``PLAN_TIMES_S``: position, velocity, acceleration, Euler angles and rates, xyz each.
        desired_curvature_per_m: ``(N,)`` positive left.
        camera_height_m: ``(N,)`` height above the road as the model sees it.
    """

    perception: Perception
    features: Tensor
    road_edge_y_m: Tensor | None = None
    road_edge_std_m: Tensor | None = None
    plan: Tensor | None = None
    desired_curvature_per_m: Tensor | None = None
    camera_height_m: Tensor | None = None


def parse(output: Tensor, version: str | None = None) -> ModelOutputs:
    """Read a model's output; differentiable.

    Args:
        output: ``(N, size)`` float.
        version: key of ``LAYOUTS``; by default the layout of that size.
    """
    layout = layout_of(output.shape[-1]) if version is None else LAYOUTS.get(version)
    if layout is None:
        raise InvalidInput(f"version {version!r}: no such layout; known are {', '.join(LAYOUTS)}")
    if output.ndim != 2 or output.shape[1] != layout.size:
        raise InvalidInput(
            f"model output of shape {tuple(output.shape)}: {layout.version} has (N, {layout.size})"
        )
    parts = {name: output[:, part] for name, part in layout.slices.items()}
    return _parse_plans(parts, layout) if layout.plan_columns else _parse_dense(parts, layout)


def _parse_dense(parts: dict[str, Tensor], layout: Layout) -> ModelOutputs:
    """Layouts up to 0.7.3."""
    path_y, path_std = _dense_line(parts["path"], layout)
    left_y, left_std = _dense_line(parts["left"], layout)
    right_y, right_std = _dense_line(parts["right"], layout)
    left_y, right_y = left_y + LANE_CENTRE_M, right_y - LANE_CENTRE_M
    prob = torch.sigmoid(torch.stack([parts["left"][:, -1], parts["right"][:, -1]], 1))
    nothing = torch.zeros_like(prob[:, :1])

    groups = parts["lead"][:, :LEAD_OLD].unflatten(1, (5, 11))
    lead = _likeliest(groups, groups[..., 8])
    perception = Perception(
        path_y_m=path_y,
        path_std_m=path_std,
        lane_y_m=torch.stack([left_y, left_y, right_y, right_y], 1),
        lane_std_m=torch.stack([left_std, left_std, right_std, right_std], 1),
        lane_prob=torch.cat([nothing, prob, nothing], 1),
        lead_distance_m=layout.lead_distance_scale_m * lead[:, 0],
        lead_std_m=layout.lead_distance_scale_m * functional.softplus(lead[:, 4]),
        lead_prob=torch.sigmoid(parts["lead"][:, LEAD_OLD]),
        pose=_dense_pose(parts["pose"]) if "pose" in parts else path_y.new_full((len(path_y), 6), math.nan),
    )
    return ModelOutputs(perception, parts["features"])


def _dense_line(values: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
    """Points and standard deviations at ``DISTANCES_M`` from those at every metre, each ``(N, 33)``."""
    y, std = values[:, :DENSE], functional.softplus(values[:, DENSE : 2 * DENSE])
    if layout.fields["path"] > 2 * DENSE:  # then the length that the model holds valid follows
        valid = values[:, 2 * DENSE : 2 * DENSE + 1].clamp_min(5.0)
        metres = torch.arange(DENSE, device=values.device)
        std = torch.where(metres < valid, std, torch.full_like(std, UNSEEN_STD_M))
    where = DISTANCES_M.to(values).clamp_max(DENSE - 1)
    below = where.floor().long().clamp_max(DENSE - 2)
    share = where - below
    return (
        y[:, below] * (1 - share) + y[:, below + 1] * share,
        std[:, below] * (1 - share) + std[:, below + 1] * share,
    )


def _dense_pose(values: Tensor) -> Tensor:
    """Speeds, and rates that 0.7.3 gives in degrees."""
    flip = values.new_tensor(FLIP)
    return torch.cat([values[:, :3] * flip, torch.deg2rad(values[:, 3:6]) * flip], 1)


def _parse_plans(parts: dict[str, Tensor], layout: Layout) -> ModelOutputs:
    """Layouts from 0.8."""
    columns = layout.plan_columns
    plans = parts["plan"].unflatten(1, (5, -1))
    best = _likeliest(plans, plans[..., -1])
    plan, log_std = best[:, :-1].unflatten(1, (2, 33, columns)).unbind(1)
    plan_std = log_std.exp()
    if columns == 30:  # the second half of the columns is by distance: when, y, z, ...
        path_y, path_std = -plan[..., 16], plan_std[..., 16]
    else:
        path_y, path_std = _path_of_plan(plan, plan_std)

    lane, lane_std = _lines(parts["lane_lines"], 4)
    edge, edge_std = _lines(parts["road_edges"], 2)
    lead, lead_std = _lead(parts["lead"])
    prob = parts["lane_prob"] if parts["lane_prob"].shape[1] == 4 else parts["lane_prob"][:, 1::2]
    perception = Perception(
        path_y_m=path_y,
        path_std_m=path_std,
        lane_y_m=lane,
        lane_std_m=lane_std,
        lane_prob=torch.sigmoid(prob),
        lead_distance_m=lead,
        lead_std_m=lead_std,
        lead_prob=torch.sigmoid(parts["lead_prob"][:, 0]),
        pose=parts["pose"][:, :6] * parts["pose"].new_tensor(FLIP * 2),
    )
    return ModelOutputs(
        perception,
        parts["features"],
        road_edge_y_m=edge,
        road_edge_std_m=edge_std,
        plan=plan[..., :15] * plan.new_tensor(FLIP * 5),
        desired_curvature_per_m=-parts["desired_curvature"][:, 0] if "desired_curvature" in parts else None,
        camera_height_m=parts["road_transform"][:, 2] if "road_transform" in parts else None,
    )


def _likeliest(groups: Tensor, logits: Tensor) -> Tensor:
    """Of ``groups (N, G, ...)`` the one with the highest of ``logits (N, G)``."""
    return groups[torch.arange(len(groups), device=groups.device), logits.argmax(1)]


def _path_of_plan(plan: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
    """A plan's places by time turned into places by distance, each ``(N, 33)``, y positive left.

    Beyond the last place the path goes on straight, as the plan says nothing of it.
    """
    x = torch.cummax(plan[..., 0], 1).values  # a car that stops, or shivers backwards, is nowhere twice
    y, spread = -plan[..., 1], std[..., 1]
    where = DISTANCES_M.to(plan).expand(len(plan), -1).contiguous()
    after = torch.searchsorted(x.detach().contiguous(), where).clamp(1, 32)
    before = after - 1
    x0, x1 = x.gather(1, before), x.gather(1, after)
    share = ((where - x0) / (x1 - x0).clamp_min(1e-3)).clamp(0.0, 1.0)
    y_there = torch.lerp(y.gather(1, before), y.gather(1, after), share)
    # from the heading, as the last places of a slow car's plan are too close to each other to tell a direction
    last_slope = -torch.tan(plan[:, -1:, 11].clamp(-1.0, 1.0))
    beyond = y[:, -1:] + last_slope * (where - x[:, -1:])
    return (
        torch.where(where <= x[:, -1:], y_there, beyond),
        torch.lerp(spread.gather(1, before), spread.gather(1, after), share),
    )


def _lines(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """y and its standard deviation of ``count`` lines, each ``(N, count, 33)``, y positive left."""
    means, log_stds = values.unflatten(1, (2, count, 33, 2)).unbind(1)
    return -means[..., 0], log_stds[..., 0].exp()


def _lead(values: Tensor) -> tuple[Tensor, Tensor]:
    """Distance to the car ahead now, and its standard deviation, each ``(N,)``."""
    if values.shape[1] == LEAD_OLD:
        groups = values.unflatten(1, (5, 11))
        lead, first_logit = groups, 8
    else:
        groups = values.unflatten(1, (2, 51))
        first_logit = 48
    lead = _likeliest(groups, groups[..., first_logit])
    return lead[:, 0], lead[:, first_logit // 2].exp()
