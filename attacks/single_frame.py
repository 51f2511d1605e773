"""The single-frame baseline: a patch that is optimised for the first frame only, under small displacements.

What the car sees once it has been steered is ignored; instead the pose of the one frame is drawn anew for every drive
(expectation over transformations), evenly within +-0.1 m and +-0.05 rad as in the published comparison.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from attacks.dirty_road_patch import DirtyRoadPatch
from attacks.objectives import Direction
from attacks.perturbation import AttackResult
from attacks.rehearsal import Spread
from attacks.target import RoadTarget
from attacks.threat import RoadPatchThreat

PLACES = Spread(offset_m=0.058, heading_rad=0.029, along_m=0.058)
"""Normal distributions of the variance of the published even ones."""


@dataclass(frozen=True)
class SingleFrame:
    """Optimises a patch for one frame.

    Attributes:
        direction: where the car shall go.
        iterations: of the optimiser.
        variations: poses beside the nominal one.
        learning_rate: of Adam, as a share of what a cell may change.
    """

    direction: Direction = "left"
    iterations: int = 200
    variations: int = 8
    learning_rate: float = 0.05

    def run(self, target: RoadTarget, threat: RoadPatchThreat, generator: torch.Generator) -> AttackResult:
        """Optimise a patch; as `attacks.dirty_road_patch.DirtyRoadPatch.run`."""
        search = DirtyRoadPatch(
            direction=self.direction,
            coupling="fixed_point",
            objective="lane_bending",
            iterations=self.iterations,
            frames=1,
            learning_rate=self.learning_rate,
            variations=self.variations,
            spread=PLACES,
        )
        return search.run(target, threat, generator)
