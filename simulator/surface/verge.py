"""What lies beside the lanes: shoulders, kerbs, pavements for walkers, and the land beyond."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.roads.road import Lane
from simulator.surface.grid import COLUMNS, CORE_M, LENGTH_M, WIDTH_M, lateral_m
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

_STRIPS: dict[str, float] = {
    "sidewalk": 1.4,
    "border": 1.15,
    "median": 1.2,
    "shoulder": 1.0,
    "stop": 1.0,
    "parking": 1.05,
    "biking": 0.95,
}
"""Brightness of lanes other than driving lanes, relative to the asphalt."""


def land(kind: str, rows: int, rng: np.random.Generator) -> tuple[tuple[float, float, float], Field]:
    """Colour of the land, and its brightness relative to that as if the land were everywhere: ``(rows, COLUMNS)``."""
    color, contrast = _GROUND[kind]
    contrast /= max(sum(color) / 3, 0.1)
    field = white(rng, rows, COLUMNS) * np.float32(0.4 * contrast)
    field += smooth(rng, rows, COLUMNS, (0.6 / LENGTH_M, 0.4 / WIDTH_M)) * np.float32(0.5 * contrast)
    # the outer columns are wide: what is fine in the middle would be streaks there
    far = np.where(np.abs(lateral_m()) > CORE_M, 0.45, 1.0).astype(np.float32)
    field += smooth(rng, rows, COLUMNS, (8.0 / LENGTH_M, 1.5 / WIDTH_M)) * np.float32(0.8 * contrast)
    field *= far
    field += 1
    return color, field


def strip_factor(kind: str) -> float | None:
    """Factor on the asphalt's brightness for a lane of this kind; None where the land shows instead of a lane."""
    if kind in ("driving", "entry", "exit", "onRamp", "offRamp", "connectingRamp", "bidirectional"):
        return 1.0
    return _STRIPS.get(kind)


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
