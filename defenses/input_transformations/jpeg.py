"""Jpeg: what compression does not keep, an attack cannot use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from defenses.input_transformations.transformation import InputTransformation, filtered


@dataclass(frozen=True)
class Jpeg(InputTransformation):
    """Compress every frame and decompress it again; gradients pass straight through.

    Source: Dziugaite et al. 2016, "A study of the effect of JPG compression on adversarial images".

    Attributes:
        quality: of the compression, 1 to 100.
    """

    quality: int = 20

    def __call__(self, frames: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Change frames ``(N, 3, H, W)`` float in [0, 1]."""
        return filtered(frames, self._compress)

    def _compress(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        # OpenCV takes and gives blue first
        coded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, self.quality])[1]
        return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]
