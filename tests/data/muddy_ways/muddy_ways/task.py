"""A task of its own: is there a puddle on the road?"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from defenses.task import Split

SAMPLES = 64


@dataclass(frozen=True)
class Puddles:
    """Pictures ``(N, 1, size, size)`` in [0, 1] of asphalt, half of them with something bright on it.

    Attributes:
        size: of a picture.
    """

    size: int

    def network(self) -> nn.Module:
        """Any module will do."""
        pixels = self.size * self.size
        return nn.Sequential(nn.Flatten(), nn.Linear(pixels, 16), nn.ReLU(), nn.Linear(16, 2))

    def batches(self, split: Split, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Every picture is drawn anew, so that no picture is in both splits."""
        for _ in range(4) if split == "validation" else itertools.count():
            wet = torch.randint(2, (SAMPLES,), generator=generator)
            pictures = 0.3 + 0.1 * torch.rand(SAMPLES, 1, self.size, self.size, generator=generator)
            half = self.size // 2
            pictures[:, :, half:, :half] += 0.4 * wet[:, None, None, None]
            yield pictures, wet

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Of every sample, ``(N,)``."""
        return nn.functional.cross_entropy(outputs, targets, reduction="none")

    def quality(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """1 for a right answer, ``(N,)``."""
        return (outputs.argmax(1) == targets).float()
