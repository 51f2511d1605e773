"""Angles and curves in the plane: the geometry that every room shares.

Convention: ISO 8855 throughout. x forward (or east), y left (or north), z up; yaw counter-clockwise from x, radians.
Along a curve, ``s`` is arc length and ``d`` the signed distance to the left of it (Frenet coordinates).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

_STRAIGHT_PER_M = 1e-9
"""Curvature below which a curve is called a line."""


def wrap_angle(angle_rad: Tensor) -> Tensor:
    """Wrap angles into [-pi, pi); any shape, differentiable almost everywhere."""
    return torch.remainder(angle_rad + math.pi, 2 * math.pi) - math.pi


def rotate(x: Tensor, y: Tensor, yaw_rad: Tensor) -> tuple[Tensor, Tensor]:
    """Rotate points counter-clockwise by ``yaw_rad``; all shapes broadcast."""
    cos, sin = torch.cos(yaw_rad), torch.sin(yaw_rad)
    return cos * x - sin * y, sin * x + cos * y


@dataclass(frozen=True)
class Curve:
    """A batch of plane curves sampled at equal steps of arc length.

    Between samples a curve is the circular arc of its nearest sample, which is exact for lines and arcs and off by
    about ``step**3 * d(curvature)/ds / 48`` on a clothoid (below a micrometre for the step of 0.5 m used here).

    Attributes:
        table: ``(N, S, 4)`` float, columns x [m], y [m], heading [rad, unwrapped], curvature [1/m, positive left].
        start_m: arc length of the first sample.
        step_m: arc length between samples.
    """

    table: Tensor
    start_m: float
    step_m: float

    def __len__(self) -> int:
        return self.table.shape[0]

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Curve:
        """The same curves on another device or in another precision."""
        return Curve(self.table.to(device=device, dtype=dtype), self.start_m, self.step_m)

    def _nearest_sample(self, s: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of the table nearest to ``s (N, ...)`` as ``(N, ..., 4)``, and how far ``s`` lies beyond each."""
        count = self.table.shape[1]
        index = ((s.detach() - self.start_m) / self.step_m).round().long().clamp(0, count - 1)
        flat = index.reshape(len(s), -1)
        table = self.table.expand(len(s), -1, -1)
        rows = table.gather(1, flat[..., None].expand(-1, -1, 4)).reshape(*s.shape, 4)
        return rows, s - (self.start_m + index.to(s.dtype) * self.step_m)

    def frame_at(self, s: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Position, heading and curvature at arc length ``s``.

        Args:
            s: ``(N, ...)``; beyond either end the curve goes on as the arc of its last sample.

        Returns:
            x, y, heading, curvature, each of the shape of ``s``.
        """
        rows, ahead = self._nearest_sample(s)
        x, y, heading, curvature = rows.unbind(-1)
        half_turn = 0.5 * curvature * ahead
        # the chord of an arc: length ahead * sinc(half turn), direction heading + half turn
        chord = ahead * torch.sinc(half_turn / math.pi)
        return (
            x + chord * torch.cos(heading + half_turn),
            y + chord * torch.sin(heading + half_turn),
            heading + 2 * half_turn,
            curvature,
        )

    def to_cartesian(self, s: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
        """Plane coordinates of Frenet points; ``s`` and ``d`` are ``(N, ...)``."""
        x, y, heading, _ = self.frame_at(s)
        return x - d * torch.sin(heading), y + d * torch.cos(heading)

    @cached_property
    def _arcs(self) -> Tensor:
        """``(N * S, 6)``: for every sample x, y, cosine and minus sine of the heading, curvature, arc length."""
        x, y, heading, curvature = self.table.detach().unbind(-1)
        s = self.start_m + torch.arange(self.table.shape[1]).to(x) * self.step_m
        # a line is an arc of a radius so large that it does not show: so lines and arcs are one case
        arc = torch.where(curvature.abs() < _STRAIGHT_PER_M, _STRAIGHT_PER_M, curvature)
        columns = [x, y, torch.cos(heading), -torch.sin(heading), arc, s.expand_as(x)]
        return torch.stack(columns, dim=-1).flatten(0, 1)

    def to_frenet(
        self, x: Tensor, y: Tensor, s_guess: Tensor, iterations: int = 3, which: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Frenet coordinates of plane points, differentiable in ``x`` and ``y``.

        Every iteration solves for the foot point on the arc of the sample nearest to the current guess, so a line or an
        arc is done in one, and a clothoid gains several digits with each.

        Args:
            x: ``(N, ...)`` m.
            y: ``(N, ...)`` m.
            s_guess: ``(N, ...)`` m, on the same stretch of road as the point (within a quarter turn).
            iterations: how often the guess is refined; only the last is differentiated.
            which: ``(N,)`` long, the curve of each row of points; where None, row by row, or the only one for all.

        Returns:
            s and d, each ``(N, ...)`` m.
        """
        count = self.table.shape[1]
        if which is None and len(self) > 1:
            which = torch.arange(len(self), device=x.device)
        first = None if which is None else (which * count).reshape(-1, *[1] * (x.ndim - 1))
        # as complex numbers a shift and a turn are two operations instead of eight
        points, s, last = torch.complex(x, y), s_guess.detach(), iterations - 1
        for iteration in range(iterations):
            index = ((s - self.start_m) * (1 / self.step_m)).round().clamp(0, count - 1).long()
            index = index if first is None else index + first
            rows = self._arcs.index_select(0, index.flatten()).unflatten(0, index.shape)
            foot, turned_back = torch.view_as_complex(rows[..., :4].unflatten(-1, (2, 2))).unbind(-1)
            curvature, at = rows[..., 4], rows[..., 5]
            place = ((points if iteration == last else points.detach()) - foot) * turned_back
            along, left = place.real, place.imag
            sideways, to_centre = curvature * along, 1 - curvature * left
            s = at + torch.atan2(sideways, to_centre) / curvature
        radius_ratio = torch.hypot(to_centre, sideways)
        # (1 - |1 - kappa * n|) / kappa, written so that it does not cancel for nearly straight roads
        d = (2 * left - curvature * (left * left + along * along)) / (1 + radius_ratio)
        return s, d
