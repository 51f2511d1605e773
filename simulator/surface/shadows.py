"""Cast shadows on the road, as long as the sun is low and away from it: trees above all, and now and then a pole."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from simulator.surface.grid import COLUMNS, LENGTH_M, WIDTH_M, lateral_m
from simulator.surface.noise import Field, sample_tile, tile
from simulator.weather import Light

_TREES = ((7.0, 1.0), (0.7, 0.55), (0.3, 0.38))
"""Size of crowns, of branches and of leaves [m], and how much each counts."""

_ROWS_AT_ONCE = 4096


def shade(line: NDArray[np.float64], amount: float, light: Light, rng: np.random.Generator) -> Field:
    """Factor on the light, ``(rows, COLUMNS) float32`` in (0, 1].

    Args:
        line: ``(rows, 3)`` x, y and heading of the road's reference line at every row of the raster.
        amount: share of the road under trees, 0 to 1.
        light: whose sun it is.
        rng: source of randomness.
    """
    depth = np.float32(light.sun * rng.uniform(0.45, 0.68))
    cover = _poles(line, light.shadow, rng)
    tiles = [tile(rng) for _ in _TREES]
    threshold = np.float32(1.3 - 2.6 * amount)
    for first in range(0, len(line), _ROWS_AT_ONCE):
        part = slice(first, first + _ROWS_AT_ONCE)
        along, across = _from_the_sun(line[part], light.shadow)
        field = sum(
            np.float32(weight) * sample_tile(noise, along / size, across / size)
            for noise, (size, weight) in zip(tiles, _TREES, strict=True)
        )
        np.maximum(cover[part], np.clip((field - threshold) * 3.0, 0.0, 1.0), out=cover[part])
    return 1 - depth * cover


def _from_the_sun(
    line: NDArray[np.float64], shadow: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Every texel seen from the sun [m]: along and across its heading, ``(rows, COLUMNS)`` each.

    Round things there cast shadows that are longer on the road by the inverse sine of the sun's altitude.
    """
    x, y, heading = line[:, :, None].transpose(1, 0, 2)
    d = lateral_m()[None]
    x, y = x - d * np.sin(heading), y + d * np.cos(heading)
    length = math.hypot(*shadow)
    cos, sin = (shadow[0] / length, shadow[1] / length) if length > 0 else (1.0, 0.0)
    return (cos * x + sin * y) / math.hypot(1.0, length), cos * y - sin * x


def _poles(line: NDArray[np.float64], shadow: tuple[float, float], rng: np.random.Generator) -> Field:
    """Cover by the shadows of poles that stand beside the road, as if it were straight there."""
    rows = len(line)
    canvas = np.zeros((rows, COLUMNS), np.uint8)
    for _ in range(rng.poisson(rows * LENGTH_M / 30.0)):
        row = int(rng.integers(rows))
        foot_m = rng.choice([-1.0, 1.0]) * rng.uniform(3.5, 9.0)
        height_m, width_m = rng.uniform(4.0, 12.0), max(WIDTH_M, rng.exponential(0.3))
        heading = line[row, 2]
        ahead = (shadow[0] * math.cos(heading) + shadow[1] * math.sin(heading)) * height_m
        left = (shadow[1] * math.cos(heading) - shadow[0] * math.sin(heading)) * height_m
        corners = np.array([[0.0, -0.5], [0.0, 0.5], [1.0, 0.5], [1.0, -0.5]])
        length = max(math.hypot(ahead, left), 1e-6)
        s = corners[:, 0] * ahead - corners[:, 1] * width_m * left / length
        d = foot_m + corners[:, 0] * left + corners[:, 1] * width_m * ahead / length
        points = np.stack([COLUMNS / 2 - d / WIDTH_M, row + s / LENGTH_M], 1)
        cv2.fillConvexPoly(canvas, np.round(points * 8).astype(np.int32), 255, cv2.LINE_AA, 3)
    return canvas * np.float32(1 / 255)
