"""A defense that changes frames before the driver sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from defenses.input_transformations.transformation import InputTransformation


@dataclass(frozen=True)
class Sunglasses(InputTransformation):
    """Lets a share of the light through."""

    transmission: float = 0.5

    def __call__(self, frames: torch.Tensor, generators: Sequence[torch.Generator]) -> torch.Tensor:
        """Change frames ``(N, 3, H, W)`` float in [0, 1]."""
        return frames * self.transmission
