"""Natural dirt: stains, tar, repairs and marks of tyres that lie on a road and are no lane marks.

These are the families a driver is trained with. Whoever tests it on dirt it has not seen needs other ones.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

CELL_M = 0.1
"""Size of a cell of a dirt map, along and across the road."""

Map = NDArray[np.float32]
"""``(rows, columns)`` change of brightness in units of the amplitude, in [-1, 1]; rows go along the road."""


def _sign(rng: np.random.Generator) -> float:
    """Dirt is darker than the road more often than brighter."""
    return -1.0 if rng.random() < 0.6 else 1.0


def stains(rows: int, columns: int, rng: np.random.Generator) -> Map:
    """Soft ellipses, as oil and water leave them."""
    out = np.zeros((rows, columns), np.float32)
    for _ in range(rng.integers(3, 25)):
        layer = np.zeros_like(out)
        centre = (int(rng.integers(columns)), int(rng.integers(rows)))
        axes = (int(rng.uniform(0.1, 1.0) / CELL_M), int(rng.uniform(0.1, 3.0) / CELL_M))
        cv2.ellipse(layer, centre, (max(axes[0], 1), max(axes[1], 1)), rng.uniform(-30, 30), 0, 360, 1.0, -1)
        out += _sign(rng) * rng.uniform(0.3, 1) * cv2.GaussianBlur(layer, (0, 0), rng.uniform(0.5, 4))
    return np.clip(out, -1, 1)


def tar(rows: int, columns: int, rng: np.random.Generator) -> Map:
    """Sealed cracks: dark wandering lines."""
    out = np.zeros((rows, columns), np.float32)
    for _ in range(rng.integers(2, 10)):
        count = int(rng.integers(4, 14))
        direction = rng.uniform(-0.5, 0.5) + (math.pi / 2 if rng.random() < 0.3 else 0.0)
        headings = direction + np.cumsum(rng.normal(0, 0.25, count))
        steps = rng.uniform(0.3, 2.5) / CELL_M * np.stack([np.sin(headings), np.cos(headings)], 1)
        points = rng.uniform(0, 1, 2) * (columns, rows) + np.cumsum(steps, 0)
        cv2.polylines(
            out, [points.round().astype(np.int32)], False, -rng.uniform(0.4, 1), int(rng.integers(1, 3))
        )
    return np.asarray(cv2.GaussianBlur(out, (0, 0), 0.5), np.float32)


def repairs(rows: int, columns: int, rng: np.random.Generator) -> Map:
    """Rectangles of another asphalt, some with a tarred rim."""
    out = np.zeros((rows, columns), np.float32)
    for _ in range(rng.integers(1, 7)):
        corner = (int(rng.integers(-5, columns)), int(rng.integers(-5, rows)))
        far = (corner[0] + int(rng.uniform(0.5, 4) / CELL_M), corner[1] + int(rng.uniform(0.5, 12) / CELL_M))
        cv2.rectangle(out, corner, far, _sign(rng) * rng.uniform(0.2, 1), -1)
        if rng.random() < 0.5:
            cv2.rectangle(out, corner, far, -rng.uniform(0.3, 1), 1)
    return out


def smooth_noise(rows: int, columns: int, rng: np.random.Generator) -> Map:
    """Noise of two or three scales between 0.2 and 5 m."""
    out = np.zeros((rows, columns), np.float32)
    for _ in range(rng.integers(2, 4)):
        scale = math.exp(rng.uniform(math.log(0.2), math.log(5.0))) / CELL_M
        coarse = rng.normal(0, 1, (math.ceil(rows / scale) + 3, math.ceil(columns / scale) + 3)).astype(
            np.float32
        )
        out += rng.uniform(0.3, 1) * cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_CUBIC)
    return np.clip(0.5 * out, -1, 1)


def skid_marks(rows: int, columns: int, rng: np.random.Generator) -> Map:
    """Dark or worn-pale lines that run almost along the road, single or as the pair that one axle leaves."""
    out = np.zeros((rows, columns), np.float32)
    along = np.arange(0, rows + 10, 10)
    for _ in range(rng.integers(1, 5)):
        slope, bend = rng.normal(0, 0.02), rng.normal(0, 0.0003)
        across = rng.uniform(0, columns) + slope * along + bend * (along - rng.uniform(0, rows)) ** 2
        first, last = np.sort(rng.integers(0, len(along), 2))
        strength, width = _sign(rng) * rng.uniform(0.2, 1), int(rng.integers(1, 4))
        for shift in (0.0, 1.6 / CELL_M) if rng.random() < 0.5 else (0.0,):
            points = np.stack([across + shift, along], 1)[first : last + 1].round().astype(np.int32)
            cv2.polylines(out, [points], False, strength, width)
    return np.asarray(cv2.GaussianBlur(out, (0, 0), rng.uniform(0.4, 1.5)), np.float32)


def puddles(rows: int, columns: int, rng: np.random.Generator) -> Map:
    """Blobs with clear edges: noise of one scale, cut at a level."""
    scale = math.exp(rng.uniform(math.log(0.5), math.log(4.0))) / CELL_M
    coarse = rng.normal(0, 1, (math.ceil(rows / scale) + 3, math.ceil(columns / scale) + 3)).astype(
        np.float32
    )
    field = cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_CUBIC)
    return (_sign(rng) * rng.uniform(0.3, 1) * (field > rng.uniform(0.3, 1.5))).astype(np.float32)


TRAINING_FAMILIES = {
    "stains": stains,
    "tar": tar,
    "repairs": repairs,
    "smooth_noise": smooth_noise,
    "skid_marks": skid_marks,
    "puddles": puddles,
}
"""Every family that ``standard`` drivers see in training, by name."""


def sample_dirt(length_m: float, width_m: float, amplitude: float, rng: np.random.Generator) -> Map:
    """Dirt of one to three training families.

    Args:
        length_m: along the road.
        width_m: across.
        amplitude: largest change of brightness.
        rng: source of randomness.

    Returns:
        ``(rows, columns) float32`` in [-amplitude, amplitude], cells of ``CELL_M``.
    """
    rows, columns = math.ceil(length_m / CELL_M), math.ceil(width_m / CELL_M)
    out = np.zeros((rows, columns), np.float32)
    for name in rng.choice(list(TRAINING_FAMILIES), size=int(rng.integers(1, 4)), replace=False):
        out += TRAINING_FAMILIES[str(name)](rows, columns, rng)
    return amplitude * np.clip(out, -1, 1)
