"""MedianBlur: the middle one of a pixel's neighbours takes its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from defenses.input_transformations.transformation import InputTransformation, filtered


@dataclass(frozen=True)
class MedianBlur(InputTransformation):
    """Median filter of every channel; gradients pass straight through.

    Source: Xu et al. 2018, "Feature squeezing: detecting adversarial examples in deep neural networks".

    Attributes:
        kernel: side of the square of neighbours [px], odd.
    """

    kernel: int = 5

    def __call__(self, frames: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Change frames ``(N, 3, H, W)`` float in [0, 1]."""
        return filtered(frames, lambda picture: np.asarray(cv2.medianBlur(picture, self.kernel), np.uint8))
