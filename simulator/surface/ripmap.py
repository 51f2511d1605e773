"""Ripmap: a texture at every combination of resolutions along and across the road, for sampling without aliasing.

A road seen at a grazing angle squeezes 10 m of road into one pixel row while it still shows 10 cm of it per column.
Ordinary mipmaps blur both axes alike; a ripmap (anisotropic mipmap) filters each by its own footprint. All levels lie
in one atlas, so that any mixture of them is one ``grid_sample``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from torch import Tensor

_PAD = 1
_NARROW_FROM = 2
"""Levels that are coarse across exist only from this level along the road on: nearer, no pixel is that wide."""


@dataclass(frozen=True)
class Placement:
    """An affine map from texels to ``grid_sample`` coordinates, and the limits of the level there; per picture row.

    Attributes:
        along: factor and offset from row positions to y.
        across: factor and offset from column positions to x.
        limits_y: lowest and highest y within the level and its rim.
        limits_x: the same of x.
    """

    along: tuple[Tensor, Tensor]
    across: tuple[Tensor, Tensor]
    limits_y: tuple[Tensor, Tensor]
    limits_x: tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Ripmap:
    """All levels of a texture in one atlas.

    Attributes:
        atlas: ``(N, C, A, B)``, the levels side by side, each with a rim of one texel.
        top: ``(I, J)`` long, first atlas row of the level ``2**i`` texels long and ``2**j`` wide (after its rim).
        left: ``(I, J)`` long, first atlas column.
        size: ``(I, J, 2)`` long, rows and columns of the level.
    """

    atlas: Tensor
    top: Tensor
    left: Tensor
    size: Tensor

    @classmethod
    def of(cls, texture: Tensor, levels: tuple[int, int], border: str) -> Ripmap:
        """Build the levels; differentiable in the texture.

        Args:
            texture: ``(N, C, R, K)``, rows along the road, columns across.
            levels: how many levels along and across (``I``, ``J``).
            border: ``"replicate"`` goes on as at the rim, ``"constant"`` is zero outside.
        """
        along, across = levels
        n, channels = texture.shape[:2]
        blocks: dict[tuple[int, int], Tensor] = {}
        for i in range(along):
            narrow = texture if i == 0 else _halve(blocks[i - 1, 0], 2, border)
            blocks[i, 0] = narrow
            for j in range(1, across if i >= _NARROW_FROM else 1):
                blocks[i, j] = _halve(blocks[i, j - 1], 3, border)
        size = torch.zeros(along, across, 2, dtype=torch.long)
        top, left = torch.zeros(along, across, dtype=torch.long), torch.zeros(along, across, dtype=torch.long)
        row, shelves = 0, [[(i, 0)] for i in range(along)]
        shelves += [[(i, j) for j in range(1, across)] for i in range(_NARROW_FROM, along) if across > 1]
        width = max(sum(blocks[key].shape[3] + 2 * _PAD for key in shelf) for shelf in shelves)
        height = sum(blocks[shelf[0]].shape[2] + 2 * _PAD for shelf in shelves)
        pieces = []
        for shelf in shelves:
            column, rims = 0, []
            for i, j in shelf:
                block = blocks[i, j]
                top[i, j], left[i, j] = row + _PAD, column + _PAD
                size[i, j] = torch.tensor(block.shape[2:])
                rims.append(F.pad(block, [_PAD] * 4, mode=border))
                column += block.shape[3] + 2 * _PAD
            if column < width:
                rims.append(texture.new_zeros(n, channels, rims[0].shape[2], width - column))
            pieces.append(torch.cat(rims, 3))
            row += pieces[-1].shape[2]
        atlas = torch.cat(pieces, 2)
        assert atlas.shape[2:] == (height, width)
        for i in range(min(_NARROW_FROM, along)):
            source = min(_NARROW_FROM, along - 1)
            top[i, 1:], left[i, 1:], size[i, 1:] = top[source, 1:], left[source, 1:], size[source, 1:]
        return cls(atlas, top, left, size)

    def choose(self, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Levels for footprints of so many texels along and across, any shape; not differentiable.

        A bilinear look-up at a level of texel size ``t`` has the variance of a box of ``sqrt(3) t``; the factor matches
        that to the pixel's own box, a little on the sharp side.
        """
        along, across = self.top.shape
        i = torch.log2((rows.detach() * 0.68).clamp_min(1e-6)).round().long().clamp(0, along - 1)
        j = torch.log2((columns.detach() * 0.68).clamp_min(1e-6)).round().long().clamp(0, across - 1)
        return torch.where(j > 0, i.clamp_min(min(_NARROW_FROM, along - 1)), i), j

    def texel_maps(self, dtype: torch.dtype) -> Tensor:
        """``(I, J, 4)``: for every level, factor and offset from rows of the finest to rows of the atlas, then the
        same of columns; texel centres at integers + 0.5.
        """
        i, j = torch.meshgrid(*(torch.arange(n, dtype=dtype) for n in self.top.shape), indexing="ij")
        maps = torch.stack([torch.exp2(-i), self.top.to(dtype), torch.exp2(-j), self.left.to(dtype)], -1)
        return maps.to(self.atlas.device)

    def interleaved(self) -> Ripmap:
        """The same with the channels of a texel side by side in memory, padded to four, as OpenCV samples fastest."""
        n, channels, height, width = self.atlas.shape
        texels = self.atlas.new_zeros(n, height, width, 4)
        texels[..., :channels] = self.atlas.permute(0, 2, 3, 1)
        return replace(self, atlas=texels.permute(0, 3, 1, 2)[:, :channels])

    def texels(self) -> NDArray[np.float32]:
        """``(A, B, 4)`` of an :meth:`interleaved` atlas, without copying."""
        height, width = self.atlas.shape[2:]
        return self.atlas.detach().as_strided((height, width, 4), (4 * width, 4, 1)).numpy()

    def placement(self, level: tuple[Tensor, Tensor], dtype: torch.dtype) -> Placement:
        """How texel positions of the finest level map to ``grid_sample``'s coordinates at given levels."""
        i, j = level
        height, width = self.atlas.shape[2:]
        to_y, to_x = torch.exp2(-i.to(dtype)) * (2 / height), torch.exp2(-j.to(dtype)) * (2 / width)
        y0 = self.top[i, j].to(dtype) * (2 / height) - 1
        x0 = self.left[i, j].to(dtype) * (2 / width) - 1
        size = self.size[i, j].to(dtype)
        # half a texel beyond a level is the centre of its rim: a bilinear tap there sees nothing of a neighbour
        rim_y, rim_x = 1.0 / height, 1.0 / width
        return Placement(
            (to_y, y0), (to_x, x0),
            (y0 - rim_y, y0 + size[..., 0] * (2 / height) + rim_y),
            (x0 - rim_x, x0 + size[..., 1] * (2 / width) + rim_x),
        )  # fmt: skip

    def look_up(self, x: Tensor, y: Tensor, index: int = 0) -> Tensor:
        """Colours at ``grid_sample`` coordinates ``(H, W)`` each: ``(C, H, W)``."""
        # ten times faster than stacking along the last dimension
        grid = torch.view_as_real(torch.complex(x, y))
        # split in two so that both threads have work: grid_sample is parallel over the batch only
        halves = 2 if torch.get_num_threads() > 1 and x.shape[0] % 2 == 0 else 1
        source = self.atlas[index : index + 1].expand(halves, -1, -1, -1)
        found = F.grid_sample(
            source, grid.reshape(halves, -1, *grid.shape[1:]), mode="bilinear", padding_mode="border",
            align_corners=False,
        )  # fmt: skip
        return found[0] if halves == 1 else torch.cat([found[0], found[1]], 1)

    def taps(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The four texels that every look-up of :meth:`look_up` mixes.

        Args:
            x: ``(P,)`` as :meth:`look_up` takes them.
            y: ``(P,)``.

        Returns:
            Flat index into the atlas and weight, ``(P, 4)`` each.
        """
        height, width = self.atlas.shape[2:]
        column, row = (x + 1) * (width / 2) - 0.5, (y + 1) * (height / 2) - 0.5
        left, top = column.floor(), row.floor()
        share_x, share_y = column - left, row - top
        index, weight = [], []
        for down, across in ((0, 0), (0, 1), (1, 0), (1, 1)):
            r, c = (top + down).clamp(0, height - 1).long(), (left + across).clamp(0, width - 1).long()
            index.append(r * width + c)
            weight.append((share_y if down else 1 - share_y) * (share_x if across else 1 - share_x))
        return torch.stack(index, -1), torch.stack(weight, -1)

    def means(self, rows: int, columns: int) -> csr_array:
        """The atlas as a linear function of the texture, with ``"constant"`` border: ``(atlas texels, texture)``."""
        width = self.atlas.shape[3]
        r, c = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        index, weight = [], []
        for i in range(self.top.shape[0]):
            for j in range(self.top.shape[1] if i >= _NARROW_FROM else 1):
                texel = (self.top[i, j] + (r >> i)) * width + self.left[i, j] + (c >> j)
                index.append(np.stack([texel.numpy().ravel(), (r * columns + c).numpy().ravel()]))
                weight.append(np.full(rows * columns, 0.5 ** (i + j)))
        size = self.atlas.shape[2] * width, rows * columns
        return coo_array((np.concatenate(weight), tuple(np.concatenate(index, 1))), size).tocsr()


def _halve(texture: Tensor, dim: int, border: str) -> Tensor:
    """Average pairs of texels along one dimension; an odd one out is paired with the border."""
    if texture.shape[dim] % 2:
        pad = [0, 0, 0, 1] if dim == 2 else [0, 1, 0, 0]
        texture = F.pad(texture, pad, mode=border)
    # strided adds: several times faster than avg_pool2d
    even, odd = (
        (texture[:, :, ::2], texture[:, :, 1::2]) if dim == 2 else (texture[..., ::2], texture[..., 1::2])
    )
    return (even + odd) * 0.5


def levels_for(cell_m: float, largest_m: float, cells: int) -> int:
    """How many levels take texels of ``cell_m`` to a footprint of ``largest_m``, or to a single texel."""
    wanted = math.ceil(math.log2(max(largest_m / cell_m, 1.0))) + 1
    possible = math.ceil(math.log2(max(cells, 1))) + 1
    return max(1, min(wanted, possible))
