"""The assistant that drives by the map: what is wrong with its driving is not perception's fault."""

from __future__ import annotations

from dataclasses import replace

import torch

from lkas.perception import Decision, Perception
from lkas.pilot import Pilot, without_lines
from simulator.world import GroundTruth, Observation

_STD_M = 0.05


def perfect_perception(truth: GroundTruth) -> Perception:
    """What a network without faults would say: the truth, with small standard deviations and probabilities 0 or 1."""
    missing = torch.isnan(truth.lane_y_m)
    path = truth.path_y_m
    zero = torch.zeros_like(truth.s_m)
    lane = torch.where(missing, zero[:, None, None], truth.lane_y_m)
    has_lead = torch.isfinite(truth.lead_distance_m)
    return Perception(
        path_y_m=path,
        path_std_m=torch.full_like(path, _STD_M),
        lane_y_m=lane,
        lane_std_m=torch.full_like(lane, _STD_M),
        lane_prob=(~missing.any(dim=-1)).to(path.dtype),
        lead_distance_m=torch.where(has_lead, truth.lead_distance_m, zero),
        lead_std_m=zero + _STD_M,
        lead_prob=has_lead.to(path.dtype),
        pose=torch.zeros(len(path), 6, dtype=path.dtype, device=path.device),
    )


class GroundTruthAssistant:
    """Drives by ``observation.truth`` through the planner, controller and cruise that every assistant has.

    It follows the centre of the lane itself: lane lines would only be a way to infer it.

    Args:
        pilot: what drives; by default with openpilot 0.6's car.
    """

    def __init__(self, pilot: Pilot | None = None) -> None:
        self.pilot = pilot or Pilot()

    @property
    def cameras(self) -> tuple[str, ...]:
        """None: it does not look."""
        return ()

    def reset(self, size: int) -> None:
        """Forget everything; the next observations are of ``size`` worlds."""
        self.pilot.reset(size)

    def __call__(self, observation: Observation) -> Decision:
        """Decide."""
        perception = perfect_perception(observation.truth)
        decision = self.pilot(without_lines(perception), observation)
        return replace(decision, perception=perception)
