"""Painting lane marks onto a raster of the road."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.roads.road import PAIR_GAP_M, LaneMark
from simulator.surface.grid import COLUMNS, LENGTH_M, SurfaceGrid, column_width_m, lateral_m
from simulator.surface.noise import Field, smooth

PAINT: dict[str, tuple[float, float, float]] = {
    "white": (1.0, 1.0, 0.98),
    "standard": (1.0, 1.0, 0.98),
    "yellow": (0.98, 0.78, 0.22),
    "orange": (0.98, 0.55, 0.15),
    "red": (0.80, 0.20, 0.15),
    "blue": (0.25, 0.40, 0.80),
    "green": (0.25, 0.60, 0.35),
}
"""Colours of paint relative to the brightness of fresh paint, by OpenDRIVE's names."""


def strokes(mark: LaneMark) -> list[tuple[float, bool]]:
    """The strokes of a mark: shift of each from the mark's centre [m, positive left] and whether it is dashed."""
    words = mark.kind.split()
    if mark.kind in ("none", "curb", "grass", "custom"):
        return []
    if len(words) == 2:
        shift = (mark.width_m + PAIR_GAP_M) / 2
        return [(shift, words[0] == "broken"), (-shift, words[1] == "broken")]
    return [(0.0, words[0] in ("broken", "botts"))]


def paint_mark(
    rgb: NDArray[np.float32], grid: SurfaceGrid, mark: LaneMark, offset_m: NDArray[np.float64], brightness: float,
    wear: float, rng: np.random.Generator,
) -> None:  # fmt: skip
    """Blend one mark into the picture, in place.

    Args:
        rgb: ``(3, rows, COLUMNS)``.
        grid: where its rows lie.
        mark: what to paint.
        offset_m: ``(rows,)`` lateral centre of the mark, NaN where there is none.
        brightness: of fresh paint.
        wear: 0 fresh to 1 gone.
        rng: source of randomness (phase of the dashes, pattern of the wear).
    """
    color = np.array(PAINT.get(mark.color, PAINT["white"]), np.float32)[:, None, None] * np.float32(
        brightness
    )
    phase = rng.uniform(0, mark.dash_m + mark.gap_m)
    for shift, dashed in strokes(mark):
        centre = offset_m + shift
        rows = np.nonzero(np.isfinite(centre) & (np.abs(centre) < 40.0))[0]
        if not len(rows):
            continue
        amount = np.ones(len(rows), np.float32)
        if dashed:
            amount = _dashes(grid.s_m[rows] + phase, mark.dash_m, mark.gap_m)
            rows, amount = rows[amount > 0], amount[amount > 0]
            if not len(rows):
                continue
        columns, coverage = _stroke(centre[rows], mark.width_m)
        alpha = coverage * amount[:, None]
        if wear > 0:
            alpha *= _worn(len(rows), columns.shape[1], wear, rng)
        below = rgb[:, rows[:, None], columns]
        # worn paint lets the asphalt's texture through
        texture = 0.25 * (below - below.mean())
        rgb[:, rows[:, None], columns] = below + alpha * (color + texture - below)


def _stroke(centre_m: NDArray[np.float64], width_m: float) -> tuple[NDArray[np.int64], Field]:
    """Columns that a stroke touches at each row, and how much of each it covers."""
    d, width = lateral_m(), column_width_m()
    first = np.searchsorted(-d, -(centre_m + width_m / 2)) - 1
    reach = int(np.ceil(width_m / width.min())) + 3
    columns = np.clip(first[:, None] + np.arange(reach), 0, COLUMNS - 1)
    texel = width[columns]
    covered = (width_m + texel) / 2 - np.abs(d[columns] - centre_m[:, None])
    coverage = np.clip(covered / texel, 0.0, np.minimum(1.0, width_m / texel))
    # a clipped index repeats the last column: count it once
    coverage[:, 1:][columns[:, 1:] == columns[:, :-1]] = 0.0
    return columns, coverage.astype(np.float32)


def _dashes(s_m: NDArray[np.float64], dash_m: float, gap_m: float) -> Field:
    """Share of each row that is painted; rows are ``LENGTH_M`` long and may be cut by the end of a dash."""
    period = dash_m + gap_m

    def painted(s: NDArray[np.float64]) -> NDArray[np.float64]:
        whole = np.floor(s / period)
        return whole * dash_m + np.minimum(s - whole * period, dash_m)

    return ((painted(s_m + LENGTH_M / 2) - painted(s_m - LENGTH_M / 2)) / LENGTH_M).astype(np.float32)


def _worn(rows: int, columns: int, wear: float, rng: np.random.Generator) -> Field:
    """How much of the paint is left, patchy over metres and speckled over centimetres."""
    patches = smooth(rng, rows, columns, (6.0 / LENGTH_M, columns * 2.0))
    speckle = smooth(rng, rows, columns, (1.5, 1.5))
    left = 1.15 - 1.1 * wear + wear * (0.30 * patches + 0.45 * speckle)
    return np.clip(left, 0.0, 1.0)
