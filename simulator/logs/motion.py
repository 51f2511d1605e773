"""MotionLog: where a recorded car was and how it moved, and the road that it drove."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simulator.roads.road import LEAD_IN_M, LEAD_OUT_M, STEP_M, Lane, LaneMark, Road
from simulator.world import CAMERA_PERIOD_S, InvalidInput, VehicleState

Array = NDArray[np.float64]

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
        for name in ("time_s", "x_m", "y_m", "yaw_rad", "speed_mps"):
            if not np.isfinite(getattr(self, name)).all():
                raise InvalidInput(f"motion log: {name} holds numbers that are not finite")

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

    def since(self, first: int) -> MotionLog:
        """The drive from a sample on, which becomes the origin of time, place and heading."""
        if not 0 <= first < len(self):
            raise InvalidInput(f"motion log: sample {first} is not one of its {len(self)}")
        x, y, yaw = (values[first:] - values[first] for values in (self.x_m, self.y_m, self.yaw_rad))
        cos, sin = np.cos(self.yaw_rad[first]), np.sin(self.yaw_rad[first])
        time = self.time_s[first:] - self.time_s[first]
        x, y = cos * x + sin * y, cos * y - sin * x
        return MotionLog(time, x, y, yaw, self.speed_mps[first:], self.steering_rad[first:])

    def driven_m(self, time_s: float) -> float:
        """Length of the trace from its start up to a time; after the log's end it goes on evenly."""
        over = max(0.0, time_s - float(self.time_s[-1]))
        return float(np.interp(time_s, self.time_s, self.arc_length()) + over * self.speed_mps[-1])

    def arc_length(self) -> Array:
        """Length of the trace up to each sample, ``(T,)``."""
        return np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(self.x_m), np.diff(self.y_m)))])

    def road(
        self,
        name: str,
        length_m: float,
        lane_m: tuple[float, float] | None = None,
        mark_width_m: float = 0.15,
    ) -> Road:
        """The road that was driven, straight before the log's start and after its end.

        Its reference line is the trace of the rear axle, or the middle of the lane where that is known.

        Args:
            name: for messages and reports.
            length_m: how far it may be driven.
            lane_m: left and right border of the lane relative to the trace (positive, negative), marked with a solid
                line each; borders are NaN and there are no marks where None.
            mark_width_m: of those lines.
        """
        centre = 0.0 if lane_m is None else 0.5 * (lane_m[0] + lane_m[1])
        x = self.x_m - centre * np.sin(self.yaw_rad)
        y = self.y_m + centre * np.cos(self.yaw_rad)
        s, *columns = _evenly(x, y, self.yaw_rad)
        x, y, heading, curvature = columns
        half = np.full(len(s), np.nan if lane_m is None else 0.5 * (lane_m[0] - lane_m[1]))
        lane = Lane(half, -half)
        borders = () if lane_m is None else (half, -half)
        return Road(
            name=name,
            x_m=x,
            y_m=y,
            heading_rad=heading,
            curvature_per_m=curvature,
            elevation_m=np.zeros(len(s)),
            length_m=length_m,
            ego_lane=lane,
            lanes=(lane,),
            marks=tuple(LaneMark(border, "solid", width_m=mark_width_m) for border in borders),
        )


def _evenly(x_m: Array, y_m: Array, yaw_rad: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Arc length, place, heading and curvature of a line at the samples that roads have."""
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x_m), np.diff(y_m)))])
    moved = np.concatenate([[True], np.diff(length) > 1e-3])
    length, x, y, yaw = (values[moved] for values in (length, x_m, y_m, yaw_rad))
    s = np.arange(-LEAD_IN_M, length[-1] + LEAD_OUT_M, STEP_M)
    inside = np.clip(s, 0.0, length[-1])
    over = s - inside
    heading = np.interp(inside, length, yaw)
    if len(length) > 2:
        samples = 2 * round(SMOOTHING_M / STEP_M / 2) + 1
        padded = np.pad(heading, samples // 2, mode="edge")
        heading = np.convolve(padded, np.full(samples, 1 / samples), mode="valid")
    curvature = np.gradient(heading, STEP_M)
    curvature[over != 0] = 0.0
    x = np.interp(inside, length, x) + over * np.cos(heading)
    y = np.interp(inside, length, y) + over * np.sin(heading)
    return s, x, y, heading, curvature
