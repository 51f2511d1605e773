"""Rows over an image whose coefficients are zero outside a small window: what convolutions leave of single
neurons.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from defenses.bounds.rows.base import Rows, inner
from defenses.bounds.rows.dense import Dense

Window = tuple[int, int, int, int]
"""A part of an image: first row, the one after the last, first column, the one after the last."""


@dataclass(frozen=True)
class Patches(Rows):
    """Windows of a common size on a value of shape ``(1, C, H, W)``.

    Coefficients of places outside the image are zero.

    Attributes:
        blocks: ``(B|1, S, C, h, w)``.
        top: ``(B|1, S)`` int64, image row of each window's first row; may be negative.
        left: the same for columns.
        extent: least and greatest ``top``, least and greatest ``left``, as known without looking.
    """

    blocks: Tensor
    top: Tensor
    left: Tensor
    extent: tuple[int, int, int, int]

    @classmethod
    def cut(cls, rows: Dense, window: Window) -> Patches:
        """The part of rows over an image ``(1, C, H, W)`` that lies in one window, the same for all rows."""
        top, bottom, left, right = window
        blocks = rows.coefficients[:, :, 0, :, top:bottom, left:right].contiguous()
        first_row, first_column = (
            torch.full((1, rows.count), place, device=blocks.device) for place in (top, left)
        )
        return cls(rows.shape, rows.mirrored, blocks, first_row, first_column, (top, top, left, left))

    @property
    def common(self) -> bool:
        """All rows have the same window."""
        first_top, last_top, first_left, last_left = self.extent
        return first_top == last_top and first_left == last_left

    def trim(self, window: Window) -> Patches:
        """The part of rows with a common window that lies in another one."""
        (rows, columns), (top, _, left, _) = self.window, self.extent
        first, last = max(top, window[0]), min(top + rows, window[1])
        begin, end = max(left, window[2]), min(left + columns, window[3])
        if first < last and begin < end:
            blocks = self.blocks[..., first - top : last - top, begin - left : end - left].contiguous()
        else:  # they do not meet
            first, begin = window[0], window[2]
            blocks = self.blocks.new_zeros(*self.blocks.shape[:3], 1, 1)
        first_row, first_column = (torch.full_like(self.top, place) for place in (first, begin))
        extent = (first, first, begin, begin)
        return Patches(self.shape, self.mirrored, blocks, first_row, first_column, extent)

    @property
    def count(self) -> int:
        return self.blocks.shape[1]

    @property
    def values(self) -> Tensor:
        return self.blocks

    def with_values(self, values: Tensor) -> Patches:
        return replace(self, blocks=values)

    @property
    def window(self) -> tuple[int, int]:
        """Rows and columns of a window."""
        return self.blocks.shape[-2], self.blocks.shape[-1]

    def _margins(self) -> tuple[int, int, int, int]:
        """How far windows reach over the image's edges: left, right, top, bottom."""
        (rows, columns), (_, _, height, width) = self.window, self.shape
        first_top, last_top, first_left, last_left = self.extent
        return (
            max(0, -first_left),
            max(0, last_left + columns - width),
            max(0, -first_top),
            max(0, last_top + rows - height),
        )

    def dense(self) -> Dense:
        left, right, top, bottom = self._margins()
        _, channels, height, width = self.shape
        rows, columns = self.window
        wide = width + left + right
        batch = max(len(self.blocks), len(self.top))
        place = (self.top + top) * wide + self.left + left
        inside = torch.arange(rows, device=place.device).unsqueeze(1) * wide
        inside = (inside + torch.arange(columns, device=place.device)).flatten()
        index = (place.unsqueeze(-1) + inside).unsqueeze(2).expand(batch, -1, channels, -1)
        canvas = self.blocks.new_zeros(batch, self.count, channels, (height + top + bottom) * wide)
        canvas = canvas.scatter(3, index, self.blocks.flatten(3).expand(batch, -1, -1, -1))
        canvas = canvas.unflatten(3, (height + top + bottom, wide))[
            ..., top : top + height, left : left + width
        ]
        return Dense(self.shape, self.mirrored, canvas.unsqueeze(2))

    def sparse(self) -> Tensor:
        """The coefficients as a sparse matrix ``(B S, C H W)``."""
        (rows, columns), (_, channels, height, width) = self.window, self.shape
        batch = max(len(self.blocks), len(self.top))
        blocks = self.blocks.expand(batch, *self.blocks.shape[1:])
        down = self.top[..., None] + torch.arange(rows, device=blocks.device)
        across = self.left[..., None] + torch.arange(columns, device=blocks.device)
        inside = ((down >= 0) & (down < height))[..., :, None] & ((across >= 0) & (across < width))[
            ..., None, :
        ]
        places = down[..., :, None] * width + across[..., None, :]
        channel = torch.arange(channels, device=blocks.device)[:, None, None] * height * width
        places = (channel + places.unsqueeze(2)).expand_as(blocks)
        row = (
            torch.arange(batch * self.count, device=blocks.device).view(batch, -1, 1, 1, 1).expand_as(blocks)
        )
        there = inside.unsqueeze(2).expand_as(blocks) & (blocks != 0)
        indices = torch.stack([row[there], places[there]])
        size = batch * self.count, channels * height * width
        return torch.sparse_coo_tensor(indices, blocks[there], size, check_invariants=True)

    def mirror(self) -> Patches:
        return replace(
            self,
            blocks=torch.cat([self.blocks, -self.blocks], 1),
            top=torch.cat([self.top, self.top], 1),
            left=torch.cat([self.left, self.left], 1),
            mirrored=False,
        )

    def local(self, value: Tensor) -> Tensor:
        """The windows of a value ``(B|1, 1, C|1, H, W)``, zero outside the image: ``(B|1, S|1, C|1, h, w)``."""
        rows, columns = self.window
        left, right, top, bottom = self._margins()
        image = value.squeeze(1)
        if left or right or top or bottom:
            image = F.pad(image, (left, right, top, bottom))
        if self.common:
            here = image[..., self.extent[0] + top :, self.extent[2] + left :]
            return here[..., :rows, :columns].unsqueeze(1)
        batch, channels, height = image.shape[:3]
        segments = image.unfold(3, columns, 1)
        across, down = segments.shape[3], height - rows + 1
        sample = torch.arange(batch, device=image.device).unsqueeze(1)
        y, x = self.top + top, self.left + left
        if batch * down * across > max(batch, len(y)) * self.count:
            # fewer windows than places: put together from lines of pixels
            plane = sample[..., None] * channels + torch.arange(channels, device=image.device)
            line = plane[..., None] * height + y[..., None, None] + torch.arange(rows, device=image.device)
            place = line * across + x[..., None, None]
            chosen = segments.reshape(-1, columns).index_select(0, place.flatten())
            return chosen.view(*place.shape, columns)
        place = (sample * down + y) * across + x
        views = segments.unfold(2, rows, 1).permute(0, 2, 3, 1, 5, 4)
        chosen = views.reshape(batch * down * across, -1).index_select(0, place.flatten())
        return chosen.view(*place.shape, channels, rows, columns)

    def mask(self) -> Patches:
        """Set the coefficients of places outside the image to zero."""
        if not any(self._margins()):
            return self
        inside = self.local(self.blocks.new_ones(1, 1, 1, *self.shape[2:]))
        return replace(self, blocks=self.blocks * inside)

    def dot(self, value: Tensor) -> Tensor:
        return inner(self.blocks, self.local(value))

    def channels(self, value: Tensor) -> Tensor:
        """:meth:`dot` with an image that is constant over each channel, ``(C,)``."""
        return torch.matmul(self.blocks.sum((-2, -1)), value)

    def magnitude(self, value: Tensor) -> Tensor:
        return inner(self.blocks.abs(), self.local(value))

    def norm(self, radius: Tensor, order: float) -> Tensor:
        if radius.ndim == 0:
            return torch.linalg.vector_norm(self.blocks.flatten(2), order, -1) * radius
        return torch.linalg.vector_norm((self.blocks * self.local(radius)).flatten(2), order, -1)

    def times(self, value: Tensor) -> Patches:
        return replace(self, blocks=self.blocks * self.local(value))

    def _plus(self, other: Rows) -> Rows:
        convert = getattr(other, "patches", None)
        other = other if convert is None else convert()
        shift = self._offset(other)
        if shift is None or not isinstance(other, Patches):
            return super()._plus(other)
        (rows, columns), (other_rows, other_columns), (down, right) = self.window, other.window, shift
        top, left = min(0, down), min(0, right)
        height = max(rows, down + other_rows) - top
        width = max(columns, right + other_columns) - left
        mine = F.pad(self.blocks, (-left, width + left - columns, -top, height + top - rows))
        theirs = F.pad(
            other.blocks,
            (
                right - left,
                width - (right - left) - other_columns,
                down - top,
                height - (down - top) - other_rows,
            ),
        )
        a, b, c, d = self.extent
        extent = (a + top, b + top, c + left, d + left)
        return replace(self, blocks=mine + theirs, top=self.top + top, left=self.left + left, extent=extent)

    def _offset(self, other: Rows) -> tuple[int, int] | None:
        """The common displacement of another bundle's windows against these; None where there is none."""
        if not isinstance(other, Patches) or self.top.shape != other.top.shape:
            return None
        down, right = other.top - self.top, other.left - self.left
        first_down, first_right = int(down.flatten()[0]), int(right.flatten()[0])
        same = bool((down == first_down).all()) and bool((right == first_right).all())
        return (first_down, first_right) if same else None
