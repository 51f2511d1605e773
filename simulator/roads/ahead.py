"""What lies ahead of a car: the lane centre and the lane marks in the car's own frame, exactly.

Truth for metrics, what the ``ground_truth`` assistant drives by, and labels for training, all from here. The lines along
a road (its reference line, the marks to both sides) are traced once; a look ahead then is a handful of operations.

Convention: ISO 8855; points of a line are complex numbers ``x + i y``, so that turning a frame is one multiplication.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simulator.geometry import Curve
from simulator.roads.road import LEAD_IN_M, STEP_M, Profile, Road

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


def _extended(profile: Profile, count: int, step: float = 0.0) -> Profile:
    """A profile continued evenly to ``count`` samples."""
    more = np.arange(1, count - len(profile) + 1)
    return np.concatenate([profile, profile[-1] + step * more])


def stack_curves(
    roads: Sequence[Road], dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu"
) -> Curve:
    """The reference lines of several roads as one batch; the shorter ones go on straight."""
    count = max(len(road.x_m) for road in roads)
    tables = []
    for road in roads:
        end = road.heading_rad[-1]
        columns = (
            _extended(road.x_m, count, STEP_M * math.cos(end)),
            _extended(road.y_m, count, STEP_M * math.sin(end)),
            _extended(road.heading_rad, count),
            np.concatenate([road.curvature_per_m, np.zeros(count - len(road.x_m))]),
        )
        tables.append(np.stack(columns, axis=-1))
    return Curve(torch.as_tensor(np.stack(tables), dtype=dtype, device=device), -LEAD_IN_M, STEP_M)


def stack_profiles(profiles: Sequence[Profile], dtype: torch.dtype = torch.float64) -> Tensor:
    """``(N, S)`` profiles of several roads, the shorter ones held at their last value."""
    count = max(len(profile) for profile in profiles)
    return torch.as_tensor(np.stack([_extended(profile, count) for profile in profiles]), dtype=dtype)


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
    """Lines along a batch of roads, sampled at the roads' own steps.

    Attributes:
        table: ``(N, 3, L, S)`` complex: points x + iy, unit tangents, and curvature + i * (1 where the line exists).
        start_m: arc length of the road at the first sample.
        step_m: arc length of the road between samples.
    """

    table: Tensor
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
        sloped = torch.nn.functional.pad(difference, (1, 0)), torch.nn.functional.pad(difference, (0, 1))
        slope = 0.5 * (sloped[0] + sloped[1])
        stretch = (1 - curvature * d).clamp_min(0.05)
        veer = torch.atan2(slope, stretch)
        # d(veer)/ds by central differences; on a line at constant offset it is zero and the curvature exact
        turning = torch.nn.functional.pad(veer[..., 2:] - veer[..., :-2], (1, 1)) / (2 * curve.step_m)
        bend = (curvature + turning) * torch.cos(veer) / stretch
        point = torch.complex(x - d * torch.sin(heading), y + d * torch.cos(heading))
        angle = heading + veer
        tangent = torch.complex(torch.cos(angle), torch.sin(angle))
        table = torch.stack([point, tangent, torch.complex(bend, exists.to(bend.dtype))], dim=1)
        return cls(table, curve.start_m, curve.step_m)

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
    table = lines.table
    batch, samples = len(x_m), table.shape[-1]
    window = min(round((_WINDOW_BEHIND_M + _WINDOW_AHEAD_M) / lines.step_m), samples)
    first = (
        ((s_m.detach() - (lines.start_m + _WINDOW_BEHIND_M)) / lines.step_m).long().clamp(0, samples - window)
    )
    world = torch.arange(batch, device=first.device) if len(table) > 1 else torch.zeros_like(first)
    near = table.unfold(-1, window, 1)[world, :, :, first]
    turn = torch.polar(torch.ones_like(yaw_rad), -yaw_rad)[:, None, None]
    origin = torch.complex(x_m, y_m)[:, None, None]
    with torch.no_grad():
        forward = ((near[:, 0] - origin) * turn).real
        turned_away = (near[:, 1, 0] * turn[:, :, 0]).real < _TURNED_AWAY
        # what lies behind the point does not count
        turned_away = turned_away & (forward[:, 0] > 0)
        beyond = torch.cummax(turned_away.to(torch.uint8), dim=1).values.bool()[:, None]
        forward = forward.masked_fill(beyond, math.inf)
        # half a step early, the first sample that is ahead is the nearest one
        probes = (distances_m - 0.5 * lines.step_m).expand(batch, near.shape[2], -1).contiguous()
        index = torch.searchsorted(forward, probes)
        last = (window - 1 - beyond.sum(dim=-1, keepdim=True)).clamp_min(0)
        held = index > last
        index = torch.minimum(index, last)
    found = near.gather(3, index[:, None].expand(-1, 3, -1, -1))
    place = (found[:, 0] - origin) * turn
    tangent = found[:, 1] * turn
    ahead = torch.where(held, torch.zeros_like(place.real), distances_m - place.real)
    # an arc whose tangent has the sine a reaches, after a run h forward, the sine a + curvature * h
    reached = (tangent.imag + found[:, 2].real * ahead).clamp(-0.999, 0.999)
    rise = (
        ahead * (tangent.imag + reached) / (tangent.real + torch.sqrt(1 - reached * reached)).clamp_min(1e-3)
    )
    return Ahead(place.imag + rise, found[:, 2].imag > 0.5, ~held)
