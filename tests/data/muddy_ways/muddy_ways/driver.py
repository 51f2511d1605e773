"""A driver that keeps beside the lane's middle."""

from __future__ import annotations

from dataclasses import replace

from lkas.ground_truth import GroundTruthAssistant
from lkas.perception import Decision
from simulator.world import Observation


class EdgeHugger:
    """Shows the driver that drives from the map a lane whose middle is elsewhere."""

    cameras: tuple[str, ...] = ()

    def __init__(self, inner: GroundTruthAssistant, offset_m: float) -> None:
        self._inner = inner
        self._offset_m = offset_m

    def reset(self, size: int) -> None:
        """Forget everything; ``size`` worlds are driven together from now on."""
        self._inner.reset(size)

    def __call__(self, observation: Observation) -> Decision:
        """Look once, decide once."""
        truth = observation.truth
        moved = replace(
            truth, path_y_m=truth.path_y_m + self._offset_m, lane_y_m=truth.lane_y_m + self._offset_m
        )
        return self._inner(replace(observation, truth=moved))
