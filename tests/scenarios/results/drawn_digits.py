"""Digits that are drawn here, for tests that have no handwritten ones."""

from __future__ import annotations

import torch

from scenarios.results.digits import Digits


def drawn(count: int, seed: int) -> Digits:
    """Digit k is a bright bar in columns 2k + 4 and 2k + 5."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(10, (count,), generator=generator)
    images = 0.2 * torch.rand(count, 1, 28, 28, generator=generator)
    for image, label in zip(images, labels.tolist(), strict=True):
        image[0, 8:20, 2 * label + 4 : 2 * label + 6] += 0.7
    return Digits(images, labels)
