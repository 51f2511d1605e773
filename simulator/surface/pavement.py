"""The pavement: asphalt grain, lanes laid at different times, wheel paths, seams, cracks, stains.

All functions work on a luminance field ``(rows, COLUMNS) float32`` in display brightness and change it in place.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from simulator.roads.road import Lane
from simulator.surface.grid import COLUMNS, LENGTH_M, WIDTH_M, lateral_m
from simulator.surface.noise import Field, smooth, white
from simulator.surface.style import SurfaceStyle


def pavement(
    style: SurfaceStyle, lanes: list[tuple[Lane, NDArray[np.float64], NDArray[np.float64]]], rows: int,
    rng: np.random.Generator,
) -> Field:  # fmt: skip
    """Luminance of the pavement as if it went on for ever to both sides.

    Args:
        style: how it looks.
        lanes: each lane with its left and right border at every row [m].
        rows: of the raster.
        rng: source of randomness.

    Returns:
        ``(rows, COLUMNS) float32``.
    """
    lum = white(rng, rows, COLUMNS) * np.float32(0.55 * style.grain)
    lum += smooth(rng, rows, COLUMNS, (2.0, 2.5)) * np.float32(0.5 * style.grain)
    lum += smooth(rng, rows, COLUMNS, (3.0 / LENGTH_M, 0.8 / WIDTH_M)) * np.float32(0.6 * style.patchiness)
    lum += smooth(rng, rows, COLUMNS, (25.0 / LENGTH_M, 3.0 / WIDTH_M)) * np.float32(0.8 * style.patchiness)
    lum += smooth(rng, 2, COLUMNS, (2.0, 0.2 / WIDTH_M))[:1] * np.float32(0.5 * style.patchiness)
    lum += np.float32(style.asphalt_brightness)
    d = lateral_m().astype(np.float32)
    for lane, left, right in lanes:
        if lane.kind != "driving":
            continue
        if style.lane_contrast > 0:
            level = np.float32(style.lane_contrast * rng.standard_normal())
            inside = (d[None] < left[:, None]) & (d[None] > right[:, None])
            lum += inside * level
        if style.tyre_tracks > 0:
            _tyre_tracks(lum, d, (left + right) / 2, style.tyre_tracks, rng)
    if style.seams > 0:
        _seams(lum, d, lanes, style.seams, rng)
    if style.cracks > 0:
        _cracks(lum, style.cracks, rng)
    if style.stains > 0:
        _stains(lum, style.stains, rng)
    return lum


def _tyre_tracks(
    lum: Field, d: Field, centre: NDArray[np.float64], strength: float, rng: np.random.Generator
) -> None:
    """Two polished wheel paths and the oily strip between them."""
    spread, gauge = rng.uniform(0.22, 0.4), rng.uniform(0.72, 0.9)
    window = _columns_near(d, centre, 2.0)
    across = d[window][None] - centre[:, None].astype(np.float32)
    paths = np.exp(-(((np.abs(across) - np.float32(gauge)) / np.float32(spread)) ** 2))
    oil = np.exp(-((across / np.float32(0.45)) ** 2)) * np.float32(rng.uniform(0.0, 0.8))
    sign = 1.0 if rng.random() < 0.8 else -0.6
    # none where there is no lane
    lum[:, window] -= np.float32(strength * sign) * np.nan_to_num(paths + oil)


def _columns_near(d: Field, line_m: NDArray[np.floating], margin_m: float) -> slice:
    """Columns that come within a margin of a line along the road."""
    near = np.nonzero((d < np.nanmax(line_m) + margin_m) & (d > np.nanmin(line_m) - margin_m))[0]
    return slice(int(near[0]), int(near[-1]) + 1) if len(near) else slice(0, 0)


def _seams(
    lum: Field, d: Field, lanes: list[tuple[Lane, NDArray[np.float64], NDArray[np.float64]]], strength: float,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Dark joints: along the lane borders, and across every few metres where the road is of slabs."""
    depth = np.float32(0.10 * strength)
    for _, left, right in lanes:
        for border in (left, right):
            if rng.random() < 0.5 * strength and np.isfinite(border).all():
                line = (border + rng.normal(0, 0.1)).astype(np.float32)
                window = _columns_near(d, line, 0.1)
                lum[:, window] -= depth * np.exp(-(((d[window] - line[:, None]) / np.float32(0.03)) ** 2))
    if rng.random() < 0.4 * strength:
        period = int(rng.uniform(4.5, 8.0) / LENGTH_M)
        lum[int(rng.integers(period)) :: period] -= depth


def _cracks(lum: Field, amount: float, rng: np.random.Generator) -> None:
    """Wandering dark lines, some of them filled with wide glossy tar."""
    rows = lum.shape[0]
    canvas = np.zeros(lum.shape, np.uint8)
    for _ in range(rng.poisson(amount * rows * LENGTH_M / 12.0)):
        across = rng.random() < 0.45
        steps = int(rng.integers(6, 24))
        start = np.array([rng.uniform(150, COLUMNS - 150), rng.uniform(0, rows)])
        drift = (
            (rng.normal([8.0, 0.0], [4, 3], (steps, 2)))
            if across
            else rng.normal([0.0, 5.0], [3, 3], (steps, 2))
        )
        points = np.round((start + np.cumsum(drift * rng.choice([-1, 1]), axis=0)) * 8).astype(np.int32)
        tar = rng.random() < 0.3
        shade = int(rng.integers(120, 255)) if tar else int(rng.integers(60, 180))
        cv2.polylines(canvas, [points], False, shade, 3 if tar else 1, cv2.LINE_AA, 3)
    lum -= canvas * np.float32(0.16 / 255)


def _stains(lum: Field, amount: float, rng: np.random.Generator) -> None:
    """Soft spots of oil and water, and rectangular repairs."""
    rows = lum.shape[0]
    metres = rows * LENGTH_M
    for _ in range(rng.poisson(amount * metres / 6.0)):
        length, width = rng.uniform(0.3, 4.0), rng.uniform(0.15, 1.2)
        _spot(
            lum, rng.uniform(0, rows), rng.uniform(100, COLUMNS - 100), length, width, rng.normal(-0.06, 0.05)
        )
    for _ in range(rng.poisson(amount * metres / 60.0)):
        r0, c0 = int(rng.uniform(0, rows)), int(rng.uniform(140, COLUMNS - 140))
        r1, c1 = r0 + int(rng.uniform(1.0, 20.0) / LENGTH_M), c0 + int(rng.uniform(0.6, 3.6) / WIDTH_M)
        lum[r0:r1, c0:c1] += np.float32(rng.normal(-0.02, 0.05))


def _spot(lum: Field, row: float, column: float, length_m: float, width_m: float, level: float) -> None:
    half_r, half_c = length_m / LENGTH_M, width_m / WIDTH_M
    r0, r1 = max(0, int(row - 2 * half_r)), min(lum.shape[0], int(row + 2 * half_r) + 1)
    c0, c1 = max(0, int(column - 2 * half_c)), min(COLUMNS, int(column + 2 * half_c) + 1)
    if r1 <= r0 or c1 <= c0:
        return
    along = np.exp(-(((np.arange(r0, r1) - row) / half_r) ** 2)).astype(np.float32)
    across = np.exp(-(((np.arange(c0, c1) - column) / half_c) ** 2)).astype(np.float32)
    lum[r0:r1, c0:c1] += np.float32(level) * along[:, None] * across[None]
