"""SurfaceLayer: something laid on the road, cell by cell. Dirty road patches are layers, and so is random dirt."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from simulator.surface.bake import LONGEST_FOOTPRINT_M, WIDEST_FOOTPRINT_M
from simulator.surface.ripmap import Ripmap, levels_for


@dataclass(frozen=True)
class SurfaceLayer:
    """Cells on the road that change its brightness: ``below * keep + add``.

    Layers follow the lane: their long side runs along the road's reference line. Brightness is display brightness
    under a clear noon; light and weather act on the layer as on the road.

    Attributes:
        add: ``(N or 1, 1 or 3, rows, columns)`` brightness added; first row nearest to the road's start, first column
            on the left. May carry gradients; build a new layer when the cells change.
        s_m: where it starts along the road, a number or ``(N,)``.
        d_m: its middle line's lateral position, a number or ``(N,)``.
        length_m: along the road.
        width_m: across.
        keep: ``(N or 1, 1, rows, columns)`` in [0, 1], share of the road below that still shows; None is all of it.
    """

    add: Tensor
    s_m: float | Tensor
    d_m: float | Tensor
    length_m: float
    width_m: float
    keep: Tensor | None = None

    @property
    def cell_m(self) -> tuple[float, float]:
        """Length and width of a cell."""
        return self.length_m / self.add.shape[2], self.width_m / self.add.shape[3]

    def place(self, i: int) -> tuple[float | Tensor, float | Tensor]:
        """Start along the road and middle line of world ``i``."""
        s, d = self.s_m, self.d_m
        return (s[i] if isinstance(s, Tensor) and s.ndim else s), (
            d[i] if isinstance(d, Tensor) and d.ndim else d
        )

    @cached_property
    def ripmap(self) -> Ripmap:
        """Channels of ``add``, and ``1 - keep`` as a last one where there is a ``keep``; zero outside the layer."""
        texture = self.add
        if self.keep is not None:
            texture = torch.cat([texture, (1 - self.keep).expand(len(texture), -1, -1, -1)], 1)
        length, width = self.cell_m
        rows, columns = self.add.shape[2:]
        levels = levels_for(length, LONGEST_FOOTPRINT_M, rows), levels_for(width, WIDEST_FOOTPRINT_M, columns)
        return Ripmap.of(texture, levels, "constant")
