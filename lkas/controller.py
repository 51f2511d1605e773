"""From a desired curvature to a steering-wheel angle that the car can give.

The angle comes from the car's own model (with understeer, where it has some). What the actuator or the lateral limits
of the car do not allow is cut off here already, relative to the last command, as openpilot does: so no command winds
up beyond what is possible, and the assistant knows that it is saturated.
"""

from __future__ import annotations

import torch
from torch import Tensor

from simulator.vehicle import STEPS_PER_FRAME, VehicleParameters

SATURATION_RAD = 1e-3
"""A command that falls short of the desired steering-wheel angle by more than this is called saturated."""


class Controller:
    """Steers a car.

    Args:
        parameters: of the car.
        dtype: of its state.
        device: likewise.
    """

    def __init__(
        self,
        parameters: VehicleParameters,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        self.parameters = parameters
        self._frame = torch.full((1,), float(STEPS_PER_FRAME), dtype=dtype, device=device)

    def __call__(
        self, desired_curvature_per_m: Tensor, speed_mps: Tensor, last_steering_rad: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Steer.

        Args:
            desired_curvature_per_m: ``(N,)`` of the planner.
            speed_mps: ``(N,)``.
            last_steering_rad: ``(N,)`` the last command (or, before the first, the angle now).

        Returns:
            ``(N,)`` steering-wheel angle to command, and ``(N,)`` bool: a limit kept it from what was desired.
        """
        desired = self.parameters.steering_for(desired_curvature_per_m, speed_mps)
        steering = self.parameters.reachable(last_steering_rad, desired, speed_mps, self._frame)[:, 0]
        return steering, (desired - steering).abs() > SATURATION_RAD
