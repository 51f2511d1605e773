"""The drawn lane line: the baseline that paints one straight line across the patch and searches for the worst one.

As in the published comparison, a grid over where the line begins and ends, picked by the mean steering asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from attacks.coupling import roll
from attacks.objectives import SIGN, Direction
from attacks.perturbation import AttackResult, lay
from attacks.target import RoadTarget
from attacks.threat import RoadPatchThreat


@dataclass(frozen=True)
class DrawnLine:
    """Draws a white line.

    Attributes:
        direction: where the car shall go.
        spacing_m: of the grid of places, at both ends of the patch; published: 0.25 m.
        line_width_m: of the line; published: 0.1 m.
        frames: over which steering is meant.
    """

    direction: Direction = "left"
    spacing_m: float = 1.0
    line_width_m: float = 0.1
    frames: int = 10

    def run(self, target: RoadTarget, threat: RoadPatchThreat, generator: torch.Generator) -> AttackResult:
        """Try every line of the grid.

        Args:
            target: the victim on its way to the place.
            threat: size of the patch, and how bright the line may be.
            generator: not used; the grid leaves nothing to chance.

        Raises:
            InvalidInput: the patch does not fit the road, nothing may change, or there is no victim.
        """
        threat.check(target)
        rehearsal, bounds = target.require_rehearsal(), threat.bounds(target)
        warm = rehearsal.warm(0)
        best, best_steering, history = threat.patch(target, torch.zeros(threat.shape)), -np.inf, []
        for start_m in self.places(threat):
            for end_m in self.places(threat):
                cells = threat.printed(self.draw(threat, start_m, end_m) * bounds[1], bounds)
                patch = threat.patch(target, cells)
                with torch.no_grad():
                    rollout = roll(rehearsal, warm, [lay([patch])], self.frames)
                steering = SIGN[self.direction] * float(rollout.desired_per_m.mean())
                history.append(steering)
                target.progress(1)
                if steering > best_steering:
                    best, best_steering = patch, steering
        return AttackResult(best, {"desired_curvature_per_m": history})

    def places(self, threat: RoadPatchThreat) -> list[float]:
        """Lateral positions from the patch's right edge to its left one, relative to its middle."""
        count = int(threat.width_m / self.spacing_m)
        return [(index - 0.5 * (count - 1)) * self.spacing_m for index in range(count)]

    def draw(self, threat: RoadPatchThreat, start_m: float, end_m: float) -> Tensor:
        """Share of every cell that the line covers.

        Args:
            threat: size and cells of the patch.
            start_m: where the line begins at the near edge, from the patch's middle line, positive left.
            end_m: where it ends at the far edge.

        Returns:
            ``(rows, columns)`` in [0, 1].
        """
        rows, columns = threat.shape
        fine = 8
        canvas = np.zeros((rows, columns * fine), np.uint8)
        per_m = columns * fine / threat.width_m
        ends = [
            (round((0.5 * threat.width_m - d) * per_m), row) for d, row in ((start_m, 0), (end_m, rows - 1))
        ]
        half = 0.5 * self.line_width_m * per_m
        corners = np.array(
            [
                (ends[0][0] - half, 0),
                (ends[0][0] + half, 0),
                (ends[1][0] + half, rows),
                (ends[1][0] - half, rows),
            ]
        )
        cv2.fillPoly(canvas, [corners.round().astype(np.int32)], 255)
        return torch.from_numpy(canvas.reshape(rows, columns, fine).mean(2, dtype=np.float32) / 255)
