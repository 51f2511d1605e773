"""Cast shadows on the road: trees above all, and now and then a pole, a bridge or a house."""

from __future__ import annotations

import cv2
import numpy as np

from simulator.surface.grid import COLUMNS, LENGTH_M, WIDTH_M
from simulator.surface.noise import Field, smooth


def shade(rows: int, amount: float, sun: float, rng: np.random.Generator) -> Field:
    """Factor on the light, ``(rows, COLUMNS) float32`` in (0, 1].

    Args:
        rows: of the raster.
        amount: share of the road under trees, 0 to 1.
        sun: strength of the direct sun, 0 none to 1.
        rng: source of randomness.
    """
    canopy = smooth(rng, rows, COLUMNS, (9.0 / LENGTH_M, 6.0 / WIDTH_M))
    leaves = smooth(rng, rows, COLUMNS, (0.9 / LENGTH_M, 0.6 / WIDTH_M))
    leaves += smooth(rng, rows, COLUMNS, (0.35 / LENGTH_M, 0.25 / WIDTH_M)) * np.float32(0.7)
    threshold = np.float32(1.3 - 2.6 * amount)
    cover = np.clip((canopy + 0.55 * leaves - threshold) * 3.0, 0.0, 1.0)
    for _ in range(rng.poisson(rows * LENGTH_M / 60.0)):
        row, slant = int(rng.integers(rows)), int(rng.normal(0, 6.0) / LENGTH_M)
        width = int(max(1.0, rng.exponential(0.5) / LENGTH_M))
        bar = np.zeros((rows, COLUMNS), np.uint8)
        cv2.line(bar, (0, row), (COLUMNS - 1, row + slant), 255, width, cv2.LINE_AA)
        cover = np.maximum(cover, bar * np.float32(1 / 255))
    depth = np.float32(sun * rng.uniform(0.45, 0.68))
    return 1 - depth * cover
