"""Traffic: other cars that follow the ego lane; their motion depends on time only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from simulator.geometry import Curve, rotate
from simulator.objects import OTHER_CAR_LENGTH_M, Boxes

_SAME_LANE_M = 1.4
"""Cars whose middle is this close to the centre of the ego lane are in it."""


@dataclass(frozen=True)
class OtherCar:
    """A car that follows the ego lane's reference line at a constant lateral position.

    Attributes:
        gap_m: at the start, from the ego car's front bumper to its rear one (negative: it starts behind).
        speed_mps: negative for an oncoming car.
        d_m: lateral position of its middle.
        braking_time_s: when it starts to brake; inf for never.
        braking_mps2: how hard, until it stands.
    """

    gap_m: float
    speed_mps: float
    d_m: float = 0.0
    braking_time_s: float = math.inf
    braking_mps2: float = 6.0


@dataclass(frozen=True)
class Traffic:
    """Up to K other cars in each of N worlds; all ``(N, K)``.

    Attributes:
        curve: the centre lines of the ego lanes, N of them.
        start_m: where along them the cars' middles start.
        d_m: lateral position of the middles.
        speed_mps: at the start.
        braking_time_s: when they begin to brake.
        braking_mps2: how hard.
        present: bool, whether there is such a car.
    """

    curve: Curve
    start_m: Tensor
    d_m: Tensor
    speed_mps: Tensor
    braking_time_s: Tensor
    braking_mps2: Tensor
    present: Tensor

    @classmethod
    def of(cls, worlds: Sequence[tuple[float, Sequence[OtherCar]]], curve: Curve) -> Traffic | None:
        """The cars of every world, given with where the ego car's front bumper starts; None where there are none."""
        most = max(len(cars) for _, cars in worlds)
        if most == 0:
            return None
        absent = (0.0, 0.0, 0.0, math.inf, 1.0, 0.0)
        rows = []
        for bumper_m, cars in worlds:
            row = [
                (
                    bumper_m + car.gap_m + 0.5 * OTHER_CAR_LENGTH_M,
                    car.d_m,
                    car.speed_mps,
                    car.braking_time_s,
                    car.braking_mps2,
                    1.0,
                )
                for car in cars
            ]
            rows.append(row + [absent] * (most - len(cars)))
        table = torch.tensor(rows, dtype=torch.float64, device=curve.table.device)
        start, d, speed, braking_time, braking, present = table.permute(2, 0, 1).contiguous()
        return cls(curve, start, d, speed, braking_time, braking, present > 0.5)

    def motion(self, time_s: Tensor) -> tuple[Tensor, Tensor]:
        """Arc length and speed along the lane at the time ``(N,)`` of each world, ``(N, K)`` each."""
        speed, direction = self.speed_mps.abs(), torch.sign(self.speed_mps)
        now = time_s[:, None]
        braked = torch.minimum((now - self.braking_time_s).clamp_min(0.0), speed / self.braking_mps2)
        rolled = torch.minimum(self.braking_time_s, now)
        left = (speed - self.braking_mps2 * braked).clamp_min(0.0)
        s = self.start_m + self.speed_mps * rolled + direction * braked * 0.5 * (speed + left)
        return s, direction * left

    def boxes(self, time_s: Tensor) -> Boxes:
        """Where they are at the time ``(N,)`` of each world."""
        s, d = self.motion(time_s)[0], self.d_m
        x, y, heading, _ = self.curve.frame_at(s)
        dx, dy = rotate(torch.zeros_like(d), d, heading)
        facing = torch.where(self.speed_mps < 0, heading + math.pi, heading)
        return replace(Boxes.cars(x + dx, y + dy, facing), present=self.present)

    def lead(self, time_s: Tensor, s_m: Tensor, front_m: float) -> tuple[Tensor, Tensor]:
        """Gap to the nearest car ahead in the ego lane, inf where there is none, and its speed: ``(N,)`` each.

        Args:
            time_s: ``(N,)``.
            s_m: ``(N,)`` of the ego cars.
            front_m: from there to their front bumpers.
        """
        other_s, other_speed = self.motion(time_s)
        gap = other_s - 0.5 * OTHER_CAR_LENGTH_M - s_m[:, None] - front_m
        in_lane = self.present & (self.d_m.abs() < _SAME_LANE_M) & (other_s > s_m[:, None])
        gap, nearest = torch.where(in_lane, gap, math.inf).min(dim=1)
        speed = other_speed.gather(1, nearest[:, None])[:, 0]
        return gap, torch.where(torch.isfinite(gap), speed, torch.zeros_like(gap))
