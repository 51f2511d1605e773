"""MotionLog: where a recorded car was and how it moved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simulator.geometry import Curve
from simulator.world import CAMERA_PERIOD_S, InvalidInput, VehicleState

Array = NDArray[np.float64]

CURVE_STEP_M = 0.5
BEHIND_M, AHEAD_M = 50.0, 400.0
"""The recorded trace goes on straight this far before its start and after its end."""

SMOOTHING_M = 5.0
"""Over this length of road the recorded heading is averaged to tell curvature from noise."""


@dataclass(frozen=True)
class MotionLog:
    """A drive, sampled at the frames of its camera. All arrays are ``(T,)`` float64.

    Convention: ISO 8855; the origin is the first position of the rear axle, x the first heading.

    Attributes:
        time_s: since the first frame, rising.
        x_m: position of the rear axle's midpoint.
        y_m: the same, to the left.
        yaw_rad: heading, unwrapped.
        speed_mps: [m/s].
        steering_rad: at the steering wheel, positive left; NaN where it was not recorded.
    """

    time_s: Array
    x_m: Array
    y_m: Array
    yaw_rad: Array
    speed_mps: Array
    steering_rad: Array

    def __post_init__(self) -> None:
        if len(self.time_s) == 0 or bool((np.diff(self.time_s) <= 0).any()):
            raise InvalidInput("motion log: time_s must not be empty, and must rise")

    def __len__(self) -> int:
        return len(self.time_s)

    @classmethod
    def straight(cls, speed_mps: float, frames: int, period_s: float = CAMERA_PERIOD_S) -> MotionLog:
        """A drive of which nothing is known but its speed: straight ahead and even."""
        time = period_s * np.arange(frames, dtype=np.float64)
        zero = np.zeros(frames)
        return cls(time, speed_mps * time, zero, zero, np.full(frames, speed_mps), np.full(frames, np.nan))

    def at(self, time_s: Tensor) -> VehicleState:
        """The recorded car at times ``(N,)``, interpolated; before and after it goes on as it began and ended."""
        query = time_s.detach().cpu().numpy()
        inside = np.clip(query, self.time_s[0], self.time_s[-1])
        over = query - inside
        yaw_rate = self._rate(self.yaw_rad)
        acceleration = self._rate(self.speed_mps)
        x, y, yaw, speed, rate, gain = (
            np.interp(inside, self.time_s, values)
            for values in (self.x_m, self.y_m, self.yaw_rad, self.speed_mps, yaw_rate, acceleration)
        )
        recorded = np.interp(inside, self.time_s, np.nan_to_num(self.steering_rad))
        x, y = x + over * speed * np.cos(yaw), y + over * speed * np.sin(yaw)
        still = np.zeros_like(query)
        columns = (
            x,
            y,
            yaw,
            speed,
            np.where(over == 0, gain, 0.0),
            recorded,
            np.where(over == 0, rate, 0.0),
            still,
        )
        return VehicleState(*(torch.from_numpy(column).to(time_s.device) for column in columns))

    def _rate(self, values: Array) -> Array:
        return np.gradient(values, self.time_s) if len(self) > 1 else np.zeros(1)

    def arc_length(self) -> Array:
        """Length of the trace up to each sample, ``(T,)``."""
        return np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(self.x_m), np.diff(self.y_m)))])

    def curve(self) -> Curve:
        """The trace of the rear axle as a curve over its arc length, continued straight at both ends."""
        length = self.arc_length()
        moved = np.concatenate([[True], np.diff(length) > 1e-3])
        length, x, y, yaw = (values[moved] for values in (length, self.x_m, self.y_m, self.yaw_rad))
        s = np.arange(-BEHIND_M, length[-1] + AHEAD_M, CURVE_STEP_M)
        inside = np.clip(s, 0.0, length[-1])
        over = s - inside
        heading = np.interp(inside, length, yaw)
        if len(length) > 2:
            samples = 2 * round(SMOOTHING_M / CURVE_STEP_M / 2) + 1
            padded = np.pad(heading, samples // 2, mode="edge")
            heading = np.convolve(padded, np.full(samples, 1 / samples), mode="valid")
        curvature = np.gradient(heading, CURVE_STEP_M)
        curvature[over != 0] = 0.0
        x = np.interp(inside, length, x) + over * np.cos(heading)
        y = np.interp(inside, length, y) + over * np.sin(heading)
        table = torch.from_numpy(np.stack([x, y, heading, curvature], -1))[None]
        return Curve(table, -BEHIND_M, CURVE_STEP_M)
