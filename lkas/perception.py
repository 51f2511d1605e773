"""What an assistant saw and what it decided: the types that networks, planners, viewers and metrics share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from torch import Tensor

from simulator.world import Command, Observation

LEFT_FAR, LEFT_NEAR, RIGHT_NEAR, RIGHT_FAR = range(4)
"""Order of the lane lines, as in openpilot."""


@dataclass(frozen=True)
class Perception:
    """Path and lane lines ahead of the car, at ``simulator.world.DISTANCES_M``.

    Convention: the frame of the camera's foot on the road, x forward, y positive LEFT (openpilot >= 0.8 has it right).

    Attributes:
        path_y_m: ``(N, 33)`` where the car should drive.
        path_std_m: ``(N, 33)`` standard deviation, positive.
        lane_y_m: ``(N, 4, 33)`` left far, left near, right near, right far lane lines.
        lane_std_m: ``(N, 4, 33)`` standard deviation.
        lane_prob: ``(N, 4)`` in [0, 1], that the line is there.
        lead_distance_m: ``(N,)`` gap to the car ahead.
        lead_std_m: ``(N,)``.
        lead_prob: ``(N,)`` in [0, 1].
        pose: ``(N, 6)`` the car's own motion as seen: forward, left, up speed [m/s]; roll, pitch, yaw rate [rad/s].
    """

    path_y_m: Tensor
    path_std_m: Tensor
    lane_y_m: Tensor
    lane_std_m: Tensor
    lane_prob: Tensor
    lead_distance_m: Tensor
    lead_std_m: Tensor
    lead_prob: Tensor
    pose: Tensor


@dataclass(frozen=True)
class Decision:
    """What an assistant wants and why.

    Attributes:
        command: for the car.
        perception: what it is based on.
        desired_curvature_per_m: ``(N,)`` what the planner wants, before the controller's limits.
        saturated: ``(N,)`` bool, the controller could not give what the planner wanted.
        info: further ``(N, ...)`` tensors worth recording.
    """

    command: Command
    perception: Perception
    desired_curvature_per_m: Tensor
    saturated: Tensor
    info: dict[str, Tensor] = field(default_factory=dict)


@runtime_checkable
class Assistant(Protocol):
    """A lane-keeping assistance system: looks at observations in turn and steers.

    It keeps recurrent state between calls; ``reset`` forgets it. Only ``ground_truth`` may read ``observation.truth``.
    """

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras it needs, of ``simulator.camera.CAMERAS``."""

    def reset(self, size: int) -> None:
        """Forget everything; the next observations are of ``size`` worlds."""

    def __call__(self, observation: Observation) -> Decision:
        """Look once (every camera period) and decide."""
