"""The raster of a road's surface: which piece of road a texel shows.

Rows go along the road, columns across it from left to right. Across, the middle of the corridor has texels of equal
width and everything beyond is squeezed, so that lanes are sharp and fields reach to where nobody looks closely.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

LENGTH_M = 0.125
"""Length of a texel along the road."""

WIDTH_M = 0.04
"""Width of a texel in the middle of the corridor."""

CORE_M = 9.6
"""Half width of the middle."""

SQUEEZE = 12.0
"""How much wider texels are beyond the middle."""

COLUMNS = 640


@dataclass(frozen=True)
class SurfaceGrid:
    """A stretch of road cut into texels.

    Attributes:
        start_m: arc length at the first row's near edge.
        rows: how many.
    """

    start_m: float
    rows: int

    @property
    def s_m(self) -> NDArray[np.float64]:
        """``(rows,)`` arc length of the row centres."""
        return np.asarray(self.start_m + (np.arange(self.rows) + 0.5) * LENGTH_M, np.float64)

    def row_of(self, s_m: Tensor) -> Tensor:
        """Row position of arc lengths, row centres at integers + 0.5."""
        return (s_m - self.start_m) / LENGTH_M


def lateral_m() -> NDArray[np.float64]:
    """``(COLUMNS,)`` lateral position of the column centres, positive left, descending."""
    u = (COLUMNS / 2 - np.arange(COLUMNS) - 0.5) * WIDTH_M
    core = np.clip(u, -CORE_M, CORE_M)
    return core + (u - core) * SQUEEZE


def column_width_m() -> NDArray[np.float64]:
    """``(COLUMNS,)`` width of the columns."""
    u = (COLUMNS / 2 - np.arange(COLUMNS) - 0.5) * WIDTH_M
    return np.where(np.abs(u) <= CORE_M, WIDTH_M, WIDTH_M * SQUEEZE)


def reach_m() -> float:
    """How far to either side the raster reaches, to the centre of its last column."""
    return float(lateral_m()[0])


# column position of a lateral position d: MIDDLE + BY_D * d + BY_CORE * clamp(d, -CORE_M, CORE_M)
MIDDLE = COLUMNS / 2
BY_D = -1 / (SQUEEZE * WIDTH_M)
BY_CORE = -(1 - 1 / SQUEEZE) / WIDTH_M
