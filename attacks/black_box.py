"""A dirty road patch by queries alone, for victims that offer no gradients: random search with rectangles.

As in the square attack (Andriushchenko et al., ECCV 2020): a patch of extreme values is changed in one random
rectangle at a time, and a change that does not help is taken back. Rectangles get smaller with time; they are long
along the road, since a camera squeezes that direction.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from attacks.coupling import roll
from attacks.objectives import OBJECTIVES, Direction, Goal
from attacks.perturbation import AttackResult
from attacks.rehearsal import Warm
from attacks.target import RoadTarget
from attacks.threat import RoadPatchThreat

STRETCH = 4.0
"""Rectangles are so many times as long as they are wide."""


@dataclass(frozen=True)
class BlackBoxPatch:
    """Searches for a patch by driving over it.

    Attributes:
        direction: where the car shall go.
        objective: a name of ``attacks.objectives.OBJECTIVES``.
        iterations: drives over a changed patch.
        frames: how many frames from time zero count.
        first_share: of the patch's area that a change covers at first; it falls to a hundredth of that.
    """

    direction: Direction = "left"
    objective: str = "steering"
    iterations: int = 400
    frames: int = 14
    first_share: float = 0.2

    def run(self, target: RoadTarget, threat: RoadPatchThreat, generator: torch.Generator) -> AttackResult:
        """Search for a patch.

        Args:
            target: the victim on its way to the place; only queried.
            threat: size of the patch, and how far brightness may change.
            generator: source of randomness.

        Raises:
            InvalidInput: the patch does not fit the road, nothing may change, or there is no victim.
        """
        threat.check(target)
        bounds = threat.bounds(target)
        low, high = bounds
        rows, columns = threat.shape
        # stripes along the road are a good start for most networks, as for the square attack
        chosen = torch.rand(columns, generator=generator) < 0.5
        wish = torch.where(chosen, high, low)
        warm = target.require_rehearsal().warm(0)
        best = self.query(target, threat, warm, threat.printed(wish, bounds))
        history = [best]
        for iteration in range(self.iterations):
            share = self.first_share * 0.01 ** (iteration / self.iterations)
            width = min(columns, max(1, round((share * rows * columns / STRETCH) ** 0.5)))
            length = min(rows, max(1, round(STRETCH * width)))
            top = int(torch.randint(rows - length + 1, (1,), generator=generator))
            left = int(torch.randint(columns - width + 1, (1,), generator=generator))
            brighter = bool(torch.rand(1, generator=generator) < 0.5)
            changed = wish.clone()
            part = (slice(top, top + length), slice(left, left + width))
            changed[part] = (high if brighter else low)[part]
            loss = self.query(target, threat, warm, threat.printed(changed, bounds))
            if loss < best:
                wish, best = changed, loss
            history.append(best)
            target.progress(1)
        return AttackResult(threat.patch(target, threat.printed(wish, bounds)), {"loss": history})

    def query(self, target: RoadTarget, threat: RoadPatchThreat, warm: Warm, cells: Tensor) -> float:
        """Drive once over a patch; its loss."""
        rehearsal = target.require_rehearsal()
        layer = threat.layer(cells, target.start_m, threat.lateral_m)
        with torch.no_grad():
            rollout = roll(rehearsal, warm, [layer], self.frames)
        return float(OBJECTIVES[self.objective](rollout, Goal.of(self.direction, rehearsal, warm)))
