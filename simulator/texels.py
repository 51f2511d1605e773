"""Which texels of their surfaces the ground rows of pictures show.

Texel positions are affine along each picture row and worked out at its nodes, but for the far rows that see beyond the
core of the raster, where texels grow wider.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simulator.surface import grid as raster
from simulator.surface.bake import Surface
from simulator.views import GroundView


class RoadTexels:
    """Finds texels for the views of one camera.

    Args:
        surfaces: of every scene; their ripmaps have equally many levels.
        width: of the picture [px].
        spans: pieces that a picture row is cut into; ``spans + 1`` nodes lie at their ends.
        dtype: of positions.
        device: where tensors live.
    """

    def __init__(
        self, surfaces: Sequence[Surface], width: int, spans: int, dtype: torch.dtype, device: torch.device | str
    ) -> None:  # fmt: skip
        position = (torch.arange(width, dtype=dtype, device=device) + 0.5) * (spans / width)
        nodes = torch.arange(spans + 1, dtype=dtype, device=device)
        self._hat = (1 - (position - nodes[:, None]).abs()).clamp_min(0)
        self._ripmap = surfaces[0].albedo
        self._maps = torch.cat([s.albedo.texel_maps(dtype).flatten(0, 1) for s in surfaces])
        like = self._hat
        self._start_m = like.new_tensor([s.grid.start_m for s in surfaces])
        self._rows = like.new_tensor([s.grid.rows for s in surfaces])
        self._heights = [s.albedo.atlas.shape[2] for s in surfaces]
        self._widths = [s.albedo.atlas.shape[3] for s in surfaces]

    def fill(self, nodes: Tensor) -> Tensor:
        """Interpolate ``(..., K)`` at the node columns to ``(..., W)``."""
        return nodes @ self._hat

    def find(self, ground: GroundView, index: Tensor) -> Texels:
        """Texels of N views, which are of the scenes ``index (N,)``."""
        i, j = self._ripmap.choose(ground.along_m / raster.LENGTH_M, ground.across_m / raster.WIDTH_M)
        along, across = self._ripmap.top.shape
        shelf = (index[:, None] * along + i) * across + j
        to_row, top, to_column, left = self._maps[shelf].unsqueeze(2).unbind(-1)
        start, rows = self._start_m[index, None, None], self._rows[index, None, None]
        row = (ground.s_m - start) * (1 / raster.LENGTH_M)
        row = torch.minimum(row.clamp_min(0.5), rows - 0.5)
        reach = raster.reach_m()
        d = ground.d_m.clamp(-reach, reach)
        core = d.clamp(-raster.CORE_M, raster.CORE_M)
        column = raster.MIDDLE + raster.BY_D * d + raster.BY_CORE * core
        with torch.no_grad():
            beyond = (core != d).any(-1)
            counted = beyond * torch.arange(1, beyond.shape[1] + 1, device=beyond.device)
            far = counted.amax(1).tolist()
        return Texels(
            self,
            torch.addcmul(top, row, to_row),
            torch.addcmul(left, column, to_column),
            d,
            to_column,
            left,
            shelf,
            far,
            [(self._heights[scene], self._widths[scene]) for scene in index.tolist()],
        )


@dataclass(frozen=True)
class Maps:
    """Where every pixel of one view looks, as OpenCV wants it: texel centres at integers.

    Attributes:
        x: ``(G, W) float32`` columns of the atlas.
        y: ``(G, W) float32`` rows of the window of its band.
        bands: picture rows that look at the same level, and the rows of the atlas that they look at.
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    bands: list[tuple[slice, slice]]


@dataclass(frozen=True)
class Texels:
    """Where in the atlases of their ripmaps the pixels of N views look.

    Attributes:
        road: that found them.
        row: ``(N, G, K)`` rows of the atlas at the node columns, texel centres at integers + 0.5.
        column: ``(N, G, K)`` columns.
        d_m: ``(N, G, K)`` lateral position, within the raster.
        to_column: ``(N, G, 1)`` factor from columns of the finest level to those of the atlas.
        left: ``(N, G, 1)`` and offset.
        shelf: ``(N, G)`` long, equal for rows that look at the same level of the same surface.
        far: of every view, how many rows from the first on may see beyond the core of the raster.
        sizes: of every view, height and width of the atlas.
    """

    road: RoadTexels
    row: Tensor
    column: Tensor
    d_m: Tensor
    to_column: Tensor
    left: Tensor
    shelf: Tensor
    far: list[int]
    sizes: list[tuple[int, int]]

    def columns(self, i: int) -> Tensor:
        """Columns of every pixel of one view, ``(G, W)``."""
        x = self.road.fill(self.column[i])
        if self.far[i]:
            far = slice(0, self.far[i])
            d, to_column = self.d_m[i, far], self.to_column[i, far]
            core = self.road.fill(d).clamp(-raster.CORE_M, raster.CORE_M)
            wide = self.road.fill((raster.MIDDLE + raster.BY_D * d) * to_column + self.left[i, far])
            x[far] = torch.addcmul(wide, core, raster.BY_CORE * to_column)
        return x

    def maps(self, i: int) -> Maps:
        """OpenCV's maps for one view."""
        row, shelf = self.row[i].numpy(), self.shelf[i].numpy()
        starts = np.flatnonzero(np.diff(shelf, prepend=-1))
        ends = np.append(starts[1:], len(shelf))
        # OpenCV takes no picture of more than 32767 rows: every band is looked up in a window of the atlas
        tops = np.maximum(np.minimum.reduceat(row.min(1), starts).astype(np.int64) - 2, 0)
        bottoms = np.maximum.reduceat(row.max(1), starts).astype(np.int64) + 3
        edges = zip(starts.tolist(), ends.tolist(), tops.tolist(), bottoms.tolist(), strict=True)
        bands = [
            (slice(first, last), slice(top, min(bottom, self.sizes[i][0])))
            for first, last, top, bottom in edges
        ]
        # OpenCV's texel centres are at integers
        origin = np.repeat((tops + 0.5).astype(np.float32), ends - starts)[:, None]
        y = self.road.fill(torch.from_numpy(row - origin))
        return Maps(self.columns(i).sub_(0.5).numpy(), y.numpy(), bands)

    def grid(self, i: int) -> tuple[Tensor, Tensor]:
        """``grid_sample``'s x and y of every pixel of one view, ``(G, W)`` each."""
        height, width = self.sizes[i]
        y = self.road.fill(self.row[i] * (2 / height) - 1)
        return self.columns(i) * (2 / width) - 1, y
