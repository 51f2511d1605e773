"""How fast the car goes: a set speed, a gap to the car ahead, and slowing for curves.

Following is the intelligent driver model (Treiber, Hennecke, Helbing 2000, Phys. Rev. E 62, eq. 3); slowing for curves
is the speed from which a comfortable braking reaches every curve ahead at the lateral acceleration allowed there.
Batched over worlds and differentiable.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from simulator.world import DISTANCES_M

_REACH_M = 130.0
"""How far ahead curves are looked for."""

_STENCIL = 2
"""A curvature comes from the parabola through this many points on either side."""


@dataclass(frozen=True)
class CruiseParameters:
    """How a car is driven along.

    Attributes:
        max_lateral_acceleration_mps2: in curves.
        curve_braking_mps2: deceleration with which a curve is approached.
        curve_margin_s: how long before the curve its speed should be reached.
        speed_gain_per_s: acceleration per speed error.
        max_acceleration_mps2: strongest acceleration asked for; ``a`` of the intelligent driver model.
        max_braking_mps2: strongest deceleration asked for, positive; openpilot's limit.
        headway_s: time gap to the car ahead; openpilot's.
        standstill_gap_m: gap when both stand.
        follow_braking_mps2: ``b`` of the intelligent driver model.
    """

    max_lateral_acceleration_mps2: float = 2.5
    curve_braking_mps2: float = 1.5
    curve_margin_s: float = 1.0
    speed_gain_per_s: float = 0.8
    max_acceleration_mps2: float = 1.5
    max_braking_mps2: float = 3.5
    headway_s: float = 1.45
    standstill_gap_m: float = 4.0
    follow_braking_mps2: float = 2.0


class Cruise:
    """Turns a set speed, a lead car and the path ahead into an acceleration.

    Args:
        parameters: how to drive.
        dtype: of the tensors it will be given.
        device: likewise.
    """

    def __init__(
        self,
        parameters: CruiseParameters | None = None,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        self.parameters = parameters or CruiseParameters()
        points = int((DISTANCES_M <= _REACH_M).sum())
        self._points = points
        slope = torch.zeros(points, points - 2 * _STENCIL, dtype=torch.float64)
        bend = torch.zeros_like(slope)
        for column in range(points - 2 * _STENCIL):
            around = slice(column, column + 2 * _STENCIL + 1)
            distance = DISTANCES_M[around] - DISTANCES_M[column + _STENCIL]
            fit = torch.linalg.pinv(torch.stack([distance**0, distance, distance**2], dim=1))
            slope[around, column], bend[around, column] = fit[1], 2 * fit[2]
        self._derivatives = torch.cat([slope, bend], dim=1).to(device=device, dtype=dtype)
        self._distances = DISTANCES_M[_STENCIL : points - _STENCIL].to(device=device, dtype=dtype)

    def curve_speed(self, path_y_m: Tensor, speed_mps: Tensor) -> Tensor:
        """The speed at which every curve ahead can still be met.

        Args:
            path_y_m: ``(N, 33)`` at ``DISTANCES_M``.
            speed_mps: ``(N,)``.

        Returns:
            ``(N,)`` m/s, large on a straight road.
        """
        p = self.parameters
        slope, bend = (path_y_m[:, : self._points] @ self._derivatives).chunk(2, dim=1)
        stretch = torch.rsqrt(1 + slope**2)
        curvature = (bend * stretch**3).abs()
        # a path that has turned by more than 45 degrees is no function of the distance any more
        steep = torch.cummax((slope.abs() > 1.0).to(slope.dtype), dim=1).values
        room = (self._distances - p.curve_margin_s * speed_mps[:, None]).clamp_min(0.0)
        squared = (
            p.max_lateral_acceleration_mps2 / curvature.clamp_min(1e-5) + 2 * p.curve_braking_mps2 * room
        )
        return torch.sqrt((squared + 1e6 * steep).amin(dim=1))

    def acceleration(
        self,
        speed_mps: Tensor,
        set_speed_mps: Tensor,
        gap_m: Tensor | None = None,
        lead_speed_mps: Tensor | None = None,
        path_y_m: Tensor | None = None,
    ) -> Tensor:
        """The acceleration to ask for.

        Args:
            speed_mps: ``(N,)`` of the car.
            set_speed_mps: ``(N,)`` what the driver wants on an empty straight road.
            gap_m: ``(N,)`` to the car ahead, inf where there is none; None where no world has one.
            lead_speed_mps: ``(N,)`` its speed, anything finite where there is none.
            path_y_m: ``(N, 33)`` at ``DISTANCES_M``, or None to ignore curves.

        Returns:
            ``(N,)`` m/s^2.
        """
        p = self.parameters
        wanted = set_speed_mps
        if path_y_m is not None:
            wanted = torch.minimum(set_speed_mps, self.curve_speed(path_y_m, speed_mps))
        asked = p.speed_gain_per_s * (wanted - speed_mps)
        if gap_m is not None and lead_speed_mps is not None:
            closing = speed_mps * (speed_mps - lead_speed_mps)
            comfort = 2 * math.sqrt(p.max_acceleration_mps2 * p.follow_braking_mps2)
            gap_wanted = p.standstill_gap_m + (speed_mps * p.headway_s + closing / comfort).clamp_min(0.0)
            follow = p.max_acceleration_mps2 * (1 - (gap_wanted / gap_m.clamp_min(0.1)) ** 2)
            asked = torch.minimum(asked, follow)
        return asked.clamp(-p.max_braking_mps2, p.max_acceleration_mps2)
