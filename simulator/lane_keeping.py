"""Lane keeping as a task for learners: what an action does, what it earns, when an episode ends. Batched."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from simulator.cruise import Cruise
from simulator.vehicle import VehicleParameters
from simulator.world import CAMERA_PERIOD_S, Command, GroundTruth, Observation

SLOWEST_MPS = 5.0
"""Below this speed an action asks for a curvature as if the car were this fast."""


@dataclass(frozen=True)
class LaneKeepingTask:
    """Keep to the lane; speed is kept by cruise control.

    An action ``a`` in [-1, 1] asks for the lateral acceleration ``a * lateral_acceleration_mps2``, positive to the
    left: the steering wheel is sent to the angle of that curvature at the present speed, and gets there as fast as
    the actuator lets it. So an action means the same to the passenger at every speed.

    The reward of a step is ``1 - (offset / allowed)**2 - jerkiness * |a - previous a|``, where ``allowed`` is the
    offset at which a wheel is over the mark: at most 1, near 0 at the edge of the lane. The step that leaves the lane
    or hits something earns ``departure_reward`` instead.

    Attributes:
        vehicle: the car of the world.
        duration_s: an episode is truncated when this time is over, or at the end of the road.
        lateral_acceleration_mps2: of a full action.
        jerkiness: what a change of action costs.
        departure_reward: of the last step of an episode that ends badly.
    """

    vehicle: VehicleParameters
    duration_s: float = 30.0
    lateral_acceleration_mps2: float = 4.0
    jerkiness: float = 0.1
    departure_reward: float = -10.0

    def command(self, action: Tensor, observation: Observation, cruise: Cruise) -> Command:
        """What the car is told.

        Args:
            action: ``(N,)``; clipped to [-1, 1].
            observation: of the instant at which the action is chosen.
            cruise: keeps speed and gap; it reads the truth, like the radar and the map of a real car.
        """
        state, truth = observation.state, observation.truth
        speed = state.speed_mps
        wanted = action.to(speed).clamp(-1, 1) * self.lateral_acceleration_mps2
        steering = self.vehicle.steering_for(wanted / speed.clamp_min(SLOWEST_MPS) ** 2, speed)
        set_speed = observation.info.get("set_speed_mps", speed)
        gap, lead = truth.lead_distance_m, truth.lead_speed_mps
        return Command(steering, cruise.acceleration(speed, set_speed, gap, lead, truth.path_y_m))

    def room_m(self, truth: GroundTruth) -> Tensor:
        """``(N,)`` how far the outermost wheel is from its lane's border; negative over the mark.

        Ahead of the rear axle by the wheelbase the lane has moved sideways by ``curvature * wheelbase**2 / 2``.
        """
        base, heading = self.vehicle.wheelbase_m, truth.heading_error_rad
        front = truth.offset_m + base * torch.sin(heading)
        front = front - 0.5 * truth.curvature_per_m * (base * torch.cos(heading)) ** 2
        half = 0.5 * self.vehicle.width_m * torch.cos(heading)
        left = truth.lane_left_m - torch.maximum(truth.offset_m, front) - half
        right = torch.minimum(truth.offset_m, front) - half - truth.lane_right_m
        return torch.minimum(left, right)

    def departed(self, truth: GroundTruth) -> Tensor:
        """``(N,)`` bool, whether a wheel is over the mark; so is a car whose place is unknown."""
        return ~(self.room_m(truth) >= 0)

    def reward(self, truth: GroundTruth, action: Tensor, previous: Tensor) -> Tensor:
        """``(N,)`` for what a step led to."""
        middle = 0.5 * (truth.lane_left_m + truth.lane_right_m)
        allowed = 0.5 * (truth.lane_left_m - truth.lane_right_m - self.vehicle.width_m)
        centred = 1 - ((truth.offset_m - middle) / allowed.clamp_min(0.1)) ** 2
        smooth = self.jerkiness * (action - previous).abs().to(centred)
        lost = self.departed(truth) | truth.collided
        return torch.where(lost, torch.full_like(centred, self.departure_reward), centred - smooth)

    @property
    def steps(self) -> int:
        """Camera periods in an episode that nothing ends early."""
        return max(round(self.duration_s / CAMERA_PERIOD_S), 1)
