"""What lies beside the lanes: shoulders, kerbs, pavements for walkers, and the land beyond."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.roads.road import Lane
from simulator.surface.grid import COLUMNS, LENGTH_M, WIDTH_M, lateral_m
from simulator.surface.noise import Field, smooth, white

_GROUND: dict[str, tuple[tuple[float, float, float], float]] = {
    "grass": ((0.30, 0.38, 0.20), 0.06),
    "dry_grass": ((0.52, 0.48, 0.31), 0.06),
    "dirt": ((0.47, 0.41, 0.33), 0.05),
    "concrete": ((0.58, 0.57, 0.54), 0.02),
    "snow": ((0.88, 0.90, 0.93), 0.03),
}
VERGES = tuple(_GROUND)
"""Names of what may lie beside the road."""

_STRIPS: dict[str, tuple[float, float, float]] = {
    "sidewalk": (1.45, 1.43, 1.38),
    "border": (1.15, 1.14, 1.10),
    "median": (1.2, 1.18, 1.12),
    "shoulder": (1.0, 1.0, 1.0),
    "stop": (1.0, 1.0, 1.0),
    "parking": (1.05, 1.05, 1.03),
    "biking": (1.05, 0.95, 0.9),
}
"""Brightness of lanes other than driving lanes, relative to the asphalt."""


def land(kind: str, rows: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Colour of the land as if it were everywhere: ``(rows, COLUMNS, 3) float32``."""
    color, contrast = _GROUND[kind]
    field = white(rng, rows, COLUMNS) * np.float32(0.5 * contrast)
    field += smooth(rng, rows, COLUMNS, (0.6 / LENGTH_M, 0.4 / WIDTH_M)) * np.float32(0.5 * contrast)
    field += smooth(rng, rows, COLUMNS, (8.0 / LENGTH_M, 1.5 / WIDTH_M)) * np.float32(contrast)
    base = np.array(color, np.float32)
    return base[None, None] * (1 + field[..., None] / np.float32(max(base.mean(), 0.1)))


def strip_factor(kind: str) -> NDArray[np.float32] | None:
    """Factor on the asphalt's colour for a lane of this kind; None where the land shows instead of a lane."""
    if kind in ("driving", "entry", "exit", "onRamp", "offRamp", "connectingRamp", "bidirectional"):
        return np.ones(3, np.float32)
    factor = _STRIPS.get(kind)
    return None if factor is None else np.array(factor, np.float32)


def inside(left_m: NDArray[np.float64], right_m: NDArray[np.float64]) -> NDArray[np.bool_]:
    """``(rows, COLUMNS)`` whether a texel lies between two lateral positions (NaN: nowhere)."""
    d = lateral_m()
    with np.errstate(invalid="ignore"):
        return (d[None] <= left_m[:, None]) & (d[None] > right_m[:, None])


def paved(
    lanes: list[tuple[Lane, NDArray[np.float64], NDArray[np.float64]]], rows: int, rng: np.random.Generator
) -> Field:
    """``(rows, COLUMNS)`` 1 where there is pavement, 0 where the land shows; its rim is a little ragged."""
    edges_left = np.full(rows, -np.inf)
    edges_right = np.full(rows, np.inf)
    for lane, left, right in lanes:
        if strip_factor(lane.kind) is not None:
            edges_left = np.fmax(edges_left, left)
            edges_right = np.fmin(edges_right, right)
    margin = rng.uniform(0.05, 0.6)
    ragged = smooth(rng, rows, 2, (0.8 / LENGTH_M, 1.0)) * np.float32(0.05)
    d = lateral_m().astype(np.float32)
    soft = np.float32(0.06)
    from_left = (edges_left + margin).astype(np.float32) + ragged[:, 0]
    from_right = (edges_right - margin).astype(np.float32) + ragged[:, 1]
    return np.clip((from_left[:, None] - d) / soft, 0, 1) * np.clip((d - from_right[:, None]) / soft, 0, 1)
