"""What stands between a road and a real camera's numbers: windscreen, bonnet, a lens out of focus, compression.

The simulator's own camera is a good one behind clean glass. A driver that shall also see through other people's
cameras learns from clips that these have spoilt, each clip in its own way from its first frame to its last.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

GRID = (4, 7)
"""Rows and columns of the field of gains that reflections and vignetting leave."""


class Optics:
    """One camera behind one windscreen, drawn at random.

    Args:
        height: of the pictures [px].
        width: of the pictures [px].
        rng: source of randomness.
    """

    def __init__(self, height: int, width: int, rng: np.random.Generator) -> None:
        self._size = height, width
        self._gain = self._veil = None
        if rng.random() < 0.5:
            coarse = np.exp(rng.normal(0, rng.uniform(0.03, 0.2), (*GRID, 1))).astype(np.float32)
            self._gain = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
        if rng.random() < 0.2:
            self._veil = self._reflection(rng)
        # standard deviations [px]; a quarter of all cameras is blurred along one direction alone, as motion does
        self._blur = (0.0, 0.0)
        if rng.random() < 0.4:
            strength = float(rng.uniform(0.3, 1.6))
            self._blur = (strength, strength) if rng.random() < 0.7 else (0.3, strength)
        self._bonnet = self._outline(rng) if rng.random() < 0.12 else None
        self._color = rng.uniform(0, 0.35) * rng.uniform(0.8, 1.2, 3)
        self._quality = int(rng.integers(25, 90)) if rng.random() < 0.3 else None

    def _reflection(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """Light that the dashboard throws onto the windscreen, ``(H, W, 1)``, strongest low in the picture."""
        coarse = rng.uniform(0, 1, (*GRID, 1)) * np.linspace(0.1, 1, GRID[0])[:, None, None] ** 2
        strength = rng.uniform(0.02, 0.15)
        height, width = self._size
        field = cv2.resize((strength * coarse).astype(np.float32), (width, height))
        return np.asarray(field[..., None], np.float32)

    def _outline(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """How much of each pixel the own car's bonnet hides: ``(H, W, 1)``, a flat arc along the lower edge."""
        height, width = self._size
        u = (np.arange(width) + 0.5) / width - rng.uniform(0.3, 0.7)
        top = height * (1 - rng.uniform(0.02, 0.16)) + height * rng.uniform(0, 0.25) * u**2
        row = np.arange(height)[:, None] + 0.5
        return np.clip((row - top) / rng.uniform(1, 6) + 0.5, 0, 1).astype(np.float32)[..., None]

    def __call__(self, frames: Tensor) -> Tensor:
        """Take pictures through it.

        Args:
            frames: ``(N, 3, H, W)`` float in [0, 1].

        Returns:
            The same shape, dtype and range.
        """
        pictures = frames.permute(0, 2, 3, 1).numpy()
        spoilt = np.stack([self._spoil(picture) for picture in pictures])
        return torch.from_numpy(spoilt).permute(0, 3, 1, 2)

    def _spoil(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._gain is not None:
            picture = picture * self._gain
        if self._veil is not None:
            picture = picture + self._veil * (1 - picture)
        if self._bonnet is not None:
            picture = picture + self._bonnet * (self._color.astype(np.float32) - picture)
        if any(self._blur):
            picture = np.asarray(
                cv2.GaussianBlur(picture, (0, 0), self._blur[0], sigmaY=self._blur[1]), np.float32
            )
        picture = np.clip(picture, 0, 1, dtype=np.float32)
        if self._quality is not None:
            picture = _compress(picture, self._quality)
        return picture


def _compress(picture: NDArray[np.float32], quality: int) -> NDArray[np.float32]:
    """There and back through JPEG."""
    coded = cv2.imencode(
        ".jpg", np.round(picture * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    decoded = np.asarray(cv2.imdecode(coded[1], cv2.IMREAD_COLOR), np.float32)
    return decoded / np.float32(255)
