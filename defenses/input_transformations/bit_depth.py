"""BitDepth: fewer shades of every colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from defenses.input_transformations.transformation import InputTransformation, straight_through


@dataclass(frozen=True)
class BitDepth(InputTransformation):
    """Keep so many bits of every colour; gradients pass straight through.

    Source: Xu et al. 2018, "Feature squeezing: detecting adversarial examples in deep neural networks".

    Attributes:
        bits: of each channel, 1 to 8; 8 changes nothing in byte frames.
    """

    bits: int = 4

    def __call__(self, frames: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Change frames ``(N, 3, H, W)`` float in [0, 1]."""
        levels = 2**self.bits - 1
        return straight_through(frames, (frames * levels).round() / levels)
