"""LaneFollower: drives by TwinLiteNet's lane mask, through the same planner and controller as every assistant."""

from __future__ import annotations

import torch
from torch import Tensor

from lkas.perception import LEFT_NEAR, RIGHT_NEAR, Decision, Perception
from lkas.pilot import Pilot
from lkas.zoo.lane_mask import EgoLane, LaneLine, fit_ego_lane
from lkas.zoo.twinlitenet import TwinLiteNet
from simulator.camera import CAMERAS, Camera
from simulator.world import DISTANCES_M, Observation

FOUND_PROBABILITY = 0.95
"""A line is fitted or not; a segmentation network gives no probability of it."""

STD_NEAR_M, STD_GROWTH = 0.05, 0.01
EXTRAPOLATED_GROWTH = 0.1
"""Standard deviation of a line: at the car, per metre to where it was last seen, and per metre beyond."""

LOST_STD_M = 10.0
USUAL_LANE_M, LANE_WIDTHS_M = 3.6, (2.4, 4.5)
WIDTH_GAIN = 0.1
"""The lane's width is remembered, for when one line is lost: share of each new measurement."""


def perceive(lanes: list[EgoLane], lane_width_m: Tensor) -> Perception:
    """What an assistant of lane lines knows: the lines, and the middle of the lane as path.

    Args:
        lanes: of N worlds.
        lane_width_m: ``(N,)`` assumed where only one line is seen.

    Returns:
        Float64, differentiable in the lines. Far lines and cars ahead are not perceived: probability 0.
    """
    paths, path_stds, lines, stds, probs = [], [], [], [], []
    for lane, width in zip(lanes, lane_width_m.double(), strict=True):
        (left, left_std), (right, right_std) = _place(lane.left), _place(lane.right)
        if lane.left is None and lane.right is not None:
            path = right + 0.5 * width
        elif lane.right is None and lane.left is not None:
            path = left - 0.5 * width
        else:
            path = 0.5 * (left + right)
        paths.append(path)
        path_stds.append(torch.minimum(left_std, right_std))
        nothing = torch.zeros_like(path)
        lines.append(torch.stack([nothing, left, right, nothing]))
        stds.append(torch.stack([nothing + LOST_STD_M, left_std, right_std, nothing + LOST_STD_M]))
        found = [0.0, float(lane.left is not None), float(lane.right is not None), 0.0]
        probs.append(FOUND_PROBABILITY * path.new_tensor(found))
    path_y, lane_prob = torch.stack(paths), torch.stack(probs)
    zero = torch.zeros_like(path_y[:, 0])
    return Perception(
        path_y_m=path_y,
        path_std_m=torch.stack(path_stds),
        lane_y_m=torch.stack(lines),
        lane_std_m=torch.stack(stds),
        lane_prob=lane_prob,
        lead_distance_m=zero,
        lead_std_m=zero + LOST_STD_M,
        lead_prob=zero,
        pose=torch.zeros(len(lanes), 6, dtype=path_y.dtype),
    )


def _place(line: LaneLine | None) -> tuple[Tensor, Tensor]:
    """A line and its standard deviation at ``DISTANCES_M``; it goes on straight from where it was last seen."""
    if line is None:
        return torch.zeros_like(DISTANCES_M), torch.full_like(DISTANCES_M, LOST_STD_M)
    end = torch.tensor(line.far_m, dtype=torch.float64)
    beyond = (DISTANCES_M - end).clamp_min(0.0)
    _, c1, c2, c3 = line.coefficients
    y = line.y_at(DISTANCES_M.clamp(max=line.far_m)) + beyond * (c1 + 2 * c2 * end + 3 * c3 * end**2)
    return y, STD_NEAR_M + STD_GROWTH * DISTANCES_M + EXTRAPOLATED_GROWTH * beyond


class LaneFollower:
    """Looks through a wide camera, segments lane lines, and follows the middle of the ego lane.

    Float frames keep their graph, from pixels to steering, as far as the lines that were found go.

    Args:
        network: with trained weights.
        pilot: what steers; by default with openpilot 0.6's car.
        camera: what it looks through; lanes are seen best with a view as wide as that of the network's training data.
    """

    def __init__(
        self, network: TwinLiteNet, pilot: Pilot | None = None, camera: Camera | None = None
    ) -> None:
        self.network = network
        self.pilot = pilot or Pilot()
        self._camera = camera or CAMERAS["wide"]
        self._width_m: Tensor | None = None

    @property
    def cameras(self) -> tuple[str, ...]:
        """The one it looks through."""
        return (self._camera.name,)

    def reset(self, size: int) -> None:
        """Forget everything; the next observations are of ``size`` worlds."""
        self._width_m = torch.full((size,), USUAL_LANE_M, dtype=torch.float64)
        self.pilot.reset(size)

    def __call__(self, observation: Observation) -> Decision:
        """Look once and decide."""
        frames = observation.frames[self._camera.name]
        if self._width_m is None:
            self.reset(len(frames))
        assert self._width_m is not None
        with torch.set_grad_enabled(frames.is_floating_point() and torch.is_grad_enabled()):
            _, lane = self.network.probabilities(frames)
            perception = perceive([fit_ego_lane(picture, self._camera) for picture in lane], self._width_m)
        both = (perception.lane_prob[:, LEFT_NEAR] > 0) & (perception.lane_prob[:, RIGHT_NEAR] > 0)
        here = (perception.lane_y_m[:, LEFT_NEAR, 0] - perception.lane_y_m[:, RIGHT_NEAR, 0]).detach()
        moved = torch.lerp(self._width_m, here.clamp(*LANE_WIDTHS_M), WIDTH_GAIN)
        self._width_m = torch.where(both, moved, self._width_m)
        return self.pilot(perception, observation)
