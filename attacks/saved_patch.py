"""A patch that was made before, laid again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from attacks.perturbation import AttackResult, RoadPatch
from attacks.target import RoadTarget
from attacks.threat import RoadPatchThreat


@dataclass(frozen=True)
class SavedPatch:
    """Lays a patch as it was saved, or a little beside.

    Attributes:
        patch: as it was saved.
        s_m: arc length of its near edge now.
        d_m: lateral position of its middle line now.
    """

    patch: RoadPatch
    s_m: float
    d_m: float

    def run(self, target: RoadTarget, threat: RoadPatchThreat, generator: torch.Generator) -> AttackResult:
        """Lay it.

        Args:
            target: where; its ``start_m`` is the patch's own.
            threat: its size.
            generator: not used.

        Raises:
            InvalidInput: it does not fit the road.
        """
        threat.check(target)
        return AttackResult(replace(self.patch, s_m=self.s_m, d_m=self.d_m))
