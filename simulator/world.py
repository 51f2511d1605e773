"""The contract of every world: what it shows, what it is told, what it knows.

A world never reads a wall clock. N worlds are stepped as one batch; every tensor below has the batch first.
Convention: ISO 8855, SI units, radians. Steering is at the steering wheel, positive to the left.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from simulator.errors import InfrastructureError as InfrastructureError
from simulator.errors import InvalidInput as InvalidInput
from simulator.errors import MissingExtra as MissingExtra

CAMERA_PERIOD_S = 0.05
"""Time between two camera frames: 20 Hz."""

DYNAMICS_PERIOD_S = 0.01
"""Time between two steps of the vehicle: 100 Hz."""


@dataclass(frozen=True)
class VehicleState:
    """Where the car is and how it moves. Every attribute is an ``(N,)`` float tensor.

    Attributes:
        x_m: position of the rear axle's midpoint [m].
        y_m: the same, to the left.
        yaw_rad: heading, counter-clockwise from x [rad].
        speed_mps: longitudinal speed [m/s].
        acceleration_mps2: longitudinal acceleration [m/s^2].
        steering_rad: steering-wheel angle after actuator limits [rad, positive left].
        yaw_rate_radps: [rad/s].
        lateral_speed_mps: lateral speed of the rear axle, zero for a kinematic model [m/s].
    """

    x_m: Tensor
    y_m: Tensor
    yaw_rad: Tensor
    speed_mps: Tensor
    acceleration_mps2: Tensor
    steering_rad: Tensor
    yaw_rate_radps: Tensor
    lateral_speed_mps: Tensor

    def __len__(self) -> int:
        return len(self.x_m)

    @classmethod
    def at(cls, x_m: Tensor, y_m: Tensor, yaw_rad: Tensor, speed_mps: Tensor) -> VehicleState:
        """A car that rolls straight ahead from a pose."""
        zero = torch.zeros_like(x_m)
        return cls(x_m, y_m, yaw_rad, speed_mps, zero, zero, zero, zero)

    def replace(self, **changes: Tensor) -> VehicleState:
        """A copy with some attributes changed."""
        return replace(self, **changes)

    def detach(self) -> VehicleState:
        """The same state, cut from the graph."""
        return VehicleState(*(getattr(self, f.name).detach() for f in fields(self)))


@dataclass(frozen=True)
class Command:
    """What the assistant asks of the car, each ``(N,)``.

    Attributes:
        steering_rad: desired steering-wheel angle [rad, positive left].
        acceleration_mps2: desired longitudinal acceleration [m/s^2].
    """

    steering_rad: Tensor
    acceleration_mps2: Tensor


@dataclass(frozen=True)
class GroundTruth:
    """What the map knows and no assistant but ``ground_truth`` may look at. Tensors with the batch first.

    Attributes:
        s_m: ``(N,)`` arc length along the ego lane's centre line.
        offset_m: ``(N,)`` lateral offset of the car's reference point from the lane centre, positive left.
        heading_error_rad: ``(N,)`` heading relative to the lane.
        curvature_per_m: ``(N,)`` curvature of the lane here.
        lane_left_m: ``(N,)`` lateral position of the ego lane's left border relative to its centre (positive).
        lane_right_m: ``(N,)`` the same of the right border (negative).
        path_y_m: ``(N, 33)`` lane centre in the car's frame at ``DISTANCES_M`` ahead, y positive left.
        lane_y_m: ``(N, 4, 33)`` left far, left near, right near, right far lane marks, likewise; NaN: none.
        lead_distance_m: ``(N,)`` gap to the car ahead in the lane, inf where there is none.
        lead_speed_mps: ``(N,)`` its speed.
        collided: ``(N,)`` bool, the car touches something.
        finished: ``(N,)`` bool, the road has ended.
    """

    s_m: Tensor
    offset_m: Tensor
    heading_error_rad: Tensor
    curvature_per_m: Tensor
    lane_left_m: Tensor
    lane_right_m: Tensor
    path_y_m: Tensor
    lane_y_m: Tensor
    lead_distance_m: Tensor
    lead_speed_mps: Tensor
    collided: Tensor
    finished: Tensor


@dataclass(frozen=True)
class Observation:
    """One instant of N worlds.

    Attributes:
        time_s: simulated time since reset.
        frames: camera name to ``(N, H, W, 3) uint8 RGB``; in a differentiable world ``(N, 3, H, W) float in [0, 1]``.
        state: the car.
        truth: what the map knows.
    """

    time_s: float
    frames: dict[str, Tensor]
    state: VehicleState
    truth: GroundTruth
    info: dict[str, Tensor] = field(default_factory=dict)


DISTANCES_M = 192.0 * (torch.arange(33, dtype=torch.float64) / 32.0) ** 2
"""``(33,)`` openpilot's X_IDXS: where paths and lane lines are given, 0 to 192 m ahead of the camera's foot."""


@runtime_checkable
class World(Protocol):
    """N worlds stepped as one batch.

    ``reset`` starts all of them; the same seed gives the same bytes. ``step`` lets one camera period pass under a
    command. ``close`` may be called twice.
    """

    @property
    def size(self) -> int:
        """How many worlds are stepped together."""

    def reset(self, seed: int) -> Observation:
        """Start again; the observation is the first instant."""

    def step(self, command: Command) -> Observation:
        """Hold ``command`` for one camera period and look again."""

    def close(self) -> None:
        """Give back what the world holds."""
