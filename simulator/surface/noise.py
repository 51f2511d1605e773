"""Random fields for surfaces and skies, made from small grids so that they are cheap."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]

_CUBIC = 0.72
"""Deviation that cubic interpolation leaves of independent values, along each axis that it stretches."""

_TILE = 256
"""Rows and columns of a tile."""


@lru_cache(maxsize=1)
def _white_tile() -> Field:
    """``(2048, 1024)`` standard normal noise that every field takes random windows of."""
    return np.random.default_rng(20_09_06701).standard_normal((2048, 1024), dtype=np.float32)


def white(rng: np.random.Generator, rows: int, columns: int) -> Field:
    """Standard normal noise ``(rows, columns)``: a window of a fixed tile, since drawing so many is slow."""
    tile = _white_tile()
    take_rows = (np.arange(rows) + rng.integers(tile.shape[0])) % tile.shape[0]
    start = int(rng.integers(tile.shape[1]))
    take_columns = (np.arange(columns) + start) % tile.shape[1]
    if start + columns <= tile.shape[1]:
        return tile[:, start : start + columns][take_rows]
    return tile[take_rows[:, None], take_columns]


def smooth(rng: np.random.Generator, rows: int, columns: int, cell: tuple[float, float]) -> Field:
    """Smooth noise of unit standard deviation, ``(rows, columns)``.

    Args:
        rng: source of randomness.
        rows: of the result.
        columns: of the result.
        cell: correlation length in rows and columns.
    """
    grid_rows, grid_columns = max(2, round(rows / cell[0]) + 2), max(2, round(columns / cell[1]) + 2)
    grid = rng.standard_normal((grid_rows, grid_columns), dtype=np.float32)
    grid *= np.float32((1 / _CUBIC) ** ((cell[0] > 1.5) + (cell[1] > 1.5)))
    return np.asarray(cv2.resize(grid, (columns, rows), interpolation=cv2.INTER_CUBIC), np.float32)


def smooth_ring(rng: np.random.Generator, rows: int, columns: int, cell: tuple[float, float]) -> Field:
    """As :func:`smooth`, but the last column goes on as the first: for fields around the horizon."""
    rim = max(2, round(cell[1]))
    field = smooth(rng, rows, columns + rim, cell)
    share = np.linspace(0, 1, rim, dtype=np.float32)
    field[:, :rim] = field[:, :rim] * share + field[:, columns:] * (1 - share)
    return field[:, :columns]


def tile(rng: np.random.Generator) -> Field:
    """Standard normal values for :func:`sample_tile`."""
    return rng.standard_normal((_TILE, _TILE), dtype=np.float32)


def sample_tile(values: Field, row: NDArray[np.float64], column: NDArray[np.float64]) -> Field:
    """Smooth noise of unit standard deviation at any places.

    Args:
        values: of :func:`tile`; repeated for ever in both directions.
        row: ``(H, W)``, H below 32767, in correlation lengths.
        column: the same.

    Returns:
        ``(H, W)``.
    """
    x, y = (np.mod(place, _TILE).astype(np.float32) for place in (column, row))
    scaled = values * np.float32((1 / _CUBIC) ** 2)
    return np.asarray(cv2.remap(scaled, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP), np.float32)
