"""GaussianNoise: drown what is faint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from defenses.input_transformations.transformation import InputTransformation


@dataclass(frozen=True)
class GaussianNoise(InputTransformation):
    """Add noise, other in every frame; exact gradients but where the range ends.

    An adaptive attacker takes the mean over several drives, each with its own noise.

    Attributes:
        standard_deviation: in units of brightness.
    """

    standard_deviation: float = 0.05

    def __call__(self, frames: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Change frames ``(N, 3, H, W)`` float in [0, 1]."""
        noise = torch.stack([torch.randn(frames.shape[1:], generator=g) for g in generators]).to(frames)
        return (frames + self.standard_deviation * noise).clamp(0, 1)
