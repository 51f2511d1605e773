"""What lies ahead of a car: the lane centre and the lane marks in the car's own frame, exactly.

Truth for metrics, what the ``ground_truth`` assistant drives by, and labels for training, all from here. The lines
along a road (its reference line, the marks to both sides) are traced once; a look ahead then is a few operations.

Convention: ISO 8855; x forward, y left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from simulator.geometry import Curve
from simulator.roads.road import Road

CAMERA_FOOT_M = 1.5
"""The frame that paths are given in: this far ahead of the rear axle, below the camera."""

_WINDOW_BEHIND_M = 15.0
_WINDOW_AHEAD_M = 285.0
"""Arc length that is searched: a curve that turns by 80 degrees within 192 m is at most 272 m long."""

_TURNED_AWAY = math.cos(math.radians(80.0))

_NEAR_M = 0.6
"""A mark this close to the border of the ego lane is the lane's own."""

_FAR_M = (1.0, 6.0)
"""A mark this far beyond the border of the ego lane is the next lane's other one."""

_PAINTED_NOT = frozenset({"none", "curb", "grass"})


def lane_marks(road: Road) -> NDArray[np.float64]:
    """Which painted lines are those around the ego lane.

    Returns:
        ``(4, S)`` lateral positions of left far, left near, right near and right far marks; NaN where there is none.
    """
    offsets = [mark.offset_m for mark in road.marks if mark.kind not in _PAINTED_NOT]
    around = np.full((4, len(road.x_m)), np.nan)
    if not offsets:
        return around
    marks = np.stack(offsets)
    for row_far, row_near, border, side in (
        (0, 1, road.ego_lane.left_m, 1.0),
        (3, 2, road.ego_lane.right_m, -1.0),
    ):
        outward = np.nan_to_num(side * (marks - border), nan=np.inf)
        for row, distance in (
            (row_near, np.where(np.abs(outward) <= _NEAR_M, np.abs(outward), np.inf)),
            (row_far, np.where((outward >= _FAR_M[0]) & (outward <= _FAR_M[1]), outward, np.inf)),
        ):
            nearest = distance.argmin(axis=0)[None]
            found = np.isfinite(np.take_along_axis(distance, nearest, axis=0))
            around[row] = np.where(found, np.take_along_axis(marks, nearest, axis=0), np.nan)[0]
    return around


@dataclass(frozen=True)
class Lines:
    """Lines along a batch of roads, sampled at the roads' own steps and continued beyond their ends.

    Attributes:
        table: ``(N, 2, 3, L, S + W)``: x, y of points, x, y of unit tangents, curvature and 1 where a line exists.
        search: ``(N, 2, L + 1, S + W)``: x and y of points, and of the first line's tangents.
        start_m: arc length of the road at the first sample.
        step_m: arc length of the road between samples.
    """

    table: Tensor
    search: Tensor
    start_m: float
    step_m: float

    @classmethod
    def along(cls, curve: Curve, offset_m: Tensor) -> Lines:
        """Trace lines beside curves.

        Args:
            curve: ``N`` reference lines of S samples.
            offset_m: ``(N, L, S)`` lateral positions, NaN where a line does not exist.
        """
        x, y, heading, curvature = (column[:, None] for column in curve.table.unbind(-1))
        exists = ~torch.isnan(offset_m)
        d = torch.where(exists, offset_m, torch.zeros_like(offset_m))
        # differences across the ends of a line are none of its own
        joined = exists[..., 1:] & exists[..., :-1]
        difference = (
            torch.where(joined, d[..., 1:] - d[..., :-1], torch.zeros_like(d[..., 1:])) / curve.step_m
        )
        slope = 0.5 * (pad(difference, (1, 0)) + pad(difference, (0, 1)))
        stretch = (1 - curvature * d).clamp_min(0.05)
        veer = torch.atan2(slope, stretch)
        # d(veer)/ds by central differences; on a line at constant offset it is zero and the curvature exact
        turning = pad(veer[..., 2:] - veer[..., :-2], (1, 1)) / (2 * curve.step_m)
        bend = (curvature + turning) * torch.cos(veer) / stretch
        angle = heading + veer
        point = torch.stack([x - d * torch.sin(heading), y + d * torch.cos(heading)], dim=1)
        tangent = torch.stack([torch.cos(angle), torch.sin(angle)], dim=1)
        table = torch.stack([point, tangent, torch.stack([bend, exists.to(bend.dtype)], dim=1)], dim=2)
        # room for a whole window after the last sample, so that none has to be cut
        more = round((_WINDOW_BEHIND_M + _WINDOW_AHEAD_M) / curve.step_m)
        table = torch.cat([table, table[..., -1:].expand(*table.shape[:-1], more)], dim=-1)
        return cls(table, torch.cat([table[:, :, 0], table[:, :, 1, :1]], dim=2), curve.start_m, curve.step_m)

    @classmethod
    def around(cls, roads: Sequence[Road], curve: Curve) -> Lines:
        """The ego lane's centre (line 0) and its four marks, left to right (lines 1 to 4), of several roads."""
        count = curve.table.shape[1]
        offsets = []
        for road in roads:
            marks = lane_marks(road)
            lines = np.concatenate([np.zeros((1, len(road.x_m))), marks])
            offsets.append(np.pad(lines, ((0, 0), (0, count - len(road.x_m))), mode="edge"))
        return cls.along(curve, torch.as_tensor(np.stack(offsets)).to(curve.table))


@dataclass(frozen=True)
class Ahead:
    """Lines as seen from a frame.

    Attributes:
        y_m: ``(N, L, D)`` lateral positions at given distances, positive left; finite everywhere.
        exists: ``(N, L, D)`` bool, the line exists there.
        in_view: ``(N, L, D)`` bool; elsewhere the road has turned away or ended, and the line is held where it was.
    """

    y_m: Tensor
    exists: Tensor
    in_view: Tensor


def look_ahead(
    lines: Lines, s_m: Tensor, x_m: Tensor, y_m: Tensor, yaw_rad: Tensor, distances_m: Tensor
) -> Ahead:
    """Where lines cross given distances ahead, in the frame of a point on the road.

    Exact on lines and arcs; on a clothoid the nearest sample's arc is followed for at most half a step. Where the first
    line has turned away from the frame by more than 80 degrees, or the road's arrays end, a line is held at its last
    lateral position and is not in view.

    Args:
        lines: of N roads (or of one, shared).
        s_m: ``(N,)`` arc length of the road near the point; a guess within some metres will do.
        x_m: ``(N,)`` origin of the frame.
        y_m: ``(N,)``.
        yaw_rad: ``(N,)`` direction of the frame.
        distances_m: ``(D,)`` ahead of the origin.

    Returns:
        Lateral positions ``(N, L, D)``, differentiable in the frame's pose, and where they mean something.
    """
    batch, window = len(x_m), round((_WINDOW_BEHIND_M + _WINDOW_AHEAD_M) / lines.step_m)
    behind = round(_WINDOW_BEHIND_M / lines.step_m)
    count = lines.table.shape[3]
    cos, sin = torch.cos(yaw_rad), torch.sin(yaw_rad)
    turn = torch.stack([cos, sin, -sin, cos], dim=1).unflatten(1, (2, 2))
    origin = turn @ torch.stack([x_m, y_m], dim=1)[:, :, None]
    with torch.no_grad():
        first = ((s_m - (lines.start_m + _WINDOW_BEHIND_M)) / lines.step_m).long()
        first = first.clamp(0, lines.table.shape[-1] - window)
        shared = len(lines.table) == 1
        world = torch.zeros_like(first) if shared else torch.arange(batch, device=first.device)
        near = lines.search.unfold(-1, window, 1)[world, :, :, first]
        forward = (turn[:, :1] @ near.flatten(2)).unflatten(2, (count + 1, window))[:, 0]
        # what lies behind the point does not count, but from where the road turns away nothing does
        index = torch.arange(window, device=first.device)
        away = (forward[:, count, behind:] < _TURNED_AWAY) & (forward[:, 0, behind:] > origin[:, 0])
        last = torch.where(away, index[behind:] - 1, window - 1).amin(dim=1).clamp_min(0)[:, None, None]
        forward = torch.cummax(forward[:, :count], dim=2).values
        # half a step early, the first sample that is ahead is the nearest one
        probes = (origin[:, 0] + (distances_m - 0.5 * lines.step_m))[:, None].expand(-1, count, -1)
        index = torch.searchsorted(forward, probes.contiguous())
        held = index > last
        index = torch.minimum(index, last) + first[:, None, None]
    table = lines.table.expand(batch, -1, -1, -1, -1)
    found = table.gather(4, index[:, None, None].expand(-1, 2, 3, -1, -1))
    turned = (turn @ found[:, :, :2].flatten(2)).unflatten(2, (2, count, -1))
    along, cosine, across, sine = turned.flatten(1, 2).unbind(1)
    ahead = ((distances_m + origin[:, :1]) - along).masked_fill(held, 0.0)
    curvature, exists = found[:, 0, 2], found[:, 1, 2]
    # an arc whose tangent has the sine a reaches, after a run h forward, the sine a + curvature * h
    reached = torch.addcmul(sine, curvature, ahead).clamp(-0.999, 0.999)
    rise = ahead * (sine + reached) / (cosine + torch.sqrt(1 - reached * reached)).clamp_min(1e-3)
    return Ahead(across + rise - origin[:, 1:], exists > 0.5, ~held)
