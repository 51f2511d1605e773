"""Write a network's outputs as openpilot's driving models do, so that it can stand in for one.

The inverse of ``lkas.outputs.parse``, differentiable and made of operations that export to ONNX.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lkas.layouts import DENSE, LAYOUTS, LEAD_OLD, Layout
from lkas.outputs import FLIP, LANE_CENTRE_M, ModelOutputs
from lkas.perception import LEFT_NEAR, RIGHT_NEAR
from simulator.world import DISTANCES_M, InvalidInput

PROB_EPS = 1e-6


def pack(outputs: ModelOutputs, version: str) -> Tensor:
    """The output vector of a driving model that saw this.

    From 0.8 the path is written as plan, as if driven at the 19.2 m/s at which ``PLAN_TIMES_S`` and ``DISTANCES_M``
    agree; all hypotheses are the same. What ``outputs`` does not hold (meta, desires, future leads) is zero.

    Args:
        outputs: finite, but for a pose of NaN, which is written as zeros.
        version: key of ``LAYOUTS``.

    Returns:
        ``(N, size)`` float.
    """
    layout = LAYOUTS.get(version)
    if layout is None:
        raise InvalidInput(f"version {version!r}: no such layout; known are {', '.join(LAYOUTS)}")
    count = len(outputs.perception.path_y_m)
    written = _plans(outputs, layout) if layout.plan_columns else _dense(outputs, layout)
    written["features"] = outputs.features
    if "pose" in layout.fields:
        pose = torch.nan_to_num(outputs.perception.pose) * outputs.features.new_tensor(FLIP * 2)
        if not layout.plan_columns:
            pose = torch.cat([pose[:, :3], torch.rad2deg(pose[:, 3:])], 1)
        written["pose"] = torch.cat([pose, torch.zeros_like(pose)], 1)
    parts = [
        written[name] if name in written else outputs.features.new_zeros(count, length)
        for name, length in layout.fields.items()
    ]
    return torch.cat(parts, 1)


def _logit(prob: Tensor) -> Tensor:
    return torch.logit(prob, eps=PROB_EPS)


def _inverse_softplus(value: Tensor) -> Tensor:
    return value + torch.log(-torch.expm1(-value))


def _dense(outputs: ModelOutputs, layout: Layout) -> dict[str, Tensor]:
    """Layouts up to 0.7.3."""
    seen = outputs.perception
    has_valid_length = layout.fields["path"] > 2 * DENSE
    valid = [seen.path_y_m.new_full((len(seen.path_y_m), 1), float(DENSE))] if has_valid_length else []
    left, right = seen.lane_y_m[:, LEFT_NEAR] - LANE_CENTRE_M, seen.lane_y_m[:, RIGHT_NEAR] + LANE_CENTRE_M
    prob = _logit(seen.lane_prob)
    lead = torch.zeros_like(seen.path_y_m[:, :1]).repeat(1, 11)
    scale = layout.lead_distance_scale_m
    lead = torch.cat(
        [
            seen.lead_distance_m[:, None] / scale,
            lead[:, :3],
            _inverse_softplus(seen.lead_std_m[:, None] / scale),
            lead[:, :6],
        ],
        1,
    )
    return {
        "path": torch.cat([*_dense_line(seen.path_y_m, seen.path_std_m), *valid], 1),
        "left": torch.cat(
            [*_dense_line(left, seen.lane_std_m[:, LEFT_NEAR]), *valid, prob[:, LEFT_NEAR, None]], 1
        ),
        "right": torch.cat(
            [*_dense_line(right, seen.lane_std_m[:, RIGHT_NEAR]), *valid, prob[:, RIGHT_NEAR, None]], 1
        ),
        "lead": torch.cat([lead.repeat(1, 5), _logit(seen.lead_prob)[:, None].repeat(1, 3)], 1),
    }


def _dense_line(y_m: Tensor, std_m: Tensor) -> tuple[Tensor, Tensor]:
    """Values and raw standard deviations at every metre from those at ``DISTANCES_M``, each ``(N, 192)``."""
    metres = torch.arange(DENSE, dtype=DISTANCES_M.dtype)
    after = (DISTANCES_M[:, None] < metres).sum(0).clamp(1, 32)  # searchsorted does not export
    share = (metres - DISTANCES_M[after - 1]) / (DISTANCES_M[after] - DISTANCES_M[after - 1])
    share, after = share.to(y_m), after.to(y_m.device)
    y, std = (
        line.index_select(1, after - 1) * (1 - share) + line.index_select(1, after) * share
        for line in (y_m, std_m)
    )
    return y, _inverse_softplus(std)


def _plans(outputs: ModelOutputs, layout: Layout) -> dict[str, Tensor]:
    """Layouts from 0.8."""
    seen = outputs.perception
    count = len(seen.path_y_m)
    zero = seen.path_y_m.new_zeros(count, 33, 1)
    ahead = DISTANCES_M.to(zero)[None, :, None].repeat(count, 1, 1)
    by_time = [ahead, -seen.path_y_m[..., None], zero.repeat(1, 1, 13)]
    spread = [zero, seen.path_std_m.log()[..., None], zero.repeat(1, 1, 13)]
    if layout.plan_columns == 30:
        by_time, spread = [*by_time, zero, *by_time[1:]], spread * 2
    plan = torch.cat([torch.cat(by_time, 2).flatten(1), torch.cat(spread, 2).flatten(1), zero[:, 0]], 1)

    prob = _logit(seen.lane_prob)
    if layout.fields["lane_prob"] == 8:
        prob = torch.stack([prob, prob], 2).flatten(1)
    return {
        "plan": plan.repeat(1, 5),
        "lane_lines": _lines(seen.lane_y_m, seen.lane_std_m),
        "lane_prob": prob,
        "lead": _lead(seen.lead_distance_m, seen.lead_std_m, layout),
        "lead_prob": _logit(seen.lead_prob)[:, None].repeat(1, 3),
        **_optional(outputs, layout),
    }


def _lines(y_m: Tensor, std_m: Tensor) -> Tensor:
    """Lines ``(N, count, 33)`` with heights of zero, flat."""
    flat, log_std = torch.zeros_like(y_m), std_m.log()
    return torch.cat(
        [torch.stack([-y_m, flat], 3).flatten(1), torch.stack([log_std, log_std], 3).flatten(1)], 1
    )


def _lead(distance_m: Tensor, std_m: Tensor, layout: Layout) -> Tensor:
    """The car ahead, now; standing still relative to us later."""
    groups, values, logits = (5, 4, 3) if layout.fields["lead"] == LEAD_OLD else (2, 24, 3)
    rest = torch.zeros_like(distance_m[:, None]).repeat(1, values - 1)
    group = [distance_m[:, None], rest, std_m.log()[:, None], rest, rest[:, :logits]]
    return torch.cat(group, 1).repeat(1, groups)


def _optional(outputs: ModelOutputs, layout: Layout) -> dict[str, Tensor]:
    """What not every network says and not every layout has room for."""
    written = {}
    if outputs.road_edge_y_m is not None and outputs.road_edge_std_m is not None:
        written["road_edges"] = _lines(outputs.road_edge_y_m, outputs.road_edge_std_m)
    if outputs.desired_curvature_per_m is not None and "desired_curvature" in layout.fields:
        curvature = -outputs.desired_curvature_per_m[:, None]
        written["desired_curvature"] = torch.cat([curvature, torch.zeros_like(curvature)], 1)
    if outputs.camera_height_m is not None and "road_transform" in layout.fields:
        height = outputs.camera_height_m[:, None]
        rest = torch.zeros_like(height)
        written["road_transform"] = torch.cat([rest, rest, height, rest.repeat(1, 9)], 1)
    return written
