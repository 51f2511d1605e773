"""An attack without a thought: it needs no network to look at."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from attacks.perturbation import AttackResult
from attacks.target import RoadTarget
from attacks.threat import RoadPatchThreat


@dataclass(frozen=True)
class Stripe:
    """As bright as the threat allows, along the middle of the patch.

    Attributes:
        stripe_m: its width.
    """

    stripe_m: float

    def run(self, target: RoadTarget, threat: RoadPatchThreat, generator: torch.Generator) -> AttackResult:
        """Lay it; nothing in it is random."""
        threat.check(target)
        columns = threat.shape[1]
        across_m = threat.width_m * ((torch.arange(columns) + 0.5) / columns - 0.5)
        low, high = bounds = threat.bounds(target)
        wish = torch.where(across_m.abs() <= 0.5 * self.stripe_m, high, torch.zeros_like(low))
        return AttackResult(threat.patch(target, threat.printed(wish, bounds)))
